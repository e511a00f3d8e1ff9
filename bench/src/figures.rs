//! What is measured: every figure with its heading, and the sheet the values are collected on.

use std::collections::BTreeMap;

use crate::statistics::Series;

/// The row memory is compared with: the children and the least parent possible.
pub(crate) const CHILDREN_ALONE: &str = "children alone";

/// The row of reading units.
pub(crate) const CHECK: &str = "aplomb check";

/// One column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    Start,
    StartCpu,
    Stop,
    Respawn,
    MassRespawn,
    Processes,
    Pss,
    Memory,
    MemoryPerService,
    IdleCpu,
    IdleSwitches,
    OneStart,
    HundredStart,
    HundredCpu,
    HundredStop,
    HundredMemory,
    ManyStart,
    ManyStop,
    BlockWall,
    BlockCpu,
    BlockTorn,
    BlockLost,
    LineWall,
    LineCpu,
    LineTorn,
    LineLost,
    CheckToml,
    CheckTomlCpu,
    CheckSystemd,
    CheckSystemdCpu,
}

/// How a column looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) heading: &'static str,
    pub(crate) decimals: usize,
    pub(crate) shows: Shows,
}

/// What a cell says of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Median and range.
    Range,
    /// Median and range, and how many times the best raw loop's median that is.
    RangeAndRatio,
    /// Median and 99th percentile of single samples, their count, and the median's ratio.
    Tail,
}

impl Figure {
    pub(crate) fn column(self) -> Column {
        use Shows::{Range, RangeAndRatio, Tail};
        let column = |heading, decimals, shows| Column {
            heading,
            decimals,
            shows,
        };
        match self {
            Figure::Start => column("launch → all running, ms", 0, RangeAndRatio),
            Figure::StartCpu => column("CPU s for that", 3, RangeAndRatio),
            Figure::Stop => column("stop all, ms", 0, RangeAndRatio),
            Figure::Respawn => column("kill -9 of one → new child, ms: median / p99", 2, Tail),
            Figure::MassRespawn => column("all killed → all back, ms", 0, RangeAndRatio),
            Figure::Processes => column("processes of its own", 0, Range),
            Figure::Pss => column("PSS of them, MB", 2, Range),
            Figure::Memory => column("memory of the group, MB", 1, Range),
            Figure::MemoryPerService => column("kB per further service, kernel included", 1, Range),
            Figure::IdleCpu => column("CPU ms while idle", 1, Range),
            Figure::IdleSwitches => column("context switches while idle", 0, Range),
            Figure::OneStart => column("N = 1: launch → running, ms", 2, RangeAndRatio),
            Figure::HundredStart => column("N = 100: launch → all running, ms", 1, RangeAndRatio),
            Figure::HundredCpu => column("N = 100: CPU s", 3, RangeAndRatio),
            Figure::HundredStop => column("N = 100: stop all, ms", 1, RangeAndRatio),
            Figure::HundredMemory => column("N = 100: memory of the group, MB", 1, Range),
            Figure::ManyStart => column("many: launch → all running, ms", 0, RangeAndRatio),
            Figure::ManyStop => column("many: stop all, ms", 0, RangeAndRatio),
            Figure::BlockWall => column("4096-byte writes: wall s", 2, Range),
            Figure::BlockCpu => column("logger's CPU s per GB", 2, RangeAndRatio),
            Figure::BlockTorn => column("torn", 0, Range),
            Figure::BlockLost => column("lost", 0, Range),
            Figure::LineWall => column("line by line: wall s", 2, Range),
            Figure::LineCpu => column("logger's CPU s per GB", 2, RangeAndRatio),
            Figure::LineTorn => column("torn", 0, Range),
            Figure::LineLost => column("lost", 0, Range),
            Figure::CheckToml => column("1,000 units in one TOML file, ms", 1, Range),
            Figure::CheckTomlCpu => column("CPU ms for that", 1, Range),
            Figure::CheckSystemd => column("1,000 `.service` files, ms", 1, Range),
            Figure::CheckSystemdCpu => column("CPU ms for that", 1, Range),
        }
    }
}

