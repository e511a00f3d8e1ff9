//! Sockets the engine holds.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aplomb_protocol::State;

use crate::engine::Engine;
use crate::stage::{PATIENCE, Stage, free_port};

/// What a service answers a whole request with.
fn ask(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_restart_refuses_no_connection_on_a_held_socket() {
    let stage = Stage::new();
    let port = free_port();
    let mut engine = Engine::playing(
        &stage,
        &format!(
            r#"
            [service.web]
            command = ["ACTOR", "listen=3", "notify=READY=1"]
            ready = "notify"
            listen = "tcp 127.0.0.1:{port}"
            "#
        ),
    );
    engine.ears.state("web", State::Running);
    let over = AtomicBool::new(false);
    let connected = thread::scope(|scope| {
        let over = &over;
        let client = scope.spawn(move || {
            let mut connected = 0;
            while !over.load(Ordering::Relaxed) {
                let stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), PATIENCE);
                // Who was accepted by a process that ends now may be cut off; nobody may be refused.
                let _ = ask(&mut stream.expect("never refused"));
                connected += 1;
                thread::sleep(Duration::from_millis(1));
            }
            connected
        });
        let pids: Vec<_> = (0..3)
            .map(|_| {
                assert!(engine.restart("web").arrived);
                engine.status("web").pid
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        assert!(pids[0] != pids[1] && pids[1] != pids[2], "{pids:?}");
        client.join().expect("no connection was refused")
    });
    assert!(connected > 0);
    let pid = engine.status("web").pid.expect("a main process");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    let answer = ask(&mut stream).expect("answered");
    assert!(answer.contains(&format!("pid {pid}\n")), "{answer}");
    engine.end();
}
