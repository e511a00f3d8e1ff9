//! `aplomb analyze`: where the time of a start went, and what starting in parallel gains.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Context, statuses};
use crate::compare::{self, Comparison};
use crate::failure::{Exit, Failure};
use crate::paint::{self, Paint, harmless};
use crate::svg;
use crate::timeline::{Bar, Timeline};
use crate::ui::Form;
use crate::words;

/// Columns of a bar in the terminal.
const CHART: u64 = 40;

/// Show where the time of a start went
///
/// Who took how long, who waited for whom, and the chain of services that made the whole take as long as it did.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb analyze
  aplomb analyze --svg start.svg
  aplomb analyze --compare shop.toml     start and stop it sequentially and in parallel, and compare")]
pub(crate) struct Analyze {
    /// Only these services; with `--compare`: unit files
    #[arg(value_name = "NAME|FILE", required_if_eq("compare", "true"))]
    names: Vec<String>,
    /// Draw the timeline into this file
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    svg: Option<PathBuf>,
    /// Start and stop what the files describe in an engine of its own, one by one and in parallel
    #[arg(long)]
    compare: bool,
    /// With `--compare`: so many times each, and the median
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "compare",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
}

/// A timeline for programs, in nanoseconds.
#[derive(Debug, Serialize)]
struct Report<'a> {
    total_ns: u64,
    services: Vec<Row<'a>>,
    critical_chain: Vec<&'a str>,
    unfinished: &'a [String],
    later: &'a [String],
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    service: &'a str,
    asked_ns: u64,
    begun_ns: u64,
    ready_ns: u64,
}

impl Analyze {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        if self.compare {
            return self.run_compare(context);
        }
        let mut client = context.connect()?;
        let services = statuses(&mut client, &self.names, false)?;
        let timeline = Timeline::of(&services);
        if let Some(file) = &self.svg {
            let written = fs::write(file, svg::draw(&timeline));
            let what = || format!("cannot write `{}`", file.display());
            written.map_err(|error| Failure::failed(what()).because(error))?;
        }
        match context.ui.form {
            Form::Json => context.ui.answer_json(&report(&timeline))?,
            Form::People => {
                let text = text(&timeline, context.ui.paint);
                context.ui.answer(&text)?;
            }
        }
        Ok(Exit::Done)
    }

    fn run_compare(&self, context: &mut Context) -> Result<Exit, Failure> {
        let files: Vec<PathBuf> = self.names.iter().map(PathBuf::from).collect();
        let comparison = compare::run(&files, self.runs, &mut context.ui)?;
        match context.ui.form {
            Form::Json => context.ui.answer_json(&comparison)?,
            Form::People => {
                let table = table(&comparison, context.ui.paint);
                context.ui.answer(&table)?;
            }
        }
        Ok(Exit::Done)
    }
}

fn report(timeline: &Timeline) -> Report<'_> {
    let row = |bar: &'_ Bar| -> (u64, u64, u64) { (bar.asked, bar.begun, bar.ready) };
    let services = timeline.bars.iter().map(|bar| {
        let (asked_ns, begun_ns, ready_ns) = row(bar);
        Row {
            service: &bar.service,
            asked_ns,
            begun_ns,
            ready_ns,
        }
    });
    let chain = timeline.critical_chain();
    Report {
        total_ns: timeline.total,
        services: services.collect(),
        critical_chain: chain.iter().map(|bar| bar.service.as_str()).collect(),
        unfinished: &timeline.unfinished,
        later: &timeline.later,
    }
}

/// The timeline as text: a picture of bars with who took how long, then the critical chain.
fn text(timeline: &Timeline, paint: Paint) -> String {
    if timeline.bars.is_empty() {
        return "nothing has been started yet\n".into();
    }
    let chain = timeline.critical_chain();
    let services = words::count(timeline.bars.len() as u64, "service", "services");
    let mut text = format!(
        "{services} ready after {}\n\n",
        paint.strong(&words::duration_nanos(timeline.total))
    );
    let names = timeline.bars.iter().map(|bar| paint::columns(&bar.service));
    let width = names.max().unwrap_or(0).max(7);
    text.push_str(&paint.faint(&format!(
        "{:width$} {:>9} {:>9}\n",
        "service", "took", "waited"
    )));
    for bar in timeline.blame() {
        let critical = chain.iter().any(|link| link.service == bar.service);
        text.push_str(&row(bar, timeline.total, width, critical, paint));
    }
    text.push_str("\ncritical chain, the last first:\n");
    for (depth, bar) in chain.iter().enumerate() {
        text.push_str(&format!(
            "{}{} took {}, ready after {}\n",
            "  ".repeat(depth + 1),
            paint.strong(&harmless(&bar.service)),
            words::duration_nanos(bar.own()),
            words::duration_nanos(bar.ready),
        ));
    }
    if !timeline.unfinished.is_empty() {
        let names = words::list(&timeline.unfinished);
        text.push_str(&format!("\nnot ready yet: {}\n", harmless(&names)));
    }
    if !timeline.later.is_empty() {
        let names = words::list(&timeline.later);
        text.push_str(&format!(
            "\nstarted later, not shown: {}\n",
            harmless(&names)
        ));
    }
    text
}

