//! Services installed with one command, changed and removed, in a user's own configuration.

use std::fs;
use std::path::PathBuf;

use aplomb_protocol::{Answer, Ask, State};

use crate::engine::{Engine, Reply, outcomes, status};
use crate::home::Home;

fn definition(home: &Home) -> PathBuf {
    home.path().join(".config/aplomb/services/web.toml")
}

fn install(home: &Home, more: &[&str]) -> crate::home::Said {
    let mut args = vec!["install", "--no-boot"];
    args.extend(more);
    args.extend(["web", "sleep", "1 000", "größe"]);
    home.run_as_user(&args)
}

#[test]
fn a_program_becomes_a_service_with_one_command_and_is_never_overwritten() {
    let home = Home::new();
    let said = install(&home, &["--ready", "port 8000", "--env", "A=b c"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    let text = fs::read_to_string(definition(&home)).expect("written");
    assert!(text.contains("\"1 000\", \"größe\""), "{text}");
    assert!(text.contains("/sleep\""), "the program by its path: {text}");
    assert!(text.contains("ready = \"port 127.0.0.1:8000\""), "{text}");

    let again = install(&home, &[]);
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains("`--force` overwrites it"),
        "{}",
        again.err
    );
    assert_eq!(fs::read_to_string(definition(&home)).expect("there"), text);
    assert_eq!(install(&home, &["--force"]).code, 0);
    assert_ne!(fs::read_to_string(definition(&home)).expect("there"), text);
}

#[test]
fn a_dry_run_shows_everything_and_does_nothing() {
    let home = Home::new();
    let said = home.run_as_user(&["install", "--dry-run", "web", "sleep", "1"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out
            .contains("would write `HOME/.config/aplomb/services/web.toml`")
    );
    assert!(
        said.out
            .contains("engine --load HOME/.config/aplomb/services")
            || said.out.contains("systemctl --user enable")
    );
    assert!(!definition(&home).exists());
}

#[test]
fn what_could_not_run_is_not_installed() {
    let home = Home::new();
    for (args, why) in [
        (
            ["install", "web", "no-such-program"],
            "it is in no directory of PATH",
        ),
        (
            ["install", "a/b", "sleep"],
            "cannot be the name of a service",
        ),
        (["install", "web", "./missing"], "nothing was written"),
    ] {
        let said = home.run_as_user(&args);
        assert_ne!(said.code, 0);
        assert!(said.err.contains(why), "{}", said.err);
    }
    assert!(!definition(&home).exists());
}

#[test]
fn single_settings_are_read_changed_and_taken_back_and_comments_stay() {
    let home = Home::new();
    install(&home, &[]);
    let file = definition(&home);
    let text = fs::read_to_string(&file).expect("there");
    fs::write(&file, format!("# mine\n{text}")).expect("written");

    assert_eq!(home.run_as_user(&["get", "web", "restart.delay"]).out, "");
    let set = home.run_as_user(&["set", "web", "restart.delay", "5s"]);
    assert_eq!(set.code, 0, "{}", set.err);
    assert_eq!(
        home.run_as_user(&["get", "web", "restart.delay"]).out,
        "\"5s\"\n"
    );
    assert!(
        fs::read_to_string(&file)
            .expect("there")
            .starts_with("# mine\n")
    );

    let wrong = home.run_as_user(&["set", "web", "restart.delay", "soon"]);
    assert_eq!(wrong.code, 1);
    let unknown = home.run_as_user(&["set", "web", "restrat", "x"]);
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.err.contains("restart"),
        "the nearest key: {}",
        unknown.err
    );

    assert_eq!(home.run_as_user(&["reset", "web", "restart.delay"]).code, 0);
    assert_eq!(
        fs::read_to_string(&file).expect("there"),
        format!("# mine\n{text}")
    );
    let nobody = home.run_as_user(&["get", "wbe", "command"]);
    assert_eq!(nobody.code, 4);
    assert!(nobody.err.contains("did you mean `web`?"), "{}", nobody.err);
}

/// An editor that replaces the text by this script.
fn edit(home: &Home, script: &str) -> crate::home::Said {
    let output = home
        .command_as_user(&["edit", "web"])
        .env("EDITOR", format!("sh -c '{script}' --"))
        .output();
    home.said(output.expect("runs"))
}

#[test]
fn an_edited_definition_replaces_the_old_one_only_if_it_is_good() {
    let home = Home::new();
    install(&home, &[]);
    let text = || fs::read_to_string(definition(&home)).expect("there");
    let old = text();

    let same = edit(&home, "true");
    assert_eq!((same.code, same.err.as_str()), (0, "nothing was changed\n"));

    let bad = edit(&home, "echo restrat = 1 >> \"$1\"");
    assert_eq!(bad.code, 1);
    assert!(bad.err.contains("the edited copy is `"), "{}", bad.err);
    assert_eq!(text(), old);

    assert_eq!(edit(&home, "exit 3").code, 1);
    let good = edit(&home, "echo \"# mine\" >> \"$1\"");
    assert_eq!(good.code, 0, "{}", good.err);
    assert_eq!(text(), format!("{old}# mine\n"));
}

#[test]
fn removing_deletes_what_install_made_and_nothing_else() {
    let home = Home::new();
    install(&home, &[]);
    let said = home.run_as_user(&["remove", "web"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!definition(&home).exists());

    let file = home.write("shop.toml", "[service.web]\ncommand = [\"/bin/true\"]\n");
    let path = file.display().to_string();
    let engine = Engine::listen(&home, move |ask| {
        if !matches!(ask, Ask::Status { .. }) {
            return outcomes(&[("web", State::Stopped, true, "")]);
        }
        let mut status = status("web", State::Running);
        status.source = Some(path.clone());
        let services = vec![status];
        Reply::Answer(Answer::Status { services })
    });
    let said = home.run(&["remove", "web"]);
    assert_eq!(
        said.err,
        "`web` is forgotten; its definition stays in `HOME/shop.toml`\n"
    );
    assert!(file.exists());
    let names = vec!["web".into()];
    assert_eq!(engine.asked().last(), Some(&Ask::Unload { names }));
}
