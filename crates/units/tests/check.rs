//! Faults between units, and between units and a machine that is only told of.

use std::collections::BTreeMap;

use aplomb_units::render::{Style, Texts};
use aplomb_units::world::{Fact, FileKind};
use aplomb_units::{Options, Source, World};

/// A machine with these files, users and groups; scripts have content.
#[derive(Default)]
struct Machine {
    files: BTreeMap<&'static str, (FileKind, &'static str)>,
    accounts: Vec<&'static str>,
}

impl Machine {
    fn usual() -> Machine {
        let mut machine = Machine::default();
        for program in ["/bin/x", "/bin/y", "/bin/sh", "/usr/bin/env"] {
            machine.files.insert(program, (PROGRAM, ""));
        }
        machine.files.insert("/srv", (FileKind::Directory, ""));
        machine.accounts.push("www-data");
        machine
    }

    fn with(mut self, path: &'static str, kind: FileKind, text: &'static str) -> Machine {
        self.files.insert(path, (kind, text));
        self
    }
}

const PROGRAM: FileKind = FileKind::File { executable: true };

impl World for Machine {
    fn file(&self, path: &str) -> FileKind {
        self.files
            .get(path)
            .map_or(FileKind::Missing, |(kind, _)| *kind)
    }

    fn head(&self, path: &str) -> Option<Vec<u8>> {
        self.files
            .get(path)
            .map(|(_, text)| text.as_bytes().to_vec())
    }

    fn glob(&self, _pattern: &str) -> Vec<String> {
        Vec::new()
    }

    fn user_exists(&self, name: &str) -> bool {
        self.accounts.contains(&name)
    }

    fn group_exists(&self, name: &str) -> bool {
        self.accounts.contains(&name)
    }

    fn env(&self, name: &str) -> Option<String> {
        (name == "PATH").then(|| "/usr/bin:/bin".into())
    }

    fn fact(&self, _fact: Fact) -> Option<String> {
        None
    }
}

fn check_on(machine: &Machine, texts: &[&str]) -> Vec<String> {
    let name = |at: usize| format!("/srv/{}.toml", char::from(b'a' + at as u8));
    let sources: Vec<Source> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| Source::new(name(at), *text))
        .collect();
    let (_, diagnostics) = aplomb_units::read(&sources, machine, Options::default());
    diagnostics
        .iter()
        .map(|fault| format!("{:?}: {}; {}", fault.severity, fault.message, fault.action))
        .collect()
}

fn check(text: &str) -> Vec<String> {
    check_on(&Machine::usual(), &[text])
}

/// Services with a program that is there.
fn services(services: &[(&str, &str)]) -> String {
    services
        .iter()
        .map(|(name, settings)| format!("[service.{name}]\ncommand = \"x\"\n{settings}\n"))
        .collect()
}

