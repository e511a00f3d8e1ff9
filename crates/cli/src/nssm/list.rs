//! `list` and `processes`.

use super::{Done, Ended, Session, text};
use crate::host::scm::{Process, Which};

impl Session<'_> {
    /// The services that are ours; with `all`, every one that has a process.
    pub(super) fn list(&mut self, args: &[String]) -> Done {
        let all = args
            .first()
            .is_some_and(|word| word.eq_ignore_ascii_case("all"));
        let services = match self.system.manager.list(Which::Programs) {
            Ok(services) => services,
            Err(refused) if refused.call == "OpenSCManager" => {
                self.complain(text::OPEN_MANAGER);
                return Err(Ended(1));
            }
            Err(refused) => {
                let why = self.words(refused.code);
                self.complain(&text::enumerated_not(&why));
                return Err(Ended(2));
            }
        };
        for service in services {
            if all || !self.application(&service.name).is_empty() {
                self.out.push_str(&service.name);
                self.out.push('\n');
            }
        }
        Ok(())
    }

    /// The process tree of each service; the exit code is how many could not be told.
    pub(super) fn processes(&mut self, args: &[String]) -> Done {
        if args.is_empty() {
            return self.usage();
        }
        let mut errors: u8 = 0;
        for name in args {
            let Ok(service) = self.find(name) else {
                errors = errors.saturating_add(1);
                continue;
            };
            let (status, processes) = (
                self.system.manager.status(&service),
                self.system.manager.processes(),
            );
            match (status, processes) {
                (Ok(status), Ok(_)) if status.pid == 0 => {}
                (Ok(status), Ok(processes)) => {
                    for (depth, process) in tree(&processes, status.pid) {
                        let indent = " ".repeat(depth);
                        let line = format!("{:>8} {indent}{}\n", process.pid, process.image);
                        self.out.push_str(&line);
                    }
                }
                (Err(refused), _) | (_, Err(refused)) => {
                    let why = self.words(refused.code);
                    self.err.push_str(&format!("{service}: {why}\n"));
                    errors = errors.saturating_add(1);
                }
            }
        }
        match errors {
            0 => Ok(()),
            errors => Err(Ended(errors)),
        }
    }
}

/// The process and all it began, each with its depth. A number that was used before is told apart by its time: nobody
/// is older than its parent.
fn tree(processes: &[Process], pid: u32) -> Vec<(usize, &Process)> {
    let mut found = Vec::new();
    let Some(root) = processes.iter().find(|process| process.pid == pid) else {
        return found;
    };
    let mut waiting = vec![(0, root)];
    while let Some((depth, process)) = waiting.pop() {
        found.push((depth, process));
        let children = processes.iter().filter(|child| {
            child.parent == process.pid
                && child.pid != process.pid
                && child.created >= process.created
        });
        let mut children: Vec<_> = children.map(|child| (depth + 1, child)).collect();
        children.reverse();
        waiting.append(&mut children);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_no_strangers_whose_parent_had_the_same_number_before() {
        let process = |pid, parent, created| Process {
            pid,
            parent,
            created,
            image: String::new(),
        };
        let all = [
            process(10, 1, 100),
            process(11, 10, 110),
            process(12, 11, 120),
            process(13, 10, 130),
            process(14, 10, 50),
            process(15, 15, 10),
        ];
        let found: Vec<(usize, u32)> = tree(&all, 10)
            .iter()
            .map(|(depth, process)| (*depth, process.pid))
            .collect();
        assert_eq!(found, [(0, 10), (1, 11), (2, 12), (1, 13)]);
        assert!(tree(&all, 99).is_empty());
    }
}
