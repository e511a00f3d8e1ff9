//! The elements in turn; each gives its part of the spec.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aplomb_core::Spec;
use aplomb_core::spec::{
    Command, Directory, Hook, Log, Moment, Request, RestartWhen, StartMode, StopStep,
};
use roxmltree::{Document, Node};

use super::elements::{self, Class};
use super::log::Output;
use super::time;
use crate::diagnostic::{Diagnostic, Place};
use crate::source::{Field, Loaded, Places, Source};
use crate::words::{nearest, split_windows};

/// How long WinSW waits after asking a program to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest run of a hook; WinSW knows none.
const HOOK: Duration = Duration::from_secs(60);
/// Priority classes with the niceness that means the same.
const PRIORITIES: &[(&str, i8)] = &[
    ("realtime", -20),
    ("high", -15),
    ("abovenormal", -5),
    ("normal", 0),
    ("belownormal", 5),
    ("idle", 19),
];

/// The service a file describes; `None` where it describes none, which is told.
pub fn read(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Option<Loaded> {
    let text = source.text.trim_start_matches('\u{feff}');
    let skipped = source.text.len() - text.len();
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let at = skipped + offset(text, error.pos());
            let place = Place::new(&source.path, at..at);
            let action = "write it as WinSW's XML";
            diagnostics.push(Diagnostic::refused(place, error.to_string(), action));
            return None;
        }
    };
    let root = document.root_element();
    if !root.has_tag_name("service") {
        let place = Place::new(&source.path, root.range());
        let message = format!(
            "the root is `<{}>`, not `<service>`",
            root.tag_name().name()
        );
        diagnostics.push(Diagnostic::refused(place, message, "give WinSW's own file"));
        return None;
    }
    let mut reader = Reader::new(source, skipped, diagnostics);
    reader.service(root);
    Some(reader.finish())
}

/// Bytes before a place that is counted in rows and columns of characters.
fn offset(text: &str, at: roxmltree::TextPos) -> usize {
    let row = at.row.saturating_sub(1) as usize;
    let before: usize = text.split_inclusive('\n').take(row).map(str::len).sum();
    let column = at.col.saturating_sub(1) as usize;
    let line = text[before..].lines().next().unwrap_or_default();
    before + line.chars().take(column).map(char::len_utf8).sum::<usize>()
}

pub(super) struct Reader<'a, 'd> {
    source: &'a Source,
    /// Bytes before the text that was parsed.
    skipped: usize,
    diagnostics: &'d mut Vec<Diagnostic>,
    pub(super) spec: Spec,
    places: Places,
    program: String,
    args: Vec<String>,
    stop_program: Option<String>,
    stop_args: Vec<String>,
    grace: Duration,
    pub(super) output: Output,
    delays: Vec<Duration>,
}

impl<'a, 'd> Reader<'a, 'd> {
    fn new(source: &'a Source, skipped: usize, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        let stem = source.file_name().rsplit_once('.');
        let stem = stem.map_or(source.file_name(), |(stem, _)| stem).to_owned();
        let mut spec = Spec::new(stem.clone());
        spec.restart.when = RestartWhen::Never;
        spec.restart.limit = None;
        Reader {
            output: Output::new(&source.directory, &stem),
            places: Places::new(Place::new(&source.path, 0..0)),
            source,
            skipped,
            diagnostics,
            spec,
            program: String::new(),
            args: Vec::new(),
            stop_program: None,
            stop_args: Vec::new(),
            grace: STOP_TIMEOUT,
            delays: Vec::new(),
        }
    }

