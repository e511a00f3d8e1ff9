//! The tables in Markdown, and their place in `README.md`.
//!
//! A cell that has no value is a dash and its reason stands below the table; nothing is interpolated.

use std::fmt::Write as _;
use std::fs;

use crate::figures::{CHECK, Column, Figure, Sheet, Shows};
use crate::obtain::said;
use crate::options::Options;
use crate::peers::{PEERS, is_raw};
use crate::statistics::Series;

/// A table: its title, its columns, and which row is the yardstick.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) figures: &'static [Figure],
}

/// One generated part of the README.
#[derive(Debug)]
pub(crate) struct Part {
    /// Names its markers.
    pub(crate) name: &'static str,
    pub(crate) tables: Vec<Table>,
    /// What can be a row, in order.
    pub(crate) rows: Vec<&'static str>,
}

pub(crate) fn supervise(options: &Options) -> Part {
    let count = options.count;
    let idle = options.idle.as_secs();
    Part {
        name: "supervise",
        rows: PEERS.iter().map(|peer| peer.name).collect(),
        tables: vec![
            Table {
                title: format!("N = {count}: start, restart, stop"),
                figures: &[
                    Figure::Start,
                    Figure::StartCpu,
                    Figure::Respawn,
                    Figure::MassRespawn,
                    Figure::Stop,
                ],
            },
            Table {
                title: format!("N = {count}: footprint, and {idle} s of idling"),
                figures: &[
                    Figure::Processes,
                    Figure::Pss,
                    Figure::Memory,
                    Figure::MemoryPerService,
                    Figure::IdleCpu,
                    Figure::IdleSwitches,
                ],
            },
            Table {
                title: format!("N = 1, N = 100 and many (N = {})", options.many),
                figures: &[
                    Figure::OneStart,
                    Figure::HundredStart,
                    Figure::HundredCpu,
                    Figure::HundredStop,
                    Figure::ManyStart,
                    Figure::ManyStop,
                ],
            },
        ],
    }
}

pub(crate) fn log(options: &Options) -> Part {
    let megabytes = options.bytes / 1_000_000;
    let loggers = PEERS.iter().flat_map(|peer| peer.loggers);
    Part {
        name: "log",
        rows: loggers.map(|logger| logger.name).collect(),
        tables: vec![Table {
            title: format!(
                "{megabytes} MB in blocks and {} MB line by line, rotated at 16 MB",
                megabytes / 10
            ),
            figures: &[
                Figure::BlockWall,
                Figure::BlockCpu,
                Figure::BlockTorn,
                Figure::BlockLost,
                Figure::LineWall,
                Figure::LineCpu,
                Figure::LineTorn,
                Figure::LineLost,
            ],
        }],
    }
}

pub(crate) fn check() -> Part {
    Part {
        name: "check",
        rows: vec![CHECK],
        tables: vec![Table {
            title: "Reading 1,000 units".into(),
            figures: &[
                Figure::CheckToml,
                Figure::CheckTomlCpu,
                Figure::CheckSystemd,
                Figure::CheckSystemdCpu,
            ],
        }],
    }
}

/// The whole part: circumstances, tables, reasons.
pub(crate) fn render(part: &Part, sheet: &Sheet, command: &str) -> String {
    let mut text = circumstances(command);
    for table in &part.tables {
        let _ = write!(
            text,
            "\n### {}\n\n{}",
            table.title,
            grid(table, &part.rows, sheet)
        );
    }
    let reasons: String = sheet
        .reasons()
        .iter()
        .map(|(row, reason)| format!("- {row}: {reason}\n"))
        .collect();
    if !reasons.is_empty() {
        let _ = write!(text, "\nNot measured, or noteworthy:\n\n{reasons}");
    }
    let versions: Vec<String> = sheet
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let _ = write!(text, "\nVersions: {}.\n", versions.join(", "));
    text
}

fn circumstances(command: &str) -> String {
    let ask = |program: &str, words: &[&str]| said(program, words).unwrap_or_default();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{}, `{command}`; {} × {model}, Linux {}, load average at the end {load}.\n\
         Median (min–max) over the rounds; × is the ratio to the best raw loop's median.\n",
        ask("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        ask("nproc", &[]),
        ask("uname", &["-r"]),
    )
}

