//! `docs/goodput.md`, written from what was measured.

use std::fmt::Write;

use super::cells::{BUFFERS, CROWDS, Cell, Figures, LOSSES, SHARED_BUFFERS};
use super::world::Make;
use super::{ours, rivals};

/// The document as it is and as it should be.
pub(crate) fn check() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/goodput.md");
    let now = render();
    if std::env::var_os("KEEP").is_some() {
        return std::fs::write(path, now).expect("the document can be written");
    }
    let kept = std::fs::read_to_string(path).expect("the document is there");
    let differs: Vec<_> = now.lines().zip(kept.lines()).filter(|(now, kept)| now != kept).collect();
    let shown: Vec<_> = differs.iter().map(|(now, kept)| format!("kept {kept}\nnow  {now}")).collect();
    assert!(
        now == kept,
        "docs/goodput.md says other than what is measured; if that is well, run with KEEP=1\n{}",
        shown.join("\n")
    );
}

const HEAD: &str = "\
# Goodput

How much of a path a connection gets: under loss, beside others, and where packets overtake each other. All of it is
measured in virtual time, from seeds, so it is exact and the same everywhere. `tests/goodput` writes this page
(`KEEP=1 cargo test --test goodput document`) and fails when it says other than what is measured. smoltcp 0.14 runs in
the same harness: without congestion control, with Reno and with CUBIC; its figures are kept in
`tests/goodput/smoltcp.txt` (`RIVALS=1 cargo test --test goodput rivals` makes them anew), and some of them
are run again each time.

Sender and receiver are of the same make. The wire carries IP packets of up to 1500 bytes (MSS 1460). Loss and
reordering hit each packet by itself, **both ways**: ACKs are lost as data is. The receiver reads at once. kB/s are
1000 bytes a second. Times count from the SYN to the last byte read.
";

const SINGLE: &str = "
## One flow under loss

10 MiB, RTT 100 ms, no limit of the rate; means over 20 seeds. The limit is the lesser of a window in each RTT and of
1.2 MSS / (RTT sqrt(loss)), what AIMD gets under random loss. *From the limit on* counts from the moment in which the
flow first reached it, that is, in which one RTT brought 95 % of what it allows, and from the beginning in a run that
never did; the share is of the limit. Without loss 10 MiB through a buffer of 1 MiB need 17 RTTs, slow start included:
6.2 of 10.5 MB/s is all there is. *Sent twice* is what arrived although it had arrived before, of the bytes of the
flow.
";

const SHARED: &str = "
## Flows that share a bottleneck

200 Mbit/s (25,000 kB/s of Ethernet frames) with a drop-tail queue of 64 KiB each way, no other loss. RTTs are drawn
from 50 to 150 ms, the flows begin within the first second; what is read from 5 s to 30 s counts. Means over five
seeds: the goodput of all flows together, Jain's index of theirs, and the share of the packets that the queue dropped.
";

const REORDERED: &str = "
## Reordering alone

One flow as above, no loss, but a tenth of the packets is late by 25 ms, both ways. The share is of the goodput
without reordering. *Sent twice, later* is of the second half of the flow, when it had time to adapt.

Where the buffer is the limit, a window comes round only when its last packet has come, and nearly always one of the last
is late: 100 of 125 ms, 80 %, are all there is. Behind a bottleneck of 20 Mbit/s, with buffers
of 1 MiB and a queue that holds all of it, the rate is the limit.
";

fn render() -> String {
    let mut page = HEAD.to_owned();
    page += SINGLE;
    BUFFERS.iter().for_each(|&buffer| single(&mut page, buffer));
    page += SHARED;
    SHARED_BUFFERS.iter().for_each(|&buffer| shared(&mut page, buffer));
    page += REORDERED;
    reordered(&mut page);
    page
}

fn add(page: &mut String, line: &str) {
    writeln!(page, "{line}").expect("a string takes all");
}

fn single(page: &mut String, buffer: usize) {
    add(page, &format!("\nBuffers of {buffer} KiB, kB/s:\n"));
    add(
        page,
        "| loss | limit | taphouse | from the limit on | sent twice | timeouts | Reno | CUBIC | none |",
    );
    add(page, "|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for loss in LOSSES {
        let cell = Cell::Single { buffer, loss };
        let Figures { goodput, at_limit, again, timeouts, .. } = ours(cell);
        let theirs = |make| speed(rivals::figures(cell, make).goodput);
        let limit = cell.limit() / 1e3;
        let row = format!(
            "| {} % | {} | **{}** | {} ({:.0} %) | {} | {timeouts:.1} | {} | {} | {} |",
            f64::from(loss) / 10.0,
            speed(limit),
            speed(goodput),
            speed(at_limit),
            at_limit / limit * 100.0,
            percent(again),
            theirs(Make::Reno),
            theirs(Make::Cubic),
            theirs(Make::None),
        );
        add(page, &row);
    }
}

fn shared(page: &mut String, buffer: usize) {
    add(page, &format!("\nBuffers of {buffer} KiB; kB/s, Jain's index, dropped:\n"));
    add(page, "| flows | taphouse | Reno | CUBIC | none |");
    add(page, "|--:|--:|--:|--:|--:|");
    for flows in CROWDS {
        let cell = Cell::Shared { buffer, flows };
        let entry = |figures: Figures| {
            format!("{}, {:.3}, {}", speed(figures.goodput), figures.jain, percent(figures.dropped))
        };
        let theirs = |make| entry(rivals::figures(cell, make));
        let row = format!(
            "| {flows} | **{}** | {} | {} | {} |",
            entry(ours(cell)),
            theirs(Make::Reno),
            theirs(Make::Cubic),
            theirs(Make::None),
        );
        add(page, &row);
    }
}

fn reordered(page: &mut String) {
    add(page, "\n| limit | | kB/s | of that without | sent twice | sent twice, later |");
    add(page, "|--:|---|--:|--:|--:|--:|");
    let mut cells = BUFFERS
        .map(|buffer| (format!("{buffer} KiB"), Cell::Reordered { buffer }, Cell::Single { buffer, loss: 0 }))
        .to_vec();
    let behind = |is_reordered| Cell::Behind { is_reordered };
    cells.push(("20 Mbit/s".into(), behind(true), behind(false)));
    for (limit, cell, without) in cells {
        let mut row = |name: &str, figures: Figures, without: Figures| {
            let line = format!(
                "| {limit} | {name} | {} | {:.0} % | {} | {} |",
                speed(figures.goodput),
                figures.goodput / without.goodput * 100.0,
                percent(figures.again),
                percent(figures.again_late),
            );
            add(page, &line);
        };
        row("**taphouse**", ours(cell), ours(without));
        if cell == behind(true) {
            continue;
        }
        for (make, name) in [(Make::Reno, "Reno"), (Make::Cubic, "CUBIC"), (Make::None, "none")] {
            row(name, rivals::figures(cell, make), rivals::figures(without, make));
        }
    }
}

/// Three digits at least.
fn speed(kilobytes: f64) -> String {
    match kilobytes {
        k if k >= 100.0 => format!("{k:.0}"),
        k if k >= 10.0 => format!("{k:.1}"),
        k => format!("{k:.2}"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}
