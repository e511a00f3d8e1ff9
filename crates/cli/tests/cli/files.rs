//! Verbs about unit files that need no engine: check, convert, schema, completions, man.

use crate::home::Home;
use crate::snapshot::assert_snapshot;

const SHOP: &str = "\
[service.store]
command = [\"/bin/true\"]

[service.web]
command = [\"/bin/sleep\", \"1000\"]
requires = [\"store\"]
stop.plan = [\"SIGINT 5s\", \"SIGTERM\"]
";

const FAULTY: &str = "\
[service.web]
command = [\"/missing/web\"]
requires = [\"stroe\"]
restrat = \"always\"

[service.store]
command = [\"/bin/true\"]
after = [\"web\"]
before = [\"web\"]
";

#[test]
fn good_files_are_counted() {
    let home = Home::new();
    home.write("shop.toml", SHOP);
    let said = home.run(&["check", "shop.toml"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "2 services, no faults\n")
    );
    let json = home.run(&["check", "--json", "shop.toml"]);
    assert_eq!(
        json.out,
        "{\"services\":[\"store\",\"web\"],\"diagnostics\":[]}\n"
    );
}

#[test]
fn every_fault_is_told_at_once_with_its_line() {
    let home = Home::new();
    home.write("shop.toml", FAULTY);
    let said = home.run(&["check", "shop.toml"]);
    assert_eq!(said.code, 1);
    assert_snapshot("check-faulty", &format!("{}---\n{}", said.out, said.err));
    let json = home.run(&["check", "--json", "shop.toml"]);
    assert_eq!(json.code, 1);
    let report: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    let lines: Vec<u64> = report["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["line"].as_u64())
        .collect();
    assert!(
        lines.contains(&2) && lines.contains(&3) && lines.contains(&4),
        "{lines:?}"
    );
}

#[test]
fn a_service_survives_the_way_to_systemd_and_back() {
    let home = Home::new();
    home.write("shop.toml", SHOP);
    let there = home.run(&["convert", "shop.toml", "--to", "systemd", "-o", "units"]);
    assert_eq!(there.code, 0, "{}", there.err);
    assert!(there.out.contains("units/web.service\n"), "{}", there.out);
    let back = home.run(&["convert", "units", "--to", "toml"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert!(back.out.contains("[service.web]"), "{}", back.out);
    assert!(
        back.out.contains("command = [\"/bin/sleep\", \"1000\"]"),
        "{}",
        back.out
    );
    let again = home.run(&["convert", "shop.toml", "--to", "systemd", "-o", "units"]);
    assert_eq!(again.code, 1, "what is there is not overwritten");
}

#[test]
fn what_the_other_dialect_cannot_say_is_listed() {
    let home = Home::new();
    home.write("shop.toml", SHOP);
    let said = home.run(&["convert", "shop.toml", "--to", "systemd"]);
    assert!(said.out.contains("# web.service\n"), "{}", said.out);
    assert!(said.err.contains("web.service: "), "{}", said.err);
}

#[test]
fn what_editors_and_shells_need_is_printed() {
    let home = Home::new();
    let schema = home.run(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.out).expect("JSON");
    assert!(schema["properties"]["service"].is_object());
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = home.run(&["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.out.contains("reset-failed"), "{shell}");
    }
    assert_eq!(home.run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn every_verb_has_a_manual_page() {
    let home = Home::new();
    assert_eq!(home.run(&["man", "pages"]).code, 0);
    let page = |name: &str| std::fs::read_to_string(home.path().join("pages").join(name));
    assert!(page("aplomb.1").expect("there").contains(".TH aplomb 1"));
    let stop = page("aplomb-stop.1").expect("there");
    assert!(stop.contains("\\fB\\-\\-force\\fR"), "{stop}");
    let unit = page("aplomb-unit.5").expect("there");
    assert!(unit.contains("\n.B stop.budget\n"), "{unit}");
    assert!(page("aplomb-engine.1").is_err(), "hidden verbs have none");
}

#[test]
fn the_manual_pages_in_the_documentation_are_those_of_this_program() {
    let home = Home::new();
    let names = home.run(&["man", "pages"]).out;
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man");
    for name in names.lines() {
        let now = std::fs::read_to_string(home.path().join("pages").join(name)).expect("written");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::create_dir_all(&kept).expect("made");
            std::fs::write(kept.join(name), &now).expect("written");
        }
        let then = std::fs::read_to_string(kept.join(name)).unwrap_or_default();
        assert!(
            then == now,
            "docs/man/{name} is out of date: UPDATE_SNAPSHOTS=1 cargo test -p aplomb"
        );
    }
}

const EXPORT: &str = "Windows Registry Editor Version 5.00\r\n\r\n\
    [HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\web]\r\n\
    \"Start\"=dword:00000003\r\n\r\n\
    [HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\web\\Parameters]\r\n\
    \"Application\"=\"C:\\\\web\\\\web.exe\"\r\n\
    \"AppParameters\"=\"--port 80\"\r\n\
    \"AppTrottle\"=dword:00000001\r\n";

#[test]
fn an_export_of_the_registry_becomes_a_definition_and_one_again() {
    let home = Home::new();
    // As regedit writes it: UTF-16 behind its mark.
    let units = "\u{feff}".encode_utf16().chain(EXPORT.encode_utf16());
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    std::fs::write(home.path().join("web.reg"), bytes).expect("written");
    let said = home.run(&["convert", "web.reg", "--to", "toml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("did you mean `AppThrottle`?"),
        "{}",
        said.err
    );
    for line in [
        "[service.web]",
        "start-mode = \"manual\"",
        "command = ['C:\\web\\web.exe', \"--port\", \"80\"]",
        "stop = [\"ctrl-c 20s\", \"close-windows 5s\", \"quit-threads 3s\"]",
    ] {
        assert!(
            said.out.lines().any(|known| known == line),
            "{line}\n{}",
            said.out
        );
    }
    home.write("web.toml", &said.out);
    let back = home.run(&["convert", "web.toml", "--to", "nssm"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert!(
        back.out
            .starts_with("Windows Registry Editor Version 5.00\r\n")
    );
    assert!(
        back.out.contains("Services\\web\\Parameters]\r\n"),
        "{}",
        back.out
    );
}

#[test]
fn a_file_of_winsws_becomes_a_definition_and_says_what_it_leaves() {
    let home = Home::new();
    let xml = "<service><id>ci</id><executable>java</executable>\n\
        <download from=\"a\" to=\"b\"/>\n<stoptimeout>20 sec</stoptimeout></service>";
    home.write("ci.xml", xml);
    let said = home.run(&["import", "winsw", "ci.xml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("`<download>` is not carried over"),
        "{}",
        said.err
    );
    assert!(said.out.contains("[service.ci]\n"), "{}", said.out);
    assert!(said.out.contains("ctrl-c 20s"), "{}", said.out);
    home.write("bad.xml", "<service></service>");
    let said = home.run(&["import", "winsw", "bad.xml"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("nothing was imported"), "{}", said.err);
    let said = home.run(&["import", "nssm", "web"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("this is not Windows"), "{}", said.err);
}
