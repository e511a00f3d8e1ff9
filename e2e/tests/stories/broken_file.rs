//! Faulty unit files.

use crate::engine::Engine;
use crate::stage::{Stage, until};

const BROKEN: &str = r#"[service.web]
command = ["sleep", "100"]
restrat = "always"
requires = ["nobody"]
"#;

#[test]
fn every_fault_of_a_file_is_told_with_its_line_and_nothing_is_started() {
    let stage = Stage::new();
    stage.write("broken.toml", BROKEN);
    let mut up = stage.aplomb(&["up", "broken.toml"]);
    stage.places(&mut up);
    for said in [
        stage.says(&["check", "broken.toml"]),
        crate::stage::finish(up),
    ] {
        assert_eq!(said.code, Some(1), "{said:?}");
        let told = said.out + &said.err;
        assert!(
            told.contains("broken.toml:3") && told.contains("`restart`"),
            "{told}"
        );
        assert!(
            told.contains("broken.toml:4") && told.contains("nobody"),
            "{told}"
        );
    }
    until("the engine that had nothing to carry has ended", || {
        stage.present().is_empty() && !stage.socket().exists()
    });
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_its_line_and_the_engine_goes_on() {
    let stage = Stage::new();
    let engine = Engine::playing(&stage, "[service.good]\ncommand = [\"ACTOR\"]\n");
    stage.write(
        "broken.toml",
        "[service.web]\ncommand = [\"sleep\",\n\n[service.other\n",
    );
    let said = stage.says(&["up", "-d", "broken.toml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("broken.toml:"), "{}", said.err);
    let said = stage.says(&["status", "good"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    engine.end();
}
