//! Sockets the engine holds, while the engine is killed and the service restarted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aplomb_protocol::State;

use crate::engine::Engine;
use crate::stage::{PATIENCE, Stage, free_port};

#[test]
fn no_connection_is_refused() {
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
                let address = ([127, 0, 0, 1], port).into();
                let mut stream =
                    TcpStream::connect_timeout(&address, PATIENCE).expect("never refused");
                // Who was accepted by a process that ends now may be cut off; nobody may be refused.
                let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
                let _ = stream.read_to_string(&mut String::new());
                connected += 1;
                thread::sleep(Duration::from_millis(1));
            }
            connected
        });
        for _ in 0..3 {
            engine.die(&stage);
            engine.takeover();
            assert!(engine.restart("web").arrived);
        }
        over.store(true, Ordering::Relaxed);
        client.join().expect("no connection was refused")
    });
    assert!(connected > 3);
    engine.end();
}