    fn service(&mut self, root: Node<'_, '_>) {
        // Others name it.
        if let Some(id) = root.children().find(|node| node.has_tag_name("id")) {
            self.id(id);
        }
        for node in root.children().filter(Node::is_element) {
            let name = node.tag_name().name();
            let Some(element) = elements::find(name) else {
                let known = elements::ELEMENTS.iter().map(|element| element.name);
                let action = match nearest(name, known) {
                    Some(meant) => format!("did you mean `<{meant}>`?"),
                    None => "remove it".to_owned(),
                };
                self.warn(node, format!("WinSW knows no element `<{name}>`"), &action);
                continue;
            };
            match element.class {
                Class::Carried(read) => read(self, node),
                Class::Noted => {
                    let place = self.place(node.range());
                    let message = format!("`<{name}>` has no like: {}", element.says);
                    let noted = Diagnostic::noted(place, message, "leave it");
                    self.diagnostics.push(noted);
                }
                Class::Lost => {
                    self.warn(
                        node,
                        format!("`<{name}>` is not carried over"),
                        element.says,
                    );
                }
            }
        }
    }

    fn finish(mut self) -> Loaded {
        if self.program.is_empty() {
            let place = self.place(0..0);
            let message = "no `<executable>` is named";
            let fault = Diagnostic::refused(place, message, "name the program");
            self.diagnostics.push(fault);
        }
        let place = self.places.of(Field::Program, "").clone();
        self.places.say(Field::Program, self.program.clone(), place);
        self.spec.start = vec![command(&self.program, &self.args)];
        if self.spec.process.directory.is_none() && !self.source.directory.is_empty() {
            // WinSW runs programs where its file lies.
            self.spec.process.directory = Some(Directory {
                path: self.source.directory.clone(),
                optional: false,
            });
        }
        self.stop();
        self.restart();
        let log: &mut Log = &mut self.spec.log;
        self.output.finish(log);
        self.spec.source = Some(self.source.path.to_string());
        Loaded {
            spec: self.spec,
            places: Arc::new(self.places),
        }
    }

    fn stop(&mut self) {
        let program = match (&self.stop_program, self.stop_args.is_empty()) {
            (Some(program), _) => Some(program.clone()),
            (None, false) => Some(self.program.clone()),
            (None, true) => None,
        };
        let request = match program {
            Some(program) => Request::Command(command(&program, &self.stop_args)),
            None => Request::CtrlC,
        };
        let stop = &mut self.spec.stop;
        stop.plan = vec![StopStep {
            request,
            grace: Some(self.grace),
        }];
        stop.budget = Some(self.grace + stop.kill_margin);
    }

    fn restart(&mut self) {
        let Some(first) = self.delays.first() else {
            return;
        };
        let restart = &mut self.spec.restart;
        restart.when = RestartWhen::OnFailure;
        restart.delay = *first;
        let longest = self.delays.iter().max().unwrap_or(first);
        restart.growth = match longest > first {
            true => aplomb_core::spec::Growth::Factor {
                permille: 2000,
                max: *longest,
            },
            false => aplomb_core::spec::Growth::None,
        };
    }

    fn place(&self, range: Range<usize>) -> Place {
        let range = range.start + self.skipped..range.end + self.skipped;
        Place::new(&self.source.path, range)
    }

    pub(super) fn warn(&mut self, node: Node<'_, '_>, message: String, action: &str) {
        let place = self.place(node.range());
        self.diagnostics
            .push(Diagnostic::warning(place, message, action));
    }

    /// The element's text, variables replaced that the file settles.
    pub(super) fn text(&mut self, node: Node<'_, '_>) -> String {
        let text = node.text().unwrap_or_default().trim().to_owned();
        self.settled(node, &text)
    }

    fn settled(&mut self, node: Node<'_, '_>, text: &str) -> String {
        let id = self.spec.name.clone();
        let text = replace(text, "%BASE%", &self.source.directory);
        let text = replace(&text, "%SERVICE_ID%", &id);
        let text = replace(&text, "%WINSW_SERVICE_ID%", &id);
        if text.matches('%').count() > 1 {
            let message =
                "variables are replaced by WinSW when the service starts; here they are text";
            self.warn(node, message.to_owned(), "write their values out");
        }
        text
    }

