//! `aplomb logs`: what services wrote, interleaved by time; and what they write, as they write it.
//!
//! The files are read here, not by the engine. Without an engine the files it left in the usual place are read.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use aplomb_logs::read::{Beginning, Line, Source};
use aplomb_logs::{Wall, service_of};
use clap::Args;
use jiff::Zoned;
use jiff::tz::TimeZone;
use regex_lite::Regex;

use super::{Context, statuses};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::follow::{self, Follow, Look, Naming};
use crate::host::directories::Owner;
use crate::host::endpoint::EndpointError;
use crate::moment;
use crate::watch::quoted;

/// Lines shown where nothing else limits them.
const USUAL_LINES: u64 = 100;
/// How often followed files are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Show what services wrote
///
/// Several services are interleaved by the time their lines arrived, rotated files included. Without `-n` or `--since`
/// the last 100 lines.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb logs web
  aplomb logs -f                        all services, as they write
  aplomb logs -n all web > web.log      everything that is kept
  aplomb logs --since 10m --grep 'timeout|refused' web orders
  aplomb logs --since '2026-11-22 14:00' --until 14:30")]
pub(crate) struct Logs {
    /// Only of these services
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Go on with what is written from now on, until Ctrl+C
    #[arg(short, long)]
    follow: bool,
    /// The last so many lines of all together, or `all`
    #[arg(short = 'n', long, value_name = "NUMBER")]
    lines: Option<Lines>,
    /// Lines that arrived at this time or later: `10m`, `14:00`, `2026-11-22 14:00`
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// Lines that arrived at this time or earlier
    #[arg(long, value_name = "MOMENT", conflicts_with = "follow")]
    until: Option<String>,
    /// Only lines that match this regular expression
    #[arg(short, long, value_name = "REGEX")]
    grep: Option<Regex>,
    /// When each line arrived, before it
    #[arg(short, long)]
    times: bool,
}

/// How many lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    All,
    Last(u64),
}

impl std::str::FromStr for Lines {
    type Err = String;

    fn from_str(text: &str) -> Result<Lines, String> {
        if text == "all" {
            return Ok(Lines::All);
        }
        let number = text.parse().map_err(|_| "give a number, or `all`")?;
        Ok(Lines::Last(number))
    }
}

