//! What the README shows is what the program does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use taphouse::inspect::boxes::{Look, draw};
use taphouse::inspect::{Captured, Framing, Key, Secrecy, Value, dissect};

#[expect(dead_code, unreachable_pub, reason = "an example has a main of its own")]
#[path = "../examples/notes_frame.rs"]
mod notes_frame;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn the_drawing_is_what_explain_draws() {
    let frame = notes_frame::frame();
    let captured = Captured { bytes: &frame, original_len: frame.len(), medium: Framing::Ethernet };
    let drawing = draw(&dissect(&captured, Secrecy::Shown), Look::default());
    let readme = readme();
    let shown = readme.split("checked by tests/readme.rs -->\n```text\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    assert_eq!(shown, drawing);
}

#[test]
fn the_right_checksums_are_those_in_the_text() {
    let frame = notes_frame::frame();
    let captured = Captured { bytes: &frame, original_len: frame.len(), medium: Framing::Ethernet };
    let dissection = dissect(&captured, Secrecy::Shown);
    let text = readme().split("**The FCS has four bytes**").nth(1).unwrap().to_owned();
    for key in [Key::EthFcs, Key::IpChecksum, Key::TcpChecksum] {
        let field = dissection.layers.iter().find_map(|layer| layer.field(key)).unwrap();
        let Value::Check { value, digits, verdict } = field else { panic!("{field:?}") };
        let right = value.or(verdict.calculated()).unwrap();
        assert!(text.contains(&format!("`0x{right:0digits$x}`")), "{key:?} is {right:#x}");
    }
}

#[test]
fn the_example_is_the_one_that_runs() {
    let example = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/web.rs")).unwrap();
    assert!(example.lines().count() < 40, "{} lines", example.lines().count());
    let readme = readme();
    let shown =
        readme.split("<!-- examples/web.rs: checked by tests/readme.rs -->\n```rust\n").nth(1).unwrap();
    assert_eq!(shown.split("```").next().unwrap(), example);
}