    pub(super) fn is_true(&mut self, node: Node<'_, '_>) -> bool {
        let text = self.text(node).to_ascii_lowercase();
        // An empty element means yes.
        matches!(text.as_str(), "" | "true" | "yes" | "on" | "1" | "y" | "t")
    }

    fn span(&mut self, node: Node<'_, '_>, text: &str) -> Option<Duration> {
        let span = time::parse(text);
        if span.is_none() {
            self.warn(
                node,
                format!("`{text}` is no span of time"),
                "write it as `15 sec`",
            );
        }
        span
    }

    pub(super) fn id(&mut self, node: Node<'_, '_>) {
        let id = node.text().unwrap_or_default().trim().to_owned();
        if !id.is_empty() {
            self.spec.name = id;
        }
    }

    pub(super) fn description(&mut self, node: Node<'_, '_>) {
        self.spec.description = self.text(node);
    }

    pub(super) fn executable(&mut self, node: Node<'_, '_>) {
        self.program = self.text(node).trim_matches('"').to_owned();
        let place = self.place(node.range());
        self.places.say(Field::Program, String::new(), place);
    }

    pub(super) fn arguments(&mut self, node: Node<'_, '_>) {
        let text = self.text(node);
        // Long ones are often written over several lines.
        let text = text.split(['\r', '\n']).map(str::trim);
        let text = text.collect::<Vec<_>>().join(" ");
        self.args.extend(split_windows(&text));
    }

    pub(super) fn argument(&mut self, node: Node<'_, '_>) {
        let text = self.text(node);
        self.args.push(text);
    }

    pub(super) fn stop_executable(&mut self, node: Node<'_, '_>) {
        self.stop_program = Some(self.text(node).trim_matches('"').to_owned());
    }

    pub(super) fn stop_arguments(&mut self, node: Node<'_, '_>) {
        let text = self.text(node);
        match node.has_tag_name("stopargument") {
            true => self.stop_args.push(text),
            false => self.stop_args.extend(split_windows(&text)),
        }
    }

    pub(super) fn stop_timeout(&mut self, node: Node<'_, '_>) {
        let text = self.text(node);
        if let Some(span) = self.span(node, &text) {
            self.grace = span;
        }
    }

    /// `<prestart>` and friends: a program of its own with its arguments.
    pub(super) fn hook(&mut self, node: Node<'_, '_>) {
        let on = match node.tag_name().name().to_ascii_lowercase().as_str() {
            "prestart" => Moment::StartPre,
            "poststart" => Moment::Started,
            "prestop" => Moment::StopPre,
            _ => Moment::Stopped,
        };
        let (mut program, mut args) = (String::new(), Vec::new());
        for part in node.children().filter(Node::is_element) {
            match part.tag_name().name().to_ascii_lowercase().as_str() {
                "executable" => program = self.text(part),
                "arguments" => args.extend(split_windows(&self.text(part))),
                name => {
                    let message = format!("`<{name}>` of a hook is not carried over");
                    self.warn(
                        part,
                        message,
                        "what hooks say goes to the log of the service",
                    );
                }
            }
        }
        if program.is_empty() {
            let message = "this hook names no program".to_owned();
            self.warn(node, message, "give it an `<executable>`");
            return;
        }
        self.spec.hooks.push(Hook {
            on,
            command: command(&program, &args),
            timeout: HOOK,
        });
    }

    pub(super) fn start_mode(&mut self, node: Node<'_, '_>) {
        let text = self.text(node);
        self.spec.start_mode = match text.to_ascii_lowercase().as_str() {
            "automatic" | "boot" | "system" => StartMode::Auto,
            "manual" => StartMode::Manual,
            "disabled" => StartMode::Disabled,
            _ => {
                let message = format!("`{text}` is no way to start");
                self.warn(node, message, "write `Automatic`, `Manual` or `Disabled`");
                StartMode::Auto
            }
        };
    }