impl Logs {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let now = Zoned::now();
        let since = parse(self.since.as_deref(), &now)?;
        let until = parse(self.until.as_deref(), &now)?;
        let sources = self.sources(context)?;
        let look = Look {
            form: context.ui.form,
            paint: context.ui.paint,
            terminal: context.ui.is_watched(),
            naming: Naming::of(&sources),
            times: self.times.then(TimeZone::system),
        };
        let lines = match (self.lines, since) {
            (Some(lines), _) => lines,
            (None, Some(_)) => Lines::All,
            (None, None) => Lines::Last(USUAL_LINES),
        };
        let from = match (since, lines) {
            (Some(since), _) => Beginning::Since(since),
            // Which lines will match is not known before; nor which of them are too late.
            (None, Lines::Last(last)) if self.grep.is_none() && until.is_none() => {
                Beginning::Last(last)
            }
            (None, Lines::Last(_) | Lines::All) => Beginning::Oldest,
        };
        let mut follow = Follow::open(sources, from, until, look, &mut context.ui);
        self.print_past(&mut follow, lines, context)?;
        if self.follow {
            self.print_future(&mut follow, context)?;
        }
        Ok(Exit::Done)
    }

    /// Where the engine says the logs are; without an engine, what lies in the usual place.
    fn sources(&self, context: &mut Context) -> Result<Vec<Source>, Failure> {
        match context.endpoint.connect() {
            Ok(stream) => {
                let mut client = Client::over(stream, &context.endpoint)?;
                let services = statuses(&mut client, &self.names, false)?;
                let sources = follow::sources(&services);
                for status in services.iter().filter(|status| status.log_files.is_empty()) {
                    let name = &status.service;
                    if self.names.is_empty() {
                        continue;
                    }
                    let action = quoted(name);
                    context.ui.note(&format!(
                        "`{name}` keeps no log file; `aplomb show {action}` tells where its output goes"
                    ));
                }
                Ok(sources)
            }
            Err(error @ EndpointError::NobodyThere { .. }) => {
                let directory = Owner::current().logs();
                let left = left_behind(&directory, &self.names);
                if left.is_empty() {
                    return Err(error.into());
                }
                let place = directory.display();
                context
                    .ui
                    .note(&format!("{error}; these are the logs kept in `{place}`"));
                Ok(left)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn print_past(
        &self,
        follow: &mut Follow,
        lines: Lines,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let mut kept = VecDeque::new();
        follow.refresh(&mut context.ui);
        while let Some(line) = follow.next(&mut context.ui) {
            self.keep(line, lines, &mut kept, follow, context)?;
        }
        if !self.follow {
            for line in follow.rest() {
                self.keep(line, lines, &mut kept, follow, context)?;
            }
        }
        let mut text = Vec::new();
        for line in kept {
            follow.look().line(&line, &mut text);
        }
        context.ui.answer_bytes(&text)
    }

    /// Prints a line, or remembers it until it is known whether it is among the last.
    fn keep(
        &self,
        line: Line,
        lines: Lines,
        kept: &mut VecDeque<Line>,
        follow: &Follow,
        context: &mut Context,
    ) -> Result<(), Failure> {
        if !self.wants(&line) {
            return Ok(());
        }
        match lines {
            Lines::All => {
                let mut text = Vec::new();
                follow.look().line(&line, &mut text);
                context.ui.answer_bytes(&text)
            }
            Lines::Last(last) => {
                kept.push_back(line);
                if kept.len() as u64 > last {
                    kept.pop_front();
                }
                Ok(())
            }
        }
    }

    fn print_future(&self, follow: &mut Follow, context: &mut Context) -> Result<(), Failure> {
        loop {
            thread::sleep(LOOK);
            follow.refresh(&mut context.ui);
            let mut text = Vec::new();
            while let Some(line) = follow.next(&mut context.ui) {
                if self.wants(&line) {
                    follow.look().line(&line, &mut text);
                }
            }
            if !text.is_empty() {
                context.ui.answer_bytes(&text)?;
            }
        }
    }

    fn wants(&self, line: &Line) -> bool {
        let Some(pattern) = &self.grep else {
            return true;
        };
        pattern.is_match(&String::from_utf8_lossy(&line.bytes))
    }
}

fn parse(text: Option<&str>, now: &Zoned) -> Result<Option<Wall>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let moment = moment::parse(text, now).map_err(Failure::usage)?;
    Ok(Some(Wall::from_micros(moment.as_microsecond())))
}

/// Current log files in a directory whose service is among `names`; all, if none is named.
fn left_behind(directory: &Path, names: &[String]) -> Vec<Source> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut sources: Vec<Source> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let stem = name.strip_suffix(".log")?;
            let service = service_of(stem.strip_suffix(".err").unwrap_or(stem))?;
            Some(follow::source(&service, entry.path()))
        })
        .filter(|source| names.is_empty() || names.iter().any(|name| **name == *source.service))
        .collect();
    sources.sort_by(|one, other| one.file.cmp(&other.file));
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_left_behind_are_found_by_the_names_of_their_services() {
        let home = tempfile::tempdir().expect("a directory");
        for name in [
            "web.log",
            "web.err.log",
            "web-20261122T152451.123Z.log",
            "store.log",
            "note",
        ] {
            fs::write(home.path().join(name), "").expect("written");
        }
        let files = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let left = left_behind(home.path(), &names);
            let files = left.iter().map(|source| {
                let name = source.file.file_name().expect("a name");
                (
                    source.service.to_string(),
                    name.to_string_lossy().into_owned(),
                )
            });
            files.collect::<Vec<_>>()
        };
        let own = |service: &str, file: &str| (service.to_owned(), file.to_owned());
        assert_eq!(
            files(&["web"]),
            [own("web", "web.err.log"), own("web", "web.log")]
        );
        assert_eq!(files(&[]).len(), 3);
    }
}
