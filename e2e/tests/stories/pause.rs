//! A service held where it is.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use aplomb_protocol::{Ask, State};

use crate::engine::Engine;
use crate::stage::{PATIENCE, Stage, free_port};

#[test]
fn a_paused_service_answers_nobody_until_it_goes_on() {
    let stage = Stage::new();
    let port = free_port();
    let mut engine = Engine::playing(
        &stage,
        &format!(
            "[service.web]\ncommand = [\"ACTOR\", \"port={port}\"]\nready = \"port {port}\"\n"
        ),
    );
    engine.ears.state("web", State::Running);
    let pid = engine.status("web").pid;
    let names = || vec!["web".to_owned()];
    assert!(engine.outcomes(Ask::Pause { names: names() })[0].arrived);
    engine.ears.state("web", State::Paused);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the kernel still accepts");
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("sent");
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("set");
    let silence = stream.read(&mut [0; 64]).expect_err("nobody answers");
    assert!(
        matches!(silence.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{silence}"
    );
    assert!(engine.outcomes(Ask::Continue { names: names() })[0].arrived);
    engine.ears.state("web", State::Running);
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(engine.status("web").pid, pid, "the same run goes on");
    engine.end();
}

#[test]
fn a_paused_service_can_be_stopped() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, "[service.web]\ncommand = [\"ACTOR\"]\n");
    engine.ears.state("web", State::Running);
    assert!(
        engine.outcomes(Ask::Pause {
            names: vec!["web".into()]
        })[0]
            .arrived
    );
    assert!(engine.stop("web").arrived);
    let events = engine.end();
    let killed = events
        .iter()
        .any(|event| matches!(event.kind, aplomb_protocol::EventKind::Killed { .. }));
    assert!(!killed, "it was let go on to end as asked");
}