/// All values of a run, and why others are missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sheet {
    values: BTreeMap<(&'static str, Figure), Series>,
    reasons: Vec<(&'static str, String)>,
    pub(crate) versions: Vec<(&'static str, String)>,
}

impl Sheet {
    pub(crate) fn add(&mut self, row: &'static str, figure: Figure, value: f64) {
        self.values.entry((row, figure)).or_default().push(value);
    }

    /// Why something of this row could not be measured; the same reason is noted once.
    pub(crate) fn note(&mut self, row: &'static str, reason: impl Into<String>) {
        let note = (row, reason.into());
        if !self.reasons.contains(&note) {
            eprintln!("  {row}: {}", note.1);
            self.reasons.push(note);
        }
    }

    pub(crate) fn series(&self, row: &str, figure: Figure) -> Option<&Series> {
        self.values
            .iter()
            .find(|((name, kind), _)| *name == row && *kind == figure)
            .map(|(_, series)| series)
    }

    /// The rows that have a value in one of these columns.
    pub(crate) fn has(&self, row: &str, figures: &[Figure]) -> bool {
        figures
            .iter()
            .any(|figure| self.series(row, *figure).is_some())
    }

    /// A sheet without values that knows these rows' reasons and versions.
    pub(crate) fn of(&self, rows: &[&str]) -> Sheet {
        let mut sheet = Sheet {
            reasons: self.reasons.clone(),
            versions: self.versions.clone(),
            ..Sheet::default()
        };
        sheet.reasons.retain(|(row, _)| rows.contains(row));
        sheet.versions.retain(|(row, _)| rows.contains(row));
        sheet
    }

    pub(crate) fn reasons(&self) -> &[(&'static str, String)] {
        &self.reasons
    }

    /// Memory per further service: the growth from 100 to `count` services, less that of the children alone.
    /// Round by round, so that its spread is real.
    pub(crate) fn derive_memory(&mut self, rows: &[&'static str], count: usize) {
        let further = count as f64 - 100.0;
        let growth = |sheet: &Sheet, row: &str| -> Vec<f64> {
            let values = |figure| {
                let series = sheet.series(row, figure);
                series.map(Series::values).unwrap_or_default().to_vec()
            };
            let (large, small) = (values(Figure::Memory), values(Figure::HundredMemory));
            large.iter().zip(small).map(|(l, s)| l - s).collect()
        };
        let alone = growth(self, CHILDREN_ALONE);
        if further <= 0.0 {
            return;
        }
        for row in rows.iter().filter(|row| **row != CHILDREN_ALONE) {
            for (with, without) in growth(self, row).iter().zip(&alone) {
                let kilobytes = (with - without) * 1000.0 / further;
                self.add(row, Figure::MemoryPerService, kilobytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_costs_what_the_group_grows_beyond_the_children() {
        let mut sheet = Sheet::default();
        for (row, small, large) in [(CHILDREN_ALONE, 8.0, 80.0), ("x", 12.0, 93.0)] {
            sheet.add(row, Figure::HundredMemory, small);
            sheet.add(row, Figure::Memory, large);
        }
        sheet.derive_memory(&[CHILDREN_ALONE, "x"], 1000);
        let per_service = sheet.series("x", Figure::MemoryPerService).unwrap();
        assert_eq!(per_service.values(), [10.0]);
        assert!(
            sheet
                .series(CHILDREN_ALONE, Figure::MemoryPerService)
                .is_none()
        );
    }

    #[test]
    fn a_reason_is_noted_once() {
        let mut sheet = Sheet::default();
        sheet.note("x", "not there");
        sheet.note("x", "not there");
        assert_eq!(sheet.reasons().len(), 1);
    }
}