fn row(bar: &Bar, total: u64, width: usize, critical: bool, paint: Paint) -> String {
    let name = paint::padded(&harmless(&bar.service), width);
    let took = format!("{:>9}", words::duration_nanos(bar.own()));
    format!(
        "{} {} {} {}\n",
        paint.strong(&name),
        if critical { paint.bad(&took) } else { took },
        paint.faint(&format!("{:>9}", words::duration_nanos(bar.waited()))),
        chart(bar, total),
    )
}

/// `····████    `: waiting, then starting.
fn chart(bar: &Bar, total: u64) -> String {
    let column = |at: u64| {
        let share = u128::from(at) * u128::from(CHART) / u128::from(total.max(1));
        usize::try_from(share).unwrap_or(0)
    };
    let (asked, begun, ready) = (column(bar.asked), column(bar.begun), column(bar.ready));
    let chart = format!(
        "{}{}{}",
        " ".repeat(asked),
        "·".repeat(begun - asked),
        "█".repeat((ready - begun).max(1)),
    );
    chart.trim_end().to_owned()
}

/// Row E4: the two ways side by side.
fn table(comparison: &Comparison, paint: Paint) -> String {
    let mut table = paint.faint(&format!(
        "{:8} {:>12} {:>12} {:>8}\n",
        "", "sequential", "parallel", "ratio"
    ));
    for (what, pair) in [("start", &comparison.start), ("stop", &comparison.stop)] {
        table.push_str(&format!(
            "{what:8} {:>12} {:>12} {:>8}\n",
            words::duration_nanos(pair.sequential_ns),
            words::duration_nanos(pair.parallel_ns),
            pair.ratio()
                .map_or("–".into(), |ratio| format!("{ratio:.2}×")),
        ));
    }
    let services = words::count(comparison.services, "service", "services");
    let runs = words::count(u64::from(comparison.runs), "run", "runs");
    table.push_str(&format!("\n{services}, median of {runs} each\n"));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Pair;
    use crate::timeline::tests::{shop, status};

    #[test]
    fn a_start_is_shown_with_blame_and_critical_chain() {
        let mut services = shop();
        services.push(status("batch", [99_000, 99_000, 99_001], &[]));
        assert_eq!(
            text(&Timeline::of(&services), Paint::Plain),
            "\
5 services ready after 620 ms

service      took    waited
store      300 ms    0.0 ms ███████████████████
gateway    120 ms    500 ms ································████████
stock      100 ms    300 ms ···················██████
orders     100 ms    400 ms ·························███████
payment     50 ms    300 ms ···················███

critical chain, the last first:
  gateway took 120 ms, ready after 620 ms
    orders took 100 ms, ready after 500 ms
      stock took 100 ms, ready after 400 ms
        store took 300 ms, ready after 300 ms

started later, not shown: batch
"
        );
        assert_eq!(
            text(&Timeline::of(&[]), Paint::Plain),
            "nothing has been started yet\n"
        );
    }

    #[test]
    fn two_ways_stand_side_by_side() {
        let pair = |sequential_ms: u64, parallel_ms: u64| Pair {
            sequential_ns: sequential_ms * 1_000_000,
            parallel_ns: parallel_ms * 1_000_000,
        };
        let comparison = Comparison {
            services: 5,
            runs: 3,
            start: pair(1280, 620),
            stop: pair(450, 0),
        };
        assert_eq!(
            table(&comparison, Paint::Plain),
            "           sequential     parallel    ratio
start         1280 ms       620 ms    2.06×
stop           450 ms       0.0 ms        –

5 services, median of 3 runs each
"
        );
    }
}
