//! `aplomb list`: one line per service.

use aplomb_protocol::{ServiceStatus, WallNanos};
use clap::Args;

use super::{Context, statuses};
use crate::failure::{Exit, Failure};
use crate::paint::{self, Paint, harmless};
use crate::ui::Form;
use crate::words;

/// List services, one line each
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_help = "\
Examples:
  aplomb list
  aplomb list 'worker@*'
  aplomb list --json | jq -r '.[].service'"
)]
pub(crate) struct List {
    /// Only these
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl List {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut client = context.connect()?;
        let services = statuses(&mut client, &self.names, false)?;
        match context.ui.form {
            Form::Json => context.ui.answer_json(&services)?,
            Form::People => {
                let width = context.ui.is_watched().then(|| context.ui.size().0);
                let table = table(&services, words::wall(), width, context.ui.paint);
                context.ui.answer(&table)?;
            }
        }
        Ok(Exit::Done)
    }
}

/// The table, cut to `width` columns if there is one.
pub(crate) fn table(
    services: &[ServiceStatus],
    now: WallNanos,
    width: Option<usize>,
    paint: Paint,
) -> String {
    if services.is_empty() {
        return "no services\n".into();
    }
    let names = services
        .iter()
        .map(|status| paint::columns(&status.service));
    let name_width = names.max().unwrap_or(0).max(7);
    let mut table = paint.faint(&format!(
        "{:name_width$}  {:16}  {:>7}  {:14}  why",
        "service", "state", "pid", "since"
    ));
    table.push('\n');
    for status in services {
        let row = row(status, now, name_width, paint);
        table.push_str(&width.map_or(row.clone(), |width| paint::cut(&row, width)));
        table.push('\n');
    }
    table
}

fn row(status: &ServiceStatus, now: WallNanos, name_width: usize, paint: Paint) -> String {
    let name = paint::padded(&harmless(&status.service), name_width);
    let pid = status.pid.map_or(String::new(), |pid| pid.to_string());
    let row = format!(
        "{}  {}  {pid:>7}  {:14}  {}",
        paint.strong(&name),
        paint::padded(&state(status, paint), 16),
        words::ago(status.since, now),
        harmless(&status.because),
    );
    row.trim_end().to_owned()
}

/// The state, and `unhealthy` or `not ready` where that is news.
pub(crate) fn state(status: &ServiceStatus, paint: Paint) -> String {
    if status.unhealthy {
        return paint.bad("unhealthy");
    }
    paint.state(status.state)
}
