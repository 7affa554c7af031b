//! How much of a path a flow gets: goodput under loss, beside others, and under reordering, ours against smoltcp, in
//! virtual time. What a run gives depends on its seed alone.
//!
//! `docs/goodput.md` is the table, and a snapshot: `KEEP=1 cargo test --test goodput document` writes it anew.
//! smoltcp's figures are in `smoltcp.txt`: `RIVALS=1 cargo test --test goodput rivals` makes them anew.
//!
//! For whoever tunes the core, `one_cell` prints what the environment asks for. `CELL` is `single/KIB/PERMILLE`,
//! `reordered/KIB`, `shared/KIB/FLOWS`, or the first of these words alone, or `all`; `OF` some of `ours`, and of
//! `none`, `reno` and `cubic`, which are smoltcp's; `SEED=n` one seed; `SERIES=1` the course of one flow of one seed,
//! a line each 100 ms, with `FLOW=n` of another than the first.
//!
//! ```sh
//! CELL=single OF=ours cargo test --test goodput one_cell -- --ignored --nocapture
//! CELL=single/32/10 OF=ours,cubic cargo test --test goodput one_cell -- --ignored --nocapture
//! CELL=single/1024/0 SEED=3 SERIES=1 cargo test --test goodput one_cell -- --ignored --nocapture
//! ```

mod arrivals;
mod cells;
mod document;
mod host;
mod one;
mod rivals;
mod theirs;
mod wire;
mod world;

use std::sync::LazyLock;

use cells::{Cell, Figures};
use world::Make;

/// What we get in a cell. The cells of one kind and buffer are run together, once.
fn ours(cell: Cell) -> Figures {
    type Table = Vec<(Cell, Figures)>;
    fn table(cells: impl Iterator<Item = Cell>) -> Table {
        cells.map(|cell| (cell, cell.figures(Make::Ours))).collect()
    }
    static ALONE: LazyLock<Table> =
        LazyLock::new(|| table(Cell::singles().chain(Cell::reordered()).chain(Cell::behind())));
    static SHARED: LazyLock<Table> = LazyLock::new(|| table(Cell::shared()));
    let table = if matches!(cell, Cell::Shared { .. }) { &SHARED } else { &ALONE };
    table.iter().find(|(other, _)| *other == cell).expect("it is one of the cells").1
}

/// Fails with all cells that fall short.
fn all_hold(cells: impl Iterator<Item = Cell>, short: impl Fn(Cell) -> Option<String>) {
    let problems: Vec<_> =
        cells.filter_map(|cell| short(cell).map(|why| format!("{}: {why}", cell.name()))).collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn a_single_flow_gets_what_smoltcp_gets() {
    all_hold(Cell::singles(), |cell| {
        let (ours, theirs) = (ours(cell).goodput, rivals::best_controlled(cell).goodput);
        (ours < theirs).then(|| format!("{ours:.2} kB/s, smoltcp {theirs:.2}"))
    });
}

#[test]
fn a_single_flow_keeps_85_percent_of_its_limit_up_to_2_percent_of_loss() {
    let up_to_two = Cell::singles().filter(|cell| matches!(cell, Cell::Single { loss: 0..=20, .. }));
    all_hold(up_to_two, |cell| {
        let (got, limit) = (ours(cell).at_limit, cell.limit() / 1e3);
        (got < 0.85 * limit).then(|| format!("{got:.1} kB/s, {:.0} % of {limit:.1}", got / limit * 100.0))
    });
}

#[test]
fn flows_together_get_what_smoltcp_gets() {
    all_hold(Cell::shared(), |cell| {
        let (ours, theirs) = (ours(cell).goodput, rivals::best_of_all(cell).goodput);
        (ours < theirs).then(|| format!("{ours:.0} kB/s, smoltcp {theirs:.0}"))
    });
}

#[test]
fn flows_share_as_fairly_as_smoltcp() {
    all_hold(Cell::shared(), |cell| {
        let (ours, theirs) = (ours(cell).jain, rivals::best_of_all(cell).jain);
        (ours < theirs - 0.05).then(|| format!("Jain's index {ours:.3}, smoltcp {theirs:.3}"))
    });
}

#[test]
fn reordering_costs_a_tenth_at_most() {
    let [without, with] = [false, true].map(|is_reordered| ours(Cell::Behind { is_reordered }).goodput);
    assert!(with >= 0.9 * without, "{with:.1} kB/s, without {without:.1}");
}

/// A window comes round only when its last packet has come, one of which is nearly always late: 0.8 of the goodput is
/// all there is.
#[test]
fn where_the_buffer_is_the_limit_reordering_costs_what_it_must() {
    all_hold(Cell::reordered(), |cell| {
        let Cell::Reordered { buffer } = cell else { unreachable!("they are of this kind") };
        let (with, without) = (ours(cell).goodput, ours(Cell::Single { buffer, loss: 0 }).goodput);
        let bound = 0.8 * without;
        (with < 0.9 * bound).then(|| format!("{with:.1} kB/s of {bound:.1}, {without:.1} without"))
    });
}

#[test]
fn a_flow_that_knows_of_reordering_sends_nothing_twice() {
    all_hold(Cell::reordered().chain(Cell::behind()), |cell| {
        let again = ours(cell).again_late;
        (again > 0.005).then(|| format!("{:.2} % of the second half is sent twice", again * 100.0))
    });
}

#[test]
fn document_says_what_is_measured() {
    document::check();
}

#[test]
fn rivals_do_what_is_kept_of_them() {
    rivals::check();
}

/// Prints what the environment asks for.
#[test]
#[ignore = "prints one cell, for whoever tunes the core"]
fn one_cell() {
    one::print();
}
