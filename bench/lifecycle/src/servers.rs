//! The servers that are compared: ours, and its peers where the machine has them.

use std::process::{Command, Stdio};

pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) command: fn(&str) -> Command,
    /// The program this needs besides us.
    pub(crate) needs: Option<&'static str>,
}

impl Server {
    pub(crate) fn is_here(&self) -> bool {
        let asked = |program: &str| {
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status()
        };
        self.needs.is_none_or(|program| asked(program).is_ok())
    }

    pub(crate) fn start(&self, address: &str) -> Command {
        let mut command = (self.command)(address);
        command.env("ADDR", address).env("LAME_DUCK", "2s");
        command
    }
}

pub(crate) const OURS: Server = Server {
    name: "aplomb-lifecycle (http-service)",
    command: |_| Command::new("target/release/http-service"),
    needs: None,
};

pub(crate) const AXUM: Server = Server {
    name: "axum::serve, graceful",
    command: |_| {
        let mut command = Command::new(std::env::current_exe().expect("a program of our own"));
        command.arg("plain-axum");
        command
    },
    needs: None,
};

pub(crate) const NODE_CLOSE: Server =
    Server { name: "node, server.close()", command: |_| node("close.mjs"), needs: Some("node") };

pub(crate) const NODE_DELAY: Server =
    Server { name: "node, 2 s delay by hand", command: |_| node("delay.mjs"), needs: Some("node") };

pub(crate) const NODE_HTTP2: Server =
    Server { name: "node, http2 session.close()", command: |_| node("http2.mjs"), needs: Some("node") };

pub(crate) const GUNICORN: Server = Server {
    name: "gunicorn, gthread, 2 × 64",
    command: |address| {
        let mut command = Command::new("gunicorn");
        command.args(["--chdir", "bench/lifecycle/peers", "--bind", address]);
        command.args(["--worker-class", "gthread", "--workers", "2", "--threads", "64", "service:app"]);
        command
    },
    needs: Some("gunicorn"),
};

pub(crate) const HYPERCORN: Server = Server {
    name: "hypercorn",
    command: |address| {
        let mut command = Command::new("hypercorn");
        command.args(["--bind", address, "service_asgi:app"]).current_dir("bench/lifecycle/peers");
        command
    },
    needs: Some("hypercorn"),
};

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(format!("bench/lifecycle/peers/{script}"));
    command
}
