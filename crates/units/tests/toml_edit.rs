//! One setting is changed, everything around it stays.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

use aplomb_units::toml::edit;
use aplomb_units::{Diagnostic, Source};

const FILE: &str = r#"# The shop.
[service.web]   # outside
command = ["/usr/bin/web"]
restart = "always"   # never give up
env = { PORT = "80" }

[service.web.log]
to = "/var/log/web" # big disk

[service.stock]
command = "/usr/bin/stock"
instances = 2
"#;

fn source() -> Source {
    Source::new("/srv/shop.toml", FILE)
}

fn set(key: &str, value: &str) -> String {
    let text = edit::set(&source(), "web", key, value).unwrap();
    changes(&text)
}

fn reset(key: &str) -> String {
    changes(&edit::reset(&source(), "web", key).unwrap())
}

/// Lines that are gone or new.
fn changes(text: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (FILE.lines().collect(), text.lines().collect());
    let gone = old
        .iter()
        .filter(|line| !new.contains(line))
        .map(|line| format!("-{line}"));
    let come = new
        .iter()
        .filter(|line| !old.contains(line))
        .map(|line| format!("+{line}"));
    gone.chain(come).collect::<Vec<_>>().join("\n")
}

fn told(fault: &Diagnostic) -> String {
    format!("{}; {}", fault.message, fault.action)
}

#[test]
fn a_value_is_replaced_and_its_comment_kept() {
    assert_eq!(
        set("restart", "on-failure"),
        "-restart = \"always\"   # never give up\n+restart = \"on-failure\"   # never give up"
    );
    assert_eq!(
        set("log.to", "/srv/log"),
        "-to = \"/var/log/web\" # big disk\n+to = \"/srv/log\" # big disk"
    );
    assert_eq!(
        set("env.PORT", "8080"),
        "-env = { PORT = \"80\" }\n+env = { PORT = 8080 }"
    );
}

#[test]
fn a_new_key_comes_into_its_table() {
    assert_eq!(set("user", "www-data"), "+user = \"www-data\"");
    assert_eq!(set("log.keep", "3"), "+keep = 3");
    assert_eq!(set("stop.budget", "1m"), "+stop = { budget = \"1m\" }");
    assert_eq!(
        set("listen", r#"["tcp 80", "tcp 443"]"#),
        r#"+listen = ["tcp 80", "tcp 443"]"#
    );
}

#[test]
fn a_short_form_opens_into_a_table_when_more_is_said() {
    assert_eq!(
        set("restart.delay", "10s"),
        "-restart = \"always\"   # never give up\n+restart = { when = \"always\", delay = \"10s\" }   # never give up"
    );
}

#[test]
fn a_key_is_taken_out_and_an_empty_table_with_it() {
    assert_eq!(reset("env.PORT"), "-env = { PORT = \"80\" }");
    assert_eq!(reset("restart"), "-restart = \"always\"   # never give up");
    assert_eq!(
        reset("restart.when"),
        "-restart = \"always\"   # never give up"
    );
    assert_eq!(reset("restart.delay"), "");
    assert_eq!(reset("user"), "");
    assert_eq!(
        reset("log.to"),
        "-[service.web.log]\n-to = \"/var/log/web\" # big disk"
    );
}

#[test]
fn what_is_written_is_told_as_it_is_written() {
    let get = |key: &str| edit::get(&source(), "web", key).unwrap();
    assert_eq!(get("restart"), Some("\"always\"".into()));
    assert_eq!(get("restart.when"), Some("\"always\"".into()));
    assert_eq!(get("restart.delay"), None);
    assert_eq!(get("command"), Some("[\"/usr/bin/web\"]".into()));
    assert_eq!(get("log.to"), Some("\"/var/log/web\"".into()));
    assert_eq!(get("user"), None);
}

#[test]
fn a_service_is_removed_with_its_tables() {
    let text = edit::remove(&source(), "web").unwrap();
    assert!(!text.contains("web"), "{text}");
    assert!(text.contains("[service.stock]"), "{text}");
}

#[test]
fn what_would_break_the_file_is_not_done() {
    let fault = |service: &str, key: &str, value: &str| {
        told(&edit::set(&source(), service, key, value).unwrap_err())
    };
    assert_eq!(
        fault("web", "restart", "sometimes"),
        "`restart` cannot be \"sometimes\"; give it \"never\", \"on-success\", \"on-failure\", \"on-abnormal\", \"on-abort\", \"on-watchdog\" or \"always\""
    );
    assert_eq!(
        fault("web", "restrat.delay", "1s"),
        "there is no key `restrat`; did you mean `restart`?"
    );
    assert_eq!(
        fault("web", "restart.dely", "1s"),
        "there is no key `restart.dely`; write `delay`"
    );
    assert_eq!(
        fault("wbe", "user", "x"),
        "there is no service `wbe` in this file; did you mean `web`?"
    );
    assert_eq!(
        fault("stock@1", "user", "x"),
        "there is no service `stock@1` in this file; name `stock`, whose instances have their settings in common"
    );
    assert_eq!(
        fault("web", "start-timeout", "90"),
        "`start-timeout` cannot be a bare number; give it a duration such as \"10s\" or \"1m30s\""
    );
}

#[test]
fn a_file_that_cannot_be_parsed_says_where() {
    let source = Source::new("/srv/x.toml", "[service.web]\ncommand = \n");
    let fault = edit::set(&source, "web", "user", "x").unwrap_err();
    assert!(fault.message.starts_with("this is no TOML"), "{fault}");
    assert_eq!(fault.place.span.start, 24);
}
