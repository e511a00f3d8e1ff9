//! A share of one processor, by a cgroup of version 1 or 2.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A cgroup with a share of one processor, removed when dropped.
pub(crate) struct Quota(PathBuf);

type Place = (&'static str, &'static str, fn(u32) -> String);

/// Where groups of version 1 and of version 2 are made, what limits them there, and how: microseconds of 100 000.
const PLACES: [Place; 2] = [
    ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", |usec| {
        usec.to_string()
    }),
    ("/sys/fs/cgroup", "cpu.max", |usec| format!("{usec} 100000")),
];

impl Quota {
    /// `None` where such a group cannot be made.
    pub(crate) fn new(percent: u32) -> Option<Self> {
        PLACES.iter().find_map(|(place, limit, written)| {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::SeqCst);
            let name = format!("lifecycle-{}-{number}", std::process::id());
            let dir = PathBuf::from(place).join(name);
            fs::create_dir(&dir).ok()?;
            let quota = Self(dir);
            fs::write(quota.0.join(limit), written(percent * 1_000)).ok()?;
            Some(quota)
        })
    }

    /// How often the kernel held the group back.
    pub(crate) fn throttled(&self) -> u64 {
        let text = fs::read_to_string(self.0.join("cpu.stat")).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok())
            .unwrap()
    }

    pub(crate) fn hold(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}
