//! The form on a screen of cells, and what keys make of it.

use aplomb_units::Source;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use super::draw::draw;
use super::state::{BLANK, Form, Message, Mode, Next, PLACEHOLDER, Press, Purpose};
use super::tabs::{System, TABS};

const WEB: &str = "# mine\n[service.web]\ncommand = [\"/usr/bin/web\", \"--port\", \"80\"] # the port\n\
    restart = { when = \"always\", delay = \"2s\" }\n";

fn form() -> Form {
    let source = Source::new("/etc/aplomb/services/web.toml", WEB);
    Form::new(source, "web", Purpose::Change, System::Unix)
}

/// The screen as text, blanks at the ends of lines left out.
fn screen(form: &Form, width: u16, height: u16) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(form, &mut buffer);
    let line = |y| {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        line.trim_end().to_owned()
    };
    (0..height).map(line).collect::<Vec<_>>().join("\n")
}

fn press(form: &mut Form, presses: &[Press]) -> Next {
    let mut next = Next::Stay;
    for press in presses {
        assert_eq!(next, Next::Stay, "over before {press:?}");
        next = form.on(*press);
    }
    next
}

fn write(form: &mut Form, text: &str) {
    for letter in text.chars() {
        form.on(Press::Letter(letter));
    }
}

/// Opens the page of this name.
fn open(form: &mut Form, name: &str) {
    while TABS[form.tab].name != name {
        form.on(Press::Tab);
    }
}

#[test]
fn the_first_page_shows_the_program_and_what_it_is_for() {
    assert_eq!(
        screen(&form(), 80, 20),
        " web in /etc/aplomb/services/web.toml
  Application  Details  Log on  Dependencies  Process  Shutdown  Exit actions
  I/O  File rotation  Environment  Hooks

▸ Program, arguments  [\"/usr/bin/web\", \"--port\", \"80\"]
  Startup directory
  Search path
  Root directory






────────────────────────────────────────────────────────────────────────────────
 command: The program and its arguments; a oneshot may have several, as an
 array of arrays
 takes a command, or several in an array

 ↑↓ setting  ←→ page  Enter write  Space next  Del default  ^S save  Esc leave"
    );
}

#[test]
fn a_page_shows_what_is_said_and_what_holds_otherwise() {
    let mut form = form();
    open(&mut form, "Exit actions");
    let screen = screen(&form, 100, 30);
    for line in [
        "▸ Restart             always",
        "  Delay               2s",
        "  Delay grows by      2",
        "  Longest delay       30s",
        "  Limit               5 in 10s",
    ] {
        assert!(
            screen.lines().any(|known| known == line),
            "{line}\n{screen}"
        );
    }
}

#[test]
fn a_change_is_written_into_the_file_as_its_author_has_it() {
    let mut form = form();
    open(&mut form, "Exit actions");
    press(&mut form, &[Press::Down, Press::Enter, Press::Clear]);
    write(&mut form, "5s");
    assert!(screen(&form, 80, 24).contains("▸ Delay               5s"));
    assert_eq!(press(&mut form, &[Press::Enter]), Next::Stay);
    assert_eq!(form.text(), WEB.replace("2s", "5s"));
    assert!(form.title().ends_with("(not saved)"));
    assert_eq!(press(&mut form, &[Press::Save]), Next::Save);
}

#[test]
fn a_fault_is_shown_and_what_was_written_is_kept() {
    let mut form = form();
    open(&mut form, "Exit actions");
    press(&mut form, &[Press::Down]);
    write(&mut form, "soon");
    press(&mut form, &[Press::Enter]);
    let Message::Fault(fault) = &form.message else {
        panic!("{:?}", form.message)
    };
    assert!(fault.contains("soon"), "{fault}");
    assert!(matches!(&form.mode, Mode::Writing(line) if line.text() == "soon"));
    assert_eq!(form.text(), WEB);
    press(&mut form, &[Press::Escape, Press::Escape]);
    assert_eq!(form.message, Message::None);
}

#[test]
fn words_take_turns_and_delete_brings_the_default_back() {
    let mut form = form();
    open(&mut form, "Exit actions");
    press(&mut form, &[Press::Letter(' ')]);
    assert!(form.text().contains("when = \"never\""), "{}", form.text());
    press(&mut form, &[Press::Delete]);
    assert!(!form.text().contains("when"), "{}", form.text());
    assert_eq!(form.rows()[0].default, "on-failure");
}

#[test]
fn nobody_leaves_changes_behind_unasked() {
    let mut form = form();
    assert_eq!(form.on(Press::Escape), Next::Leave);
    open(&mut form, "Details");
    write(&mut form, "Serves");
    assert_eq!(press(&mut form, &[Press::Enter, Press::Escape]), Next::Stay);
    assert!(screen(&form, 80, 24).contains("there are changes that are not saved"));
    assert_eq!(press(&mut form, &[Press::Enter]), Next::Stay);
    assert_eq!(form.mode, Mode::Choosing);
    assert_eq!(
        press(&mut form, &[Press::Quit, Press::Letter('y')]),
        Next::Leave
    );
    assert_eq!(
        press(&mut form, &[Press::Escape, Press::Letter('s')]),
        Next::Save
    );
}

#[test]
fn a_new_service_gets_a_name_and_a_program_first() {
    let source = Source::new("a new service", BLANK);
    let mut form = Form::new(source, PLACEHOLDER, Purpose::New, System::Windows);
    assert_eq!(press(&mut form, &[Press::Save]), Next::Stay);
    assert!(screen(&form, 80, 24).contains("the service has no name yet"));
    press(&mut form, &[Press::Enter]);
    write(&mut form, "a/b");
    press(&mut form, &[Press::Enter]);
    assert!(matches!(form.message, Message::Fault(_)));
    press(&mut form, &[Press::Clear]);
    write(&mut form, "web.eu");
    assert_eq!(press(&mut form, &[Press::Down, Press::Save]), Next::Stay);
    assert!(matches!(form.message, Message::Fault(_)), "no program yet");
    press(&mut form, &[Press::Enter]);
    write(&mut form, r#"["C:/web.exe", "-x"]"#);
    assert_eq!(press(&mut form, &[Press::Save]), Next::Save);
    let (name, text) = form.named();
    assert_eq!(name, "web.eu");
    assert_eq!(
        text,
        "[service.'web.eu']\ncommand = [\"C:/web.exe\", \"-x\"]\n"
    );
}

#[test]
fn no_screen_is_too_small() {
    let mut form = form();
    open(&mut form, "Exit actions");
    press(&mut form, &[Press::End, Press::Enter]);
    write(&mut form, &"long ".repeat(50));
    for (width, height) in [(0, 0), (1, 1), (10, 3), (20, 8), (30, 9), (300, 100)] {
        screen(&form, width, height);
    }
    // The row that is chosen shows although the page is longer.
    assert!(screen(&form, 80, 14).contains("▸ On failure"));
}
