//! Output that ends in the middle of a line.

use aplomb_protocol::EventKind;

use crate::engine::Engine;
use crate::stage::Stage;

#[test]
fn a_last_line_without_its_end_is_kept() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.half]
        command = ["ACTOR", "say=a whole line", "half=and half a li", "exit=0"]
        restart = "never"
        log = { to = "file STAGE/out.txt", timestamps = "none" }
        "#,
    );
    engine.ears.kind("half", "ended", |kind| {
        matches!(kind, EventKind::Exited { code: Some(0), .. })
    });
    engine.end();
    assert_eq!(
        stage.read("out.txt").trim_end_matches('\n'),
        "a whole line\nand half a li"
    );
}
