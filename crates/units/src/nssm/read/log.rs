//! Where output goes, and when a new file begins.

use std::time::Duration;

use aplomb_core::Bytes;
use aplomb_core::spec::{LogTo, Rotate, StderrTo, Timestamps};

use super::Reader;

/// Dispositions of CreateFile that empty a file.
const EMPTYING: [u32; 2] = [2, 5];

impl Reader<'_> {
    pub(super) fn output(&mut self) {
        let out = self.sink("AppStdout");
        let err = self.sink("AppStderr");
        self.spec.log.stderr = match (&out, err) {
            (Some(out), Some(err)) if is_same(out, &err) => StderrTo::Same,
            (_, Some(err)) => StderrTo::To(err),
            (Some(_), None) => StderrTo::Own,
            (None, None) => StderrTo::Same,
        };
        self.spec.log.to = out.unwrap_or_default();
        self.rotation();
        if self.is_on("AppTimestampLog") {
            self.spec.log.timestamps = Timestamps::Utc;
        }
    }

    fn sink(&mut self, name: &str) -> Option<LogTo> {
        let path = self.text(name)?;
        if path.eq_ignore_ascii_case("nul") || path.eq_ignore_ascii_case(r"\\.\nul") {
            return Some(LogTo::Nothing);
        }
        let path = self.below_directory(&path);
        let disposition = self.number(&format!("{name}CreationDisposition"));
        Some(
            match disposition.is_some_and(|how| EMPTYING.contains(&how)) {
                true => LogTo::Truncate(path),
                false => LogTo::File(path),
            },
        )
    }

    /// NSSM keeps what it rotated for ever, and begins no new file unless told to.
    fn rotation(&mut self) {
        let log = &mut self.spec.log;
        log.keep = None;
        log.keep_bytes = None;
        log.rotate = Rotate {
            size: None,
            age: None,
            at: None,
        };
        if !self.is_on("AppRotateFiles") {
            return;
        }
        let low = u64::from(self.number("AppRotateBytes").unwrap_or(0));
        let high = u64::from(self.number("AppRotateBytesHigh").unwrap_or(0));
        let size = Some(high << 32 | low).filter(|size| *size > 0);
        let age = self.number("AppRotateSeconds").filter(|age| *age > 0);
        if size.is_some() && age.is_some() {
            self.warn(
                "AppRotateSeconds",
                "NSSM rotates when a file is both old and large enough; here its size alone decides",
                "leave it, or say `log.rotate` yourself",
            );
        }
        if size.is_none() && age.is_none() {
            self.warn(
                "AppRotateFiles",
                "NSSM rotates at every start; here a new file begins at 16 MiB",
                "leave it, or say `log.rotate` yourself",
            );
            self.spec.log.rotate = Rotate::default();
            return;
        }
        if !self.is_on("AppRotateOnline") {
            self.note(
                "AppRotateFiles",
                "NSSM rotates only at a start; here while the program runs, too",
                "leave it",
            );
        }
        self.spec.log.rotate.size = size.map(Bytes);
        if size.is_none() {
            self.spec.log.rotate.age = age.map(|age| Duration::from_secs(age.into()));
        }
    }
}

fn is_same(one: &LogTo, other: &LogTo) -> bool {
    let path = |to: &LogTo| match to {
        LogTo::File(path) | LogTo::Truncate(path) => Some(path.to_lowercase()),
        LogTo::Nothing => Some("nul".to_owned()),
        LogTo::Default | LogTo::Directory(_) | LogTo::Journal | LogTo::Inherit => None,
    };
    path(one).is_some() && path(one) == path(other)
}
