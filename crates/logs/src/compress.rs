//! Compression of rotated files, a piece at a time, so that nobody waits for it.
//!
//! `X.log` is read into `X.log.gz.tmp`; complete, that becomes `X.log.gz`; a while later, when the system has surely
//! written it out, `X.log` goes. Whoever dies in between leaves `X.log` in place, and it is done again: no state
//! but the names. Nothing is synced, because that can hold a thread up for seconds.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use flate2::write::GzEncoder;

use aplomb_core::{Duration, Instant};

use crate::files::{Files, Input, Output};
use crate::rotated::{gz, gz_tmp};

/// Linux writes dirty pages out after 30 s, and looks every 5 s (dirty_expire_centisecs, dirty_writeback_centisecs).
const SETTLES: Duration = Duration::from_secs(60);
/// Read at a time, in bytes.
const PIECE: usize = 64 << 10;

/// How far `step` came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left to compress. Call again at this time, if any: to remove what has settled.
    Idle { until: Option<Instant> },
    /// There is more; call again when there is nothing better to do.
    More,
}

/// The files waiting, the one at work, and those done whose originals are still there.
#[derive(Debug, Default)]
pub(crate) struct Compression {
    waiting: VecDeque<PathBuf>,
    job: Option<Job>,
    settling: VecDeque<(Instant, PathBuf)>,
}

#[derive(Debug)]
struct Job {
    file: PathBuf,
    from: Box<dyn Input>,
    into: GzEncoder<Box<dyn Output>>,
}

impl Compression {
    pub(crate) fn add(&mut self, file: PathBuf) {
        let known = self.waiting.contains(&file)
            || self.job.as_ref().is_some_and(|job| job.file == file)
            || self.settling.iter().any(|(_, settling)| *settling == file);
        if !known {
            self.waiting.push_back(file);
        }
    }

    /// Reads at most `budget` bytes (at least a piece). A file that cannot be compressed now stays as it is until the
    /// next start of the engine.
    pub(crate) fn step(&mut self, budget: usize, now: Instant, files: &mut dyn Files) -> Progress {
        while let Some((until, file)) = self.settling.front()
            && *until <= now
        {
            if files.length(&gz(file)).is_some() {
                let _ = files.remove(file);
            }
            self.settling.pop_front();
        }
        let mut left = budget.max(1);
        while left > 0 {
            if self.job.is_none() {
                let Some(file) = self.waiting.pop_front() else {
                    let until = self.settling.front().map(|(until, _)| *until);
                    return Progress::Idle { until };
                };
                // Removed meanwhile, or unreadable: nothing to do for it.
                self.job = Job::begin(file, files).ok();
            }
            if let Some(mut job) = self.job.take() {
                match job.piece() {
                    Ok(0) => self.end(job, now, files),
                    Ok(read) => {
                        left = left.saturating_sub(read);
                        self.job = Some(job);
                    }
                    Err(_) => job.give_up(files),
                }
            }
        }
        Progress::More
    }

    fn end(&mut self, job: Job, now: Instant, files: &mut dyn Files) {
        let Job { file, into, .. } = job;
        let finished = into.finish().and_then(|mut output| output.flush());
        // Retention may have removed the file while it was read; then nothing of it is to come back.
        let finished = finished.and_then(|()| match files.length(&file) {
            Some(_) => files.rename(&gz_tmp(&file), &gz(&file)),
            None => Err(io::ErrorKind::NotFound.into()),
        });
        match finished {
            Ok(()) => self.settling.push_back((now + SETTLES, file)),
            Err(_) => {
                let _ = files.remove(&gz_tmp(&file));
            }
        }
    }
}

impl Job {
    fn begin(file: PathBuf, files: &mut dyn Files) -> io::Result<Job> {
        let from = files.read(&file)?;
        let into = files.create(&gz_tmp(&file))?;
        let into = GzEncoder::new(into, flate2::Compression::default());
        Ok(Job { file, from, into })
    }

    fn piece(&mut self) -> io::Result<usize> {
        let mut piece = [0; PIECE];
        let read = self.from.read(&mut piece)?;
        self.into.write_all(&piece[..read])?;
        Ok(read)
    }

    fn give_up(self, files: &mut dyn Files) {
        let Job { file, into, .. } = self;
        drop(into);
        let _ = files.remove(&gz_tmp(&file));
    }
}
