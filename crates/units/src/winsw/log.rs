//! Where WinSW writes what a program says: `STEM.out.log` and `STEM.err.log`, and one of six ways to begin new files.

use aplomb_core::Bytes;
use aplomb_core::spec::{Log, LogTo, Rotate, RotateAt, StderrTo};
use roxmltree::Node;

use super::read::Reader;

/// WinSW's own defaults for rolling by size.
const SIZE_KIB: u64 = 10_240;
const KEPT: u32 = 8;

/// What is said about output so far.
pub(super) struct Output {
    directory: String,
    stem: String,
    out_name: String,
    err_name: String,
    out: bool,
    err: bool,
    empties: bool,
    nowhere: bool,
    rotate: Rotate,
    keep: Option<u32>,
    compress: bool,
}

impl Output {
    pub(super) fn new(directory: &str, stem: &str) -> Output {
        Output {
            directory: directory.to_owned(),
            stem: stem.to_owned(),
            out_name: ".out.log".to_owned(),
            err_name: ".err.log".to_owned(),
            out: true,
            err: true,
            empties: false,
            nowhere: false,
            rotate: Rotate {
                size: None,
                age: None,
                at: None,
            },
            keep: None,
            compress: false,
        }
    }

    /// All of it as the log of a spec.
    pub(super) fn finish(&self, log: &mut Log) {
        log.to = self.sink(self.out, &self.out_name);
        log.stderr = StderrTo::To(self.sink(self.err, &self.err_name));
        log.rotate = self.rotate.clone();
        log.keep = self.keep;
        log.keep_bytes = None;
        log.compress = self.compress;
    }

    fn sink(&self, wanted: bool, name: &str) -> LogTo {
        if !wanted || self.nowhere {
            return LogTo::Nothing;
        }
        let separator = match self.directory.contains('/') && !self.directory.contains('\\') {
            true => '/',
            false => '\\',
        };
        let directory = self.directory.trim_end_matches(['\\', '/']);
        let path = match directory {
            "" => format!("{}{name}", self.stem),
            directory => format!("{directory}{separator}{}{name}", self.stem),
        };
        match self.empties {
            true => LogTo::Truncate(path),
            false => LogTo::File(path),
        }
    }
}

impl Reader<'_, '_> {
    pub(super) fn log_path(&mut self, node: Node<'_, '_>) {
        self.output.directory = self.text(node);
    }

    pub(super) fn out_disabled(&mut self, node: Node<'_, '_>) {
        self.output.out = !self.is_true(node);
    }

    pub(super) fn err_disabled(&mut self, node: Node<'_, '_>) {
        self.output.err = !self.is_true(node);
    }

    pub(super) fn out_pattern(&mut self, node: Node<'_, '_>) {
        self.output.out_name = self.text(node);
    }

    pub(super) fn err_pattern(&mut self, node: Node<'_, '_>) {
        self.output.err_name = self.text(node);
    }

    /// `<logmode>`, the old way to say the mode.
    pub(super) fn log_mode(&mut self, node: Node<'_, '_>) {
        let mode = self.text(node);
        self.mode(node, &mode);
    }

    pub(super) fn log(&mut self, node: Node<'_, '_>) {
        for part in node.children().filter(Node::is_element) {
            match part.tag_name().name() {
                "outfiledisabled" => self.out_disabled(part),
                "errfiledisabled" => self.err_disabled(part),
                "outfilepattern" => self.out_pattern(part),
                "errfilepattern" => self.err_pattern(part),
                "logpath" => self.log_path(part),
                _ => {}
            }
        }
        let mode = node.attribute("mode").unwrap_or("append").to_owned();
        self.mode(node, &mode);
    }

    fn mode(&mut self, node: Node<'_, '_>, mode: &str) {
        let by_size = |reader: &mut Self, keep| {
            let size = reader.inner(node, "sizeThreshold");
            let size = size.and_then(|text| text.parse().ok()).unwrap_or(SIZE_KIB);
            reader.output.rotate.size = Some(Bytes(size.saturating_mul(1024)));
            reader.output.keep = keep;
        };
        match mode.to_ascii_lowercase().as_str() {
            "append" => {}
            "reset" => self.output.empties = true,
            "none" => self.output.nowhere = true,
            "roll" | "rotate" => {
                let message = "WinSW begins a new file at each start; here one goes on";
                self.warn(node, message.to_owned(), "say `log.rotate`");
            }
            "roll-by-size" => {
                let keep = self.inner(node, "keepFiles");
                let keep = keep.and_then(|text| text.parse().ok()).unwrap_or(KEPT);
                by_size(self, Some(keep));
            }
            "roll-by-time" => self.by_time(node),
            "roll-by-size-time" => {
                by_size(self, None);
                self.by_time(node);
            }
            _ => {
                let message = format!("`{mode}` is no way to keep logs");
                self.warn(
                    node,
                    message,
                    "write `append`, `reset`, `none` or `roll-by-size`",
                );
            }
        }
        if self.inner(node, "zipOlderThanNumDays").is_some() {
            self.output.compress = true;
        }
    }

    /// A new file whenever the pattern of its name changes.
    fn by_time(&mut self, node: Node<'_, '_>) {
        let pattern = self.inner(node, "pattern").unwrap_or_default();
        let at = self.inner(node, "autoRollAtTime").unwrap_or_default();
        let mut clock = at.split(':').map(|part| part.trim().parse::<u8>().ok());
        let (hour, minute) = (clock.next().flatten(), clock.next().flatten());
        self.output.rotate.at = Some(match pattern.contains(['H', 'h']) {
            true => RotateAt::Hourly { minute: 0 },
            false => RotateAt::Daily {
                hour: hour.filter(|hour| *hour < 24).unwrap_or(0),
                minute: minute.filter(|minute| *minute < 60).unwrap_or(0),
            },
        });
    }

    fn inner(&mut self, node: Node<'_, '_>, name: &str) -> Option<String> {
        let found = node
            .children()
            .find(|child| child.is_element() && child.tag_name().name().eq_ignore_ascii_case(name));
        found.map(|child| self.text(child))
    }
}
