//! The beginning of a program, with what its tree has to be given first.

use std::io;
use std::os::fd::AsFd;

use aplomb_core::spec::{OwnDirectoryKind, Privilege};

use super::Linux;
use super::directories::{self, PrivateTmp};
use super::processes::Process;
use super::spawn::{self, Surroundings};
use crate::{Launch, SpawnError, Started, Step};

impl Linux {
    pub(super) fn begin(&mut self, launch: &Launch<'_>) -> Result<Started, SpawnError> {
        self.prepare_tree(launch)?;
        let mut born = self.bear(launch);
        if let Err(SpawnError::Setup {
            step: Step::ControlGroup,
            source,
        }) = &born
            && self.nursery.births_into_cgroups()
            && is_refusal_of_clone3(source)
        {
            self.nursery.forgo_clone3();
            born = self.bear(launch);
        }
        let pid = born?;
        self.keep_network(launch, pid);
        let process = self.processes.add(Process {
            pid,
            tree: launch.tree,
            pidfd: None,
            found_at: None,
        });
        self.births += 1;
        self.trees.on_born(launch.tree, pid, launch.env);
        Ok(Started { process, pid })
    }

    /// What the tree needs for this launch besides its group.
    fn prepare_tree(&mut self, launch: &Launch<'_>) -> Result<(), SpawnError> {
        let failed = |step| move |source| SpawnError::Setup { step, source };
        let sandboxed = launch.privilege != Privilege::Full;
        let sandbox = launch.process.sandbox.as_deref().filter(|_| sandboxed);
        if sandbox.is_some_and(|sandbox| sandbox.private_tmp) {
            let extras = self
                .trees
                .extras(launch.tree)
                .map_err(failed(Step::Sandbox))?;
            if extras.private_tmp.is_none() {
                let made = PrivateTmp::make(launch.tree.0).map_err(failed(Step::Sandbox))?;
                extras.private_tmp = Some(made);
            }
        }
        for directory in &launch.process.own_directories {
            if directory.kind == OwnDirectoryKind::Runtime && !directory.preserve {
                let extras = self.trees.extras(launch.tree);
                let extras = extras.map_err(failed(Step::RuntimeDirectory))?;
                extras.runtime.insert(directories::path_of(directory));
            }
        }
        Ok(())
    }

    /// Bears the child; once more in the old way where the new one is refused.
    fn bear(&mut self, launch: &Launch<'_>) -> Result<u32, SpawnError> {
        let failed = |step| move |source| SpawnError::Setup { step, source };
        let room = self
            .trees
            .make_room(launch.tree)
            .map_err(no_room_or(Step::ControlGroup))?;
        let mut doors = room.doors;
        let mut directory = room.directory;
        if !self.nursery.births_into_cgroups() {
            directory = None;
            doors.extend(
                self.trees
                    .door(launch.tree)
                    .map_err(failed(Step::ControlGroup))?,
            );
        }
        let ready = match launch.ready_fd {
            Some(place) => {
                let pipe = self.ready.make(&self.poller, launch.tree);
                let place = i32::try_from(place).unwrap_or(i32::MAX);
                Some((pipe.map_err(no_room_or(Step::Sockets))?, place))
            }
            None => None,
        };
        let mut sockets = Vec::with_capacity(launch.sockets.len());
        for id in launch.sockets {
            let missing = || failed(Step::Sockets)(io::ErrorKind::NotFound.into());
            sockets.push(self.sockets.get(*id).ok_or_else(missing)?);
        }
        let extras = self.trees.extras_if_any(launch.tree);
        let writers = self.writers.borrow();
        let around = Surroundings {
            cgroup: directory.as_ref().map(AsFd::as_fd),
            doors: &doors,
            writers: &writers,
            sockets,
            low: &self.low,
            ready: ready.as_ref().map(|(fd, place)| (fd.as_fd(), *place)),
            private_tmp: extras.and_then(|extras| extras.private_tmp.as_ref()),
            network: extras
                .and_then(|extras| extras.network.as_ref())
                .map(AsFd::as_fd),
            shared_descriptors: self.nursery.shares_descriptors(),
            terminal: self.terminal.as_ref().map(AsFd::as_fd),
            open_files: self.open_files.before(),
        };
        spawn::spawn(&mut self.nursery, launch, &around)
    }

    /// The first process with a private network has made it; the others of its tree join it there.
    fn keep_network(&mut self, launch: &Launch<'_>, pid: u32) {
        let sandboxed = launch.privilege != Privilege::Full;
        let sandbox = launch.process.sandbox.as_deref().filter(|_| sandboxed);
        if sandbox.is_some_and(|sandbox| sandbox.private_network)
            && let Ok(extras) = self.trees.extras(launch.tree)
            && extras.network.is_none()
            && let Ok(network) = std::fs::File::open(format!("/proc/{pid}/ns/net"))
        {
            extras.network = Some(network.into());
        }
    }
}

/// Want of room where that is what the error says, else the step that failed.
pub(super) fn no_room_or(step: Step) -> impl Fn(io::Error) -> SpawnError {
    use linux_raw_sys::errno as e;
    move |source| match source.raw_os_error().map(|errno| errno as u32) {
        Some(e::EMFILE | e::ENFILE | e::ENOMEM | e::ENOSPC | e::EAGAIN) => {
            SpawnError::NoRoom { source }
        }
        _ => SpawnError::Setup { step, source },
    }
}

/// Not known (old kernels), forbidden (seccomp), or its arguments not (kernels before 5.7).
fn is_refusal_of_clone3(error: &io::Error) -> bool {
    use linux_raw_sys::errno as e;
    let errno = error.raw_os_error().map(|errno| errno as u32);
    matches!(errno, Some(e::ENOSYS | e::EPERM | e::E2BIG | e::EINVAL))
}
