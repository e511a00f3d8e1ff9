//! A systemd unit as it is.

use aplomb_protocol::{EventKind, State};

use crate::engine::{Engine, between};
use crate::stage::Stage;

#[test]
fn a_systemd_unit_runs_unchanged() {
    let stage = Stage::new();
    stage.write("settings", "# comment\nFROM_FILE=\"out of the file\"\n");
    stage.write(
        "web.service",
        "[Unit]\n\
         Description=A web server\n\
         [Service]\n\
         Type=notify\n\
         EnvironmentFile=STAGE/settings\n\
         Environment=GREETING=hello\n\
         ExecStartPre=/bin/sh -c 'echo pre >> STAGE/pre'\n\
         ExecStart=ACTOR append=STAGE/seen:${GREETING},${FROM_FILE} first-run=STAGE/crashed:1 notify=READY=1\n\
         Restart=on-failure\n\
         RestartSec=150ms\n\
         [Install]\n\
         WantedBy=multi-user.target\n",
    );
    let mut engine = Engine::start(&stage, &["web.service"]);
    let crashed = engine.ears.kind("web", "crashed", |kind| {
        matches!(kind, EventKind::Exited { code: Some(1), .. })
    });
    let again = engine.ears.kind("web", "spawned", |kind| {
        matches!(kind, EventKind::Spawned { .. })
    });
    engine.ears.state("web", State::Running);
    assert!(between(&crashed, &again).as_millis() >= 150);
    engine.end();
    assert_eq!(
        stage.read("seen"),
        "hello,out of the file\nhello,out of the file\n"
    );
    assert_eq!(stage.read("pre"), "pre\npre\n");
}
