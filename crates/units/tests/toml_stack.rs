//! A whole stack in our dialect, from text to specs.

use aplomb_core::spec::{Check, Growth, Kind, Moment, Ready, Request, RestartWhen};
use aplomb_core::{Duration, Signal, Spec};
use aplomb_units::{Diagnostic, Source, toml};

fn read(text: &str) -> (Vec<Spec>, Vec<Diagnostic>) {
    let source = Source::new("/srv/shop/shop.toml", text);
    let mut diagnostics = Vec::new();
    let loaded = toml::read(&source, &mut diagnostics);
    let specs = loaded.into_iter().map(|loaded| loaded.spec).collect();
    (specs, diagnostics)
}

const SHOP: &str = r#"
[default]
restart = { when = "always", delay = "200ms" }
env = { LANG = "C.UTF-8" }

[service.gateway]
description = "Takes orders from outside"
command = ["bin/gateway", "--listen", "fd:3"]
requires = ["orders"]
listen = "tcp 127.0.0.1:8080"
ready = "http http://127.0.0.1:8080/readyz"
stop = { pre = "bin/drain --wait", plan = ["SIGTERM 20s", "SIGINT 5s"], budget = "40s" }

[service.orders]
command = "/usr/bin/orders --db 'my db.sqlite'"
wants = ["stock", "payment"]
env = { PORT = 8081 }
restart = { factor = 1.5, limit = "5 in 1m", then = "every 5m" }
limits = { open-files = 65536, core = "none", memory = "512MiB", cpu = "150%", pids = 100 }
ready = { notify = "all" }
watchdog = "30s"
log = { to = "logs", max-level = "info", rotate = { size = "1MiB", at = "daily 03:00" }, keep = 3 }
on-failure = ["alarm", { command = ["/usr/bin/page", "me"], timeout = "5s" }]
exit = { success = [3, "SIGUSR1"], actions = { 75 = "restart" } }

[service.stock]
command = ["/usr/bin/stock", "--shard", "${instance}"]
instances = 2
ready = "port 900${instance}"

[service.payment]
command = "payment"
start-mode = "manual"

[service.alarm]
kind = "oneshot"
command = [["/bin/true"], ["/bin/echo", "alarm"]]
restart = "never"
"#;

#[test]
fn a_stack_is_read_with_every_setting() {
    let (specs, diagnostics) = read(&SHOP.replace("to = \"logs\"", "to = \"./logs\""));
    assert_eq!(diagnostics, []);
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "gateway", "orders", "stock@1", "stock@2", "payment", "alarm"
        ]
    );
    let gateway = &specs[0];
    assert_eq!(gateway.start[0].program, "/srv/shop/bin/gateway");
    assert_eq!(gateway.depends.after, ["orders"]);
    assert_eq!(gateway.restart.when, RestartWhen::Always);
    assert_eq!(gateway.restart.delay, Duration::from_millis(200));
    assert_eq!(gateway.stop.plan[1].request, Request::Signal(Signal::INT));
    let orders = &specs[1];
    assert_eq!(orders.start[0].args, ["--db", "my db.sqlite"]);
    assert_eq!(
        orders.process.env,
        [
            ("LANG".into(), "C.UTF-8".into()),
            ("PORT".into(), "8081".into())
        ]
    );
    assert_eq!(orders.restart.delay, Duration::from_millis(200));
    assert!(matches!(
        orders.restart.growth,
        Growth::Factor { permille: 1500, .. }
    ));
    assert_eq!(orders.process.resources.cpu_max, Some(1500));
    assert_eq!(orders.depends.on_failure, ["alarm"]);
    assert_eq!(orders.hooks[0].on, Moment::Failed);
    assert_eq!(orders.hooks[0].timeout, Duration::from_secs(5));
    let stock = &specs[3];
    assert_eq!(stock.start[0].args, ["--shard", "2"]);
    assert!(matches!(
        &stock.ready,
        Ready::Probe { check: Check::Port(port), .. } if port == "127.0.0.1:9002"
    ));
    assert_eq!(specs[5].kind, Kind::Oneshot);
    assert_eq!(specs[5].start.len(), 2);
}

#[test]
fn what_is_written_reads_back_the_same() {
    let (specs, _) = read(&SHOP.replace("to = \"logs\"", "to = \"./logs\""));
    for spec in specs {
        let text = toml::write(&spec);
        let (again, diagnostics) = read(&text);
        assert_eq!(diagnostics, [], "{text}");
        assert_eq!(again, [spec], "{text}");
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let (_, diagnostics) = read(
        r#"
[service.web]
comand = "/bin/x"
restart = "allways"
start-timeout = 90
env = { A = 1.5 }
"#,
    );
    let told: Vec<String> = diagnostics
        .iter()
        .map(|fault| format!("{}; {}", fault.message, fault.action))
        .collect();
    assert_eq!(
        told,
        [
            "there is no key `comand`; write `command`",
            "`restart` cannot be \"allways\"; write \"always\"",
            "`start-timeout` cannot be a bare number; give it a duration such as \"10s\" or \"1m30s\"",
            "`env.A` cannot be a bare number; give it a text in quotes",
        ]
    );
}
