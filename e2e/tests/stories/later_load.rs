//! Files taken in by an engine that runs already.

use aplomb_protocol::State;

use crate::engine::Engine;
use crate::stage::Stage;

#[test]
fn a_file_taken_in_later_may_name_what_is_there_already_and_nothing_else() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, "[service.base]\ncommand = [\"ACTOR\"]\n");
    engine.ears.state("base", State::Running);
    let unit = |name: &str, needs: &str| {
        format!("[service.{name}]\ncommand = [\"ACTOR\"]\nrequires = [\"{needs}\"]\n")
    };
    stage.write("top.toml", &unit("top", "base"));
    let said = stage.says(&["up", "-d", "top.toml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    stage.write("lost.toml", &unit("lost", "bass"));
    let said = stage.says(&["up", "-d", "lost.toml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("no such service"), "{}", said.err);

    // The relation holds: what `top` requires takes it along.
    engine.stop("base");
    assert_eq!(engine.status("top").state, State::Stopped);
    engine.end();
}
