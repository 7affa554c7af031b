//! What smoltcp gets in each cell. That never changes, so it is kept in `smoltcp.txt`, and some of it is run again.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use super::cells::{Cell, Figures};
use super::world::Make;

/// The kept table.
static KEPT: &str = include_str!("smoltcp.txt");
const HEAD: &str = "\
# smoltcp 0.14.0 in the cells of tests/goodput, means over the seeds: cell, congestion control, kB/s, kB/s from the
# limit on, runs that reached it, bytes that came again, the same in the second half, Jain's index, packets dropped.
# Written by: RIVALS=1 cargo test --test goodput rivals
";

/// What is kept of a cell.
pub(crate) fn figures(cell: Cell, make: Make) -> Figures {
    static TABLE: LazyLock<BTreeMap<(String, String), Figures>> = LazyLock::new(|| {
        let lines = KEPT.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| read(line).expect("seven numbers behind a cell and a name")).collect()
    });
    let key = (cell.name(), make.name().to_owned());
    *TABLE.get(&key).unwrap_or_else(|| panic!("smoltcp.txt has no {key:?}: RIVALS=1 makes it anew"))
}

/// The better of those with congestion control, by goodput.
pub(crate) fn best_controlled(cell: Cell) -> Figures {
    best(cell, &[Make::Reno, Make::Cubic])
}

/// The best of all, by goodput.
pub(crate) fn best_of_all(cell: Cell) -> Figures {
    best(cell, &Make::RIVALS)
}

fn best(cell: Cell, makes: &[Make]) -> Figures {
    let all = makes.iter().map(|&make| figures(cell, make));
    all.max_by(|a, b| a.goodput.total_cmp(&b.goodput)).expect("there is one")
}

/// The line of a cell.
fn line(cell: Cell, make: Make, figures: &Figures) -> String {
    let Figures { goodput, at_limit, reached, again, again_late, jain, dropped, timeouts: _ } = figures;
    let (cell, make) = (cell.name(), make.name());
    format!(
        "{cell} {make} {goodput:.3} {at_limit:.3} {reached:.2} {again:.5} {again_late:.5} {jain:.4} {dropped:.5}"
    )
}

fn read(line: &str) -> Option<((String, String), Figures)> {
    let mut words = line.split(' ');
    let key = (words.next()?.to_owned(), words.next()?.to_owned());
    let numbers: Vec<f64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let &[goodput, at_limit, reached, again, again_late, jain, dropped] = numbers.as_slice() else {
        return None;
    };
    let timeouts = 0.0;
    Some((key, Figures { goodput, at_limit, reached, again, again_late, jain, dropped, timeouts }))
}

/// Cells that are run again each time.
const REPLAYED: [(Cell, Make); 7] = [
    (Cell::Single { buffer: 32, loss: 10 }, Make::Cubic),
    (Cell::Single { buffer: 1024, loss: 0 }, Make::Reno),
    (Cell::Single { buffer: 32, loss: 200 }, Make::None),
    (Cell::Single { buffer: 1024, loss: 50 }, Make::Cubic),
    (Cell::Reordered { buffer: 32 }, Make::Reno),
    (Cell::Shared { buffer: 256, flows: 1 }, Make::Cubic),
    (Cell::Shared { buffer: 256, flows: 16 }, Make::None),
];

/// The kept table is what smoltcp does; where the environment says `RIVALS`, it is made anew.
pub(crate) fn check() {
    if std::env::var_os("RIVALS").is_some() {
        let mut table = HEAD.to_owned();
        for cell in Cell::all() {
            for make in Make::RIVALS {
                writeln!(table, "{}", line(cell, make, &cell.figures(make))).expect("a string takes all");
            }
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goodput/smoltcp.txt");
        return std::fs::write(path, table).expect("the table can be written");
    }
    assert!(KEPT.starts_with(HEAD), "the table says what its columns are");
    for (cell, make) in REPLAYED {
        let line = line(cell, make, &cell.figures(make));
        assert!(KEPT.lines().any(|kept| kept == line), "smoltcp.txt does not say: {line}");
    }
}