fn grid(table: &Table, rows: &[&'static str], sheet: &Sheet) -> String {
    let mut text = String::from("| |");
    for figure in table.figures {
        let _ = write!(text, " {} |", figure.column().heading);
    }
    text += "\n|---|";
    text += &"---:|".repeat(table.figures.len());
    text += "\n";
    for row in rows.iter().filter(|row| sheet.has(row, table.figures)) {
        let _ = write!(text, "| {row} |");
        for figure in table.figures {
            let best = best_raw(*figure, rows, sheet);
            let series = sheet.series(row, *figure);
            let cell = series.map_or("–".into(), |series| cell(series, figure.column(), best));
            let _ = write!(text, " {cell} |");
        }
        text += "\n";
    }
    text
}

fn best_raw(figure: Figure, rows: &[&'static str], sheet: &Sheet) -> Option<f64> {
    rows.iter()
        .filter(|row| is_raw(row))
        .filter_map(|row| sheet.series(row, figure)?.median())
        .min_by(f64::total_cmp)
}

fn cell(series: &Series, column: Column, best: Option<f64>) -> String {
    let decimals = column.decimals;
    let number = |value: Option<f64>| match value {
        Some(value) => format!("{value:.decimals$}"),
        None => "–".into(),
    };
    let ratio = match (series.median(), best) {
        (Some(median), Some(best)) if best > 0.0 => format!(" ×{:.1}", median / best),
        (Some(_) | None, Some(_) | None) => String::new(),
    };
    let range = match series.range() {
        Some((low, high)) if series.values().len() > 1 => {
            format!(" ({}–{})", number(Some(low)), number(Some(high)))
        }
        Some(_) | None => String::new(),
    };
    let median = number(series.median());
    match column.shows {
        Shows::Range => median + &range,
        Shows::RangeAndRatio => median + &range + &ratio,
        Shows::Tail => {
            let tail = number(series.percentile(99));
            format!("{median} / {tail} (n = {}){ratio}", series.values().len())
        }
    }
}

/// Puts `text` between the markers of `name`; an error names the marker that is missing.
pub(crate) fn insert(document: &str, name: &str, text: &str) -> Result<String, String> {
    let (open, close) = (
        format!("<!-- {name}:begin -->"),
        format!("<!-- {name}:end -->"),
    );
    let (before, rest) = document
        .split_once(&open)
        .ok_or_else(|| format!("no `{open}`"))?;
    let (_, after) = rest
        .split_once(&close)
        .ok_or_else(|| format!("no `{close}`"))?;
    Ok(format!("{before}{open}\n{text}{close}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        values.iter().copied().collect()
    }

    #[test]
    fn a_cell_says_median_range_and_ratio() {
        let column = Figure::Start.column();
        let text = cell(&series(&[300.0, 200.0, 280.0]), column, Some(100.0));
        assert_eq!(text, "280 (200–300) ×2.8");
        assert_eq!(cell(&series(&[300.0]), column, None), "300");
    }

    #[test]
    fn single_samples_show_their_tail_and_count() {
        let text = cell(&series(&[1.0, 2.0, 9.0]), Figure::Respawn.column(), None);
        assert_eq!(text, "2.00 / 9.00 (n = 3)");
    }

    #[test]
    fn a_missing_value_is_a_dash_and_an_empty_row_is_left_out() {
        let mut sheet = Sheet::default();
        sheet.add("raw fork", Figure::Start, 100.0);
        sheet.add("s6", Figure::Start, 250.0);
        let table = Table {
            title: String::new(),
            figures: &[Figure::Start, Figure::Stop],
        };
        let text = grid(&table, &["raw fork", "s6", "pm2"], &sheet);
        assert!(text.ends_with("| raw fork | 100 ×1.0 | – |\n| s6 | 250 ×2.5 | – |\n"));
    }

    #[test]
    fn a_part_replaces_what_stood_between_its_markers() {
        let document = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
        let expected = "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n";
        assert_eq!(insert(document, "x", "new\n").unwrap(), expected);
        assert!(
            insert(document, "y", "new\n")
                .unwrap_err()
                .contains("y:begin")
        );
    }
}
