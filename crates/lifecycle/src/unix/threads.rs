//! What the kernel says about our own threads. Linux only; elsewhere there is nothing to read, and nothing is said.

use std::fs;

/// The kernel keeps 15 bytes of a thread's name.
const COMM: usize = 15;

/// State and wait channel of the thread that carries a component's name, if it does not just run or sleep in user code.
pub(crate) fn thread_state(name: &str) -> Option<String> {
    let task = tasks()
        .into_iter()
        .find(|task| task.comm == clipped(name))?;
    let stat = fs::read_to_string(format!("/proc/self/task/{}/stat", task.tid)).ok()?;
    let state = stat.rsplit_once(") ")?.1.chars().next()?;
    let wchan =
        fs::read_to_string(format!("/proc/self/task/{}/wchan", task.tid)).unwrap_or_default();
    match wchan.as_str() {
        "" | "0" => Some(format!("thread state {state}")),
        wchan => Some(format!("thread state {state}, wchan {wchan}")),
    }
}

/// Those of `names` that a thread of this process still carries.
pub(crate) fn threads_named<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let tasks = tasks();
    names
        .filter(|name| tasks.iter().any(|task| task.comm == clipped(name)))
        .map(str::to_owned)
        .collect()
}

struct Task {
    tid: String,
    comm: String,
}

fn tasks() -> Vec<Task> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let tasks = entries.flatten().filter_map(|entry| {
        let comm = fs::read_to_string(entry.path().join("comm")).ok()?;
        Some(Task {
            tid: entry.file_name().into_string().ok()?,
            comm: comm.trim_end().to_owned(),
        })
    });
    tasks.collect()
}

fn clipped(name: &str) -> &str {
    let mut end = name.len().min(COMM);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