    pub(super) fn depend(&mut self, node: Node<'_, '_>) {
        let name = self.text(node);
        let place = self.place(node.range());
        for field in [Field::Wants, Field::After] {
            self.places.say(field, name.clone(), place.clone());
        }
        self.spec.depends.wants.push(name.clone());
        self.spec.depends.after.push(name);
    }

    pub(super) fn directory(&mut self, node: Node<'_, '_>) {
        let path = self.text(node);
        let place = self.place(node.range());
        self.places
            .say(Field::WorkingDirectory, path.clone(), place);
        self.spec.process.directory = Some(Directory {
            path,
            optional: false,
        });
    }

    pub(super) fn priority(&mut self, node: Node<'_, '_>) {
        let text = self.text(node);
        let known = PRIORITIES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&text));
        match known {
            Some((_, 0)) => {}
            Some((_, nice)) => self.spec.process.nice = Some(*nice),
            None => self.warn(
                node,
                format!("`{text}` is no priority"),
                "write `Normal`, or leave it out",
            ),
        }
    }

    pub(super) fn variable(&mut self, node: Node<'_, '_>) {
        let name = node.attribute("name").unwrap_or_default().to_owned();
        if name.is_empty() {
            let message = "this variable has no name".to_owned();
            self.warn(
                node,
                message,
                "write `<env name=\"NAME\" value=\"VALUE\"/>`",
            );
            return;
        }
        let value = node.attribute("value").unwrap_or_default().to_owned();
        let value = self.settled(node, &value);
        let env = &mut self.spec.process.env;
        env.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        env.push((name, value));
    }

    /// The first delay is ours; those after it set how far it grows.
    pub(super) fn on_failure(&mut self, node: Node<'_, '_>) {
        let delay = node.attribute("delay").unwrap_or("0").to_owned();
        match node
            .attribute("action")
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "restart" => {
                if let Some(delay) = self.span(node, &delay) {
                    self.delays.push(delay);
                }
            }
            "none" if self.delays.is_empty() => {}
            action => {
                let message = format!("`{action}` after a failure is not carried over");
                self.warn(node, message, "say `restart.limit` and `restart.then`");
            }
        }
    }

    pub(super) fn reset_failure(&mut self, node: Node<'_, '_>) {
        let text = self.text(node);
        if let Some(span) = self.span(node, &text) {
            self.spec.restart.healthy_after = Some(span);
        }
    }

    pub(super) fn account(&mut self, node: Node<'_, '_>) {
        let mut part = |name: &str| {
            let found = node.children().find(|child| {
                child.is_element() && child.tag_name().name().eq_ignore_ascii_case(name)
            });
            found
                .map(|child| self.text(child))
                .filter(|text| !text.is_empty())
        };
        let (username, domain) = (part("username"), part("domain"));
        let user = match (username, part("user")) {
            (Some(whole), _) => Some(whole),
            (None, Some(user)) => Some(match domain {
                Some(domain) => format!(r"{domain}\{user}"),
                None => user,
            }),
            (None, None) => None,
        };
        if part("password").is_some() {
            let message = "the password in this file is not carried over";
            let action = "give it to the service manager when you install, and remove it here";
            self.warn(node, message.to_owned(), action);
        }
        if let Some(user) = user.filter(|user| !user.eq_ignore_ascii_case("LocalSystem")) {
            let place = self.place(node.range());
            self.places.say(Field::User, user.clone(), place);
            self.spec.process.user = Some(user);
        }
    }
}

fn command(program: &str, args: &[String]) -> Command {
    Command {
        program: program.to_owned(),
        args: args.to_vec(),
        ..Command::default()
    }
}

/// Every `name` in `text` replaced, whatever its case.
fn replace(text: &str, name: &str, by: &str) -> String {
    // Places in one are places in the other.
    let folded = text.to_ascii_uppercase();
    let mut found = String::new();
    let mut done = 0;
    for (at, _) in folded.match_indices(name) {
        found.push_str(&text[done..at]);
        found.push_str(by);
        done = at + name.len();
    }
    found + &text[done..]
}
