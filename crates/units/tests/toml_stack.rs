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

fn told(text: &str) -> Vec<String> {
    let (_, diagnostics) = read(text);
    let place = |fault: &Diagnostic| text[fault.place.span.clone()].to_string();
    diagnostics
        .iter()
        .map(|fault| format!("{}: {}; {}", place(fault), fault.message, fault.action))
        .collect()
}

#[test]
fn slips_of_syntax_are_told_one_a_line_with_what_to_write() {
    let text = r#"
[service.web]
restart = always # ever
ready = notify
log = ./logs
start-timeout = 10s
user = "a
env = { A = "1", A = "2" }
= 3
umask = 022
comand = "/bin/x"
[service.web]
nice = 5
"#;
    assert_eq!(
        told(text),
        [
            "always: the text `always` is not in quotes; write restart = \"always\"",
            "notify: the text `notify` is not in quotes; write ready = \"notify\"",
            "./logs: the text `./logs` is not in quotes; write log = \"./logs\"",
            "10s: the text `10s` is not in quotes; write start-timeout = \"10s\"",
            ": this is no TOML: invalid basic string, expected `\"`; close the quote",
            "A: this is no TOML: duplicate key; remove one of the two, or join their tables",
            ": this is no TOML: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`; write a key before the `=`",
            "022: the text `022` is not in quotes; write umask = \"022\"",
            "web: this is no TOML: duplicate key; remove one of the two, or join their tables",
            "comand: there is no key `comand`; write `command`",
        ]
    );
}

#[test]
fn instances_share_the_faults_they_have_in_common() {
    let text = "[service.web]\ncommand = 'x'\ninstances = 3\nnicee = 1\nready = \"port 6553${instance}\"\n";
    assert_eq!(told(text).len(), 1);
    let text = "[service.web]\ncommand = 'x'\ninstances = 3\nready = \"port 6553${instance}5\"\n";
    assert_eq!(
        told(text),
        [
            "\"port 6553${instance}5\": the value of `ready` is wrong: `655315` is no port; give it a port such as \"8080\" or \"127.0.0.1:8080\""
        ]
    );
}

#[test]
fn a_literal_instance_is_written_with_two_dollars() {
    let (specs, _) = read(
        "[service.web]\ninstances = 1\ncommand = ['x', '$${instance}', '${instance}-$${instance}']\n[service.one]\ncommand = ['x', '${instance}']\n",
    );
    assert_eq!(specs[0].start[0].args, ["${instance}", "1-${instance}"]);
    assert_eq!(specs[1].start[0].args, ["${instance}"]);
}

#[test]
fn defaults_reach_every_service_and_merge_by_key() {
    let (specs, diagnostics) = read(
        r#"
[default]
user = "www-data"
env = { A = "1", B = "2" }
stop = { budget = "1m" }
log = { to = "journal", max-level = "info" }

[service.a]
command = "x"

[service.b]
command = "x"
user = "root"
env = { B = "3" }
stop = "SIGINT 5s"
log = "none"
"#,
    );
    assert_eq!(diagnostics, []);
    let [a, b] = &specs[..] else { panic!() };
    assert_eq!(a.process.user.as_deref(), Some("www-data"));
    assert_eq!(b.process.user.as_deref(), Some("root"));
    let env = [("A", "1"), ("B", "3")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(b.process.env, env);
    assert_eq!(b.stop.budget, Some(Duration::from_secs(60)));
    assert_eq!(b.stop.plan[0].request, Request::Signal(Signal::INT));
    assert_eq!(b.log.max_level, aplomb_core::spec::Level::Info);
    assert_eq!(b.log.to, aplomb_core::spec::LogTo::Nothing);
}

#[test]
fn a_relative_program_with_a_directory_of_its_own_is_ambiguous() {
    assert_eq!(
        told("[service.web]\ncommand = './web'\ndirectory = 'data'\n"),
        [
            "'./web': `./web` could be seen from this file or from `directory`; write /srv/shop/web or /srv/shop/data/web"
        ]
    );
    assert_eq!(
        told("[service.web]\ncommand = './web'\ndirectory = '.'\n"),
        Vec::<String>::new()
    );
}

#[test]
fn a_file_without_services_is_remarked_on() {
    assert_eq!(
        told("# nothing yet\n"),
        [": this file defines no service; add a table [service.NAME] with a `command`"]
    );
    assert_eq!(
        told("command = 'x'\n"),
        [
            "command: there is no key `command` outside services; put it below a table [service.NAME]"
        ]
    );
}

#[test]
fn ten_thousand_faults_are_all_told_and_only_once() {
    let mut text = String::from("[service.web]\ncommand = 'x'\ninstances = 1000\n");
    for number in 0..10_000 {
        text.push_str(&format!("key-{number} = {number}\n"));
    }
    assert_eq!(told(&text).len(), 10_000);
}