#[test]
fn a_sound_stack_has_no_faults() {
    let text = services(&[
        (
            "web",
            "requires = \"db\"\nuser = \"www-data\"\ndirectory = \"/srv\"",
        ),
        ("db", "listen = \"tcp 5432\""),
        (
            "stock",
            "instances = 2\nlisten = \"tcp 127.0.0.1:900${instance}\"\nafter = \"db\"",
        ),
    ]);
    assert_eq!(check(&text), Vec::<String>::new());
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest() {
    let text = services(&[
        ("web", "requires = [\"postgers\", \"cache\"]"),
        ("postgres", ""),
    ]);
    assert_eq!(
        check(&text),
        [
            "Refused: `web` requires `postgers`, but there is no such service; write `postgres`",
            "Refused: `web` requires `cache`, but there is no such service; define `cache`, or remove it here",
        ]
    );
}

#[test]
fn one_name_in_two_files_is_refused_at_the_second() {
    let text = services(&[("web", "")]);
    assert_eq!(
        check_on(&Machine::usual(), &[&text, &text]),
        ["Refused: `web` is defined a second time; rename one of the two, or remove it"]
    );
}

#[test]
fn a_circle_is_told_once_with_all_its_places() {
    let texts = [
        services(&[
            ("a", "requires = \"b\""),
            ("c", "before = \"b\"\nafter = \"a\""),
            ("d", "after = \"a\""),
        ]),
        services(&[("b", "")]),
    ];
    let sources = [
        Source::new("/srv/one.toml", texts[0].as_str()),
        Source::new("/srv/two.toml", texts[1].as_str()),
    ];
    let (_, diagnostics) = aplomb_units::read(&sources, &Machine::usual(), Options::default());
    assert_eq!(diagnostics.len(), 1, "{diagnostics:#?}");
    let picture = Texts::new(&sources).render(&diagnostics[0], Style::Plain);
    assert_eq!(
        picture,
        "\
error: these wait for each other: a → b → c → a
 --> /srv/one.toml:3:12
  |
3 | requires = \"b\"
  |            ^^^
...
6 | before = \"b\"
  |          --- `b` waits for `c`
7 | after = \"a\"
  |         --- `c` waits for `a`
  |
  = help: remove one of these relations"
    );
}

#[test]
fn a_thousand_services_in_a_circle_are_told_as_one() {
    let text: String = (0..1000)
        .map(|at| {
            format!(
                "[service.s{at}]\ncommand = \"x\"\nafter = \"s{}\"\n",
                (at + 1) % 1000
            )
        })
        .collect();
    assert_eq!(check(&text).len(), 1);
}

#[test]
fn relations_that_contradict_are_refused() {
    let text = services(&[
        ("a", "requires = \"b\"\nconflicts = \"b\""),
        ("b", "wants = \"b\""),
        ("c", "requires = \"off\""),
        ("off", "start-mode = \"disabled\""),
    ]);
    assert_eq!(
        check(&text),
        [
            "Refused: `a` needs `b` and is never up together with it; remove one of the two",
            "Refused: `b` wants itself; remove it",
            "Warning: `c` requires `off`, which is disabled, so it can never start; enable `off`",
        ]
    );
}

#[test]
fn an_address_taken_twice_is_a_warning() {
    let text = services(&[
        ("a", "listen = \"tcp 127.0.0.1:80\""),
        ("b", "listen = [\"tcp 80\", \"tcp 81\"]"),
        ("c", "listen = \"udp 80\""),
        ("d", "instances = 2\nlisten = \"unix /run/d\""),
    ]);
    assert_eq!(
        check(&text),
        [
            "Warning: `b` listens on `tcp 80`, which `a` has already; give one of them another address",
            "Warning: `d@2` listens on `unix /run/d`, which `d@1` has already; put ${instance} into the address, or set reuse-port for it",
        ]
    );
}

#[test]
fn a_stop_plan_past_its_budget_is_a_warning_with_the_sum() {
    let text = services(&[(
        "a",
        "stop = { pre = \"/bin/y\", plan = [\"SIGTERM 20s\", \"SIGINT 5s\"], budget = \"30s\" }",
    )]);
    assert_eq!(
        check(&text),
        [
            "Warning: the stop of `a` does not fit its budget of 30s: 10s before the plan + 20s + 5s + 2s for the kill = 37s; its last steps will be cut; raise the budget to 37s"
        ]
    );
}

#[test]
fn programs_that_cannot_run_are_refused_with_the_reason() {
    let machine = Machine::usual()
        .with("/srv/data", FileKind::File { executable: false }, "")
        .with("/srv/py", PROGRAM, "#!/usr/bin/python9\n")
        .with("/srv/env", PROGRAM, "#!/usr/bin/env -S node --x\n")
        .with("/srv/crlf", PROGRAM, "#!/bin/sh\r\n")
        .with("/srv/fine", PROGRAM, "#!/bin/sh -e\n");
    let commands = [
        "nope",
        "/bin/nope",
        "/srv",
        "./data",
        "./py",
        "./env",
        "./crlf",
        "./fine",
        "x",
    ];
    let text: String = commands
        .iter()
        .enumerate()
        .map(|(at, command)| format!("[service.s{at}]\ncommand = \"{command}\"\n"))
        .collect();
    assert_eq!(
        check_on(&machine, &[&text]),
        [
            "Refused: there is no program `nope` in the search path /usr/bin:/bin; install it, or write the whole path",
            "Refused: the program `/bin/nope` does not exist; install it, or correct the path",
            "Refused: `/srv` is a directory, not a program; write the path of a program in it",
            "Refused: the program `/srv/data` is not executable; run chmod +x /srv/data",
            "Refused: the interpreter `/usr/bin/python9` of `/srv/py` cannot be executed; install it, or correct the first line of /srv/py",
            "Refused: `/srv/env` is run by `node`, which is not in the search path /usr/bin:/bin; install node, or correct the first line of /srv/env",
            "Refused: the first line of `/srv/crlf` ends as on Windows, so its interpreter is not found; run sed -i 's/\\r$//' /srv/crlf",
        ]
    );
}

#[test]
fn every_command_of_a_service_is_looked_at() {
    let text = services(&[(
        "a",
        r#"
start-pre = "/no/1"
stop = { pre = "/no/2", plan = ["command /no/3", "SIGTERM 1s"], post = "/no/4" }
reload = ["/no/5"]
pause = { command = "/no/6", continue = "/no/7" }
ready = "command /no/8"
health = "command /no/9"
hooks = { ready = "/no/10" }
on-failure = { command = "/no/11" }
start-post = "/no/12"
start-condition = "/no/13""#,
    )]);
    let told = check(&text);
    for number in 1..=13 {
        let message = format!("Refused: the program `/no/{number}` does not exist;");
        assert!(
            told.iter().any(|fault| fault.starts_with(&message)),
            "{number} in {told:#?}"
        );
    }
}

#[test]
fn missing_users_directories_and_files_are_refused() {
    let text = services(&[(
        "a",
        "user = \"nobody-here\"\ngroup = 4711\ndirectory = \"/nowhere\"\nenv-file = [\"no.env\", { path = \"maybe.env\", optional = true }]",
    )]);
    assert_eq!(
        check(&text),
        [
            "Refused: `a` needs the user `nobody-here`, which does not exist; create the user, or write another",
            "Refused: `a` needs the group `4711`, which does not exist; create the group, or write another",
            "Refused: the working directory `/nowhere` is none; create it, or write another",
            "Refused: the file of variables `/srv/no.env` does not exist; create it, or set optional for it",
        ]
    );
}

#[test]
fn an_own_search_path_is_looked_through() {
    let machine = Machine::usual().with("/opt/shop/tool", PROGRAM, "");
    let text = "[service.a]\ncommand = \"tool\"\nenv = { PATH = \"/opt/shop\" }\n[service.b]\ncommand = \"tool\"\nsearch-path = [\"/opt/none\", \"/opt/shop\"]\n";
    assert_eq!(check_on(&machine, &[text]), Vec::<String>::new());
}

#[test]
fn places_in_another_file_and_wide_letters_are_drawn() {
    let sources = [
        Source::new("/srv/a.toml", "[service.web]\ncommand = \"x\"\n"),
        Source::new(
            "/srv/b.toml",
            "[service.web]\ncommand = \"x\" # größe 日本\nusr = \"日本\"\n",
        ),
    ];
    let (_, diagnostics) = aplomb_units::read(&sources, &Machine::usual(), Options::default());
    let texts = Texts::new(&sources);
    let pictures: Vec<String> = diagnostics
        .iter()
        .map(|fault| texts.render(fault, Style::Plain))
        .collect();
    assert_eq!(
        pictures.join("\n\n"),
        "\
error: `web` is defined a second time
 --> /srv/b.toml:1:10
  |
1 | [service.web]
  |          ^^^
  |
 ::: /srv/a.toml:1:10
  |
1 | [service.web]
  |          --- the first is here
  |
  = help: rename one of the two, or remove it

error: there is no key `usr`
 --> /srv/b.toml:3:1
  |
3 | usr = \"日本\"
  | ^^^
  |
  = help: write `user`"
    );
    let json = serde_json::to_string(&texts.locate(&diagnostics[1])).unwrap();
    assert_eq!(
        json,
        r#"{"severity":"refused","place":{"file":"/srv/b.toml","start":45,"end":48},"message":"there is no key `usr`","action":"write `user`","related":[],"line":3,"column":1}"#
    );
}

#[test]
fn a_systemd_unit_may_name_what_systemd_provides() {
    let unit = "[Unit]\nRequires=sysinit.target nowhere.service\nAfter=network.target nobody.service\nWants=somebody.service\n[Service]\nExecStart=/bin/x\n";
    let sources = [Source::new("/srv/web.service", unit)];
    let (_, diagnostics) = aplomb_units::read(&sources, &Machine::usual(), Options::default());
    let told: Vec<&str> = diagnostics
        .iter()
        .map(|fault| fault.message.as_str())
        .collect();
    assert_eq!(
        told,
        ["`web` requires `nowhere`, but there is no such service"]
    );
}
