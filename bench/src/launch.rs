//! A competitor at work: launched in a group and a directory of its own, watched, stopped, cleaned up.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open};

use crate::board::{Board, Slot, after, now};
use crate::files;
use crate::group::Group;
use crate::obtain::SYSTEM_PATH;
use crate::peers::{Pids, Plan, Service, Site, Stop};
use crate::process;
use crate::trouble::{Outcome, Trouble};

/// How our directories and groups are named, before our process number.
pub(crate) const OURS: &str = "aplomb-bench-";

/// Whether `name` belongs to a run of ours that is no more: killed, it could not clean up.
pub(crate) fn is_stale(name: &str) -> bool {
    let owner = name
        .strip_prefix(OURS)
        .and_then(|rest| rest.split('-').next());
    owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

/// Where everything lives: tmpfs, so that no disk is measured.
#[derive(Debug)]
pub(crate) struct Yard {
    pub(crate) directory: PathBuf,
    pub(crate) probes: PathBuf,
    launches: std::cell::Cell<u32>,
}

impl Yard {
    /// A directory of our own below `place`, which is rid of what killed runs have left there.
    pub(crate) fn create(place: &Path) -> io::Result<Yard> {
        Group::sweep()?;
        for entry in fs::read_dir(place)?.flatten() {
            if is_stale(&entry.file_name().to_string_lossy()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let directory = place.join(format!("{OURS}{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        Ok(Yard {
            probes: directory.join("probes"),
            directory,
            launches: std::cell::Cell::new(0),
        })
    }

    /// A fresh site for the next launch, and a name nobody else has.
    fn site(&self) -> io::Result<(Site, String)> {
        self.launches.set(self.launches.get() + 1);
        let name = format!("{OURS}{}-{}", std::process::id(), self.launches.get());
        let directory = self.directory.join(&name);
        let logs = directory.join("logs");
        fs::create_dir_all(&logs)?;
        let site = Site {
            board: self.directory.join(format!("{name}.board")),
            directory,
            logs,
            probes: self.probes.clone(),
        };
        Ok((site, name))
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        // Left behind it is a directory on tmpfs with our process number in its name.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// What is written and ready to be launched.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) site: Site,
    pub(crate) board: Board,
    group: Group,
}

impl Stage {
    pub(crate) fn prepare(yard: &Yard, count: usize) -> Outcome<Stage> {
        let (site, name) = yard.site()?;
        let board = Board::create(&site.board, count)?;
        let group = Group::create(&name).map_err(|source| Trouble::Io {
            what: "a control group is needed to account for a supervisor".into(),
            source,
        })?;
        Ok(Stage { site, board, group })
    }

    /// The services: as many sleeping children as the board has slots.
    pub(crate) fn children(&self) -> Vec<Service> {
        (0..self.board.count())
            .map(|number| Service {
                name: format!("s{number:05}"),
                argv: vec![
                    self.site.probe("child"),
                    format!("{}:{number}", self.board.path().display()),
                ],
            })
            .collect()
    }

    pub(crate) fn launch(self, plan: Plan) -> Outcome<Stack> {
        let output = self.site.path("output");
        let sink = File::create(&output).map_err(|why| Trouble::at(&output, why))?;
        let mut command = Command::new(self.site.probe("launch"));
        command
            .arg(self.board.path())
            .args(self.group.doors())
            .arg("--")
            .args(&plan.argv)
            .stdin(Stdio::null())
            .stdout(sink.try_clone()?)
            .stderr(sink);
        surround(&mut command, &plan, &self.site);
        let process = command
            .spawn()
            .map_err(|why| Trouble::at(&plan.argv[0], why))?;
        Ok(Stack {
            stage: self,
            plan,
            process,
        })
    }
}

/// The same small environment for everybody.
fn surround(command: &mut Command, plan: &Plan, site: &Site) {
    command
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .env("HOME", &site.directory)
        .env("LANG", "C.UTF-8")
        .envs(plan.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&site.directory);
}

/// A competitor that has been launched.
#[derive(Debug)]
pub(crate) struct Stack {
    stage: Stage,
    plan: Plan,
    process: Child,
}

impl Stack {
    pub(crate) fn board(&self) -> &Board {
        &self.stage.board
    }

    pub(crate) fn group(&self) -> &Group {
        &self.stage.group
    }

    pub(crate) fn site(&self) -> &Site {
        &self.stage.site
    }

    /// Until every service has begun after `since`; returns their slots.
    pub(crate) fn wait_for_all(&self, since: u64, patience: Duration) -> Outcome<Vec<Slot>> {
        let board = self.board();
        board
            .wait_for_all(since, after(patience))?
            .map_err(|running| Trouble::Late {
                what: "services running",
                running,
                wanted: board.count(),
                seconds: patience.as_secs(),
                said: self.said(),
            })
    }

    /// When the supervisor's first instruction was due: just before it was executed.
    pub(crate) fn launched(&self) -> Outcome<u64> {
        let slot = self.board().launcher()?;
        slot.map(|slot| slot.begun)
            .ok_or_else(|| Trouble::Unavailable(format!("could not be launched{}", self.said())))
    }

    /// Until the process that was launched has ended by itself.
    pub(crate) fn wait_for_end(&mut self, patience: Duration) -> Outcome<ExitStatus> {
        let process = pidfd_open(Pid::from_child(&self.process), PidfdFlags::empty())
            .map_err(io::Error::from)?;
        if !ends(&process, after(patience))? {
            let seconds = patience.as_secs();
            return Err(Trouble::Unavailable(format!("not done after {seconds} s")));
        }
        Ok(self.process.wait()?)
    }

    /// The end of what it has printed, as part of a sentence.
    pub(crate) fn said(&self) -> String {
        match files::tail(&self.site().path("output")) {
            text if text.is_empty() => text,
            text => format!("; it said: {text}"),
        }
    }

    /// The supervisor's processes: all of the group that are not services.
    pub(crate) fn managers(&self) -> io::Result<Vec<i32>> {
        let mut all = self.group().processes()?;
        all.retain(|pid| !self.is_service(*pid));
        Ok(all)
    }

    /// The processes of these services as we may signal them. One that has ended, or whose number somebody
    /// outside the group has by now, is left out: nothing but a service of this stack is ever signalled.
    pub(crate) fn processes_of(&self, slots: &[Slot]) -> io::Result<Vec<Pid>> {
        let own = |pid: i32| self.is_service(pid);
        let pids: Vec<i32> = match self.plan.pids {
            Pids::Shared => slots
                .iter()
                .map(|slot| slot.pid)
                .filter(|pid| own(*pid))
                .collect(),
            Pids::Private => {
                let all = self.group().processes()?;
                let outer: BTreeMap<i32, i32> = all
                    .into_iter()
                    .filter(|pid| own(*pid))
                    .filter_map(|pid| Some((process::inner_pid(pid)?, pid)))
                    .collect();
                slots
                    .iter()
                    .filter_map(|slot| outer.get(&slot.pid).copied())
                    .collect()
            }
        };
        Ok(pids.into_iter().filter_map(Pid::from_raw).collect())
    }

    /// Whether `pid` is a service of ours: our probes are copies that nobody else runs.
    fn is_service(&self, pid: i32) -> bool {
        ["child", "writer"]
            .iter()
            .any(|name| process::runs(pid, &self.site().probes.join(name)))
    }

    /// Services that are in the group still.
    pub(crate) fn services_left(&self) -> io::Result<usize> {
        let all = self.group().processes()?;
        Ok(all.into_iter().filter(|pid| self.is_service(*pid)).count())
    }

    /// Asks it to stop and waits until every service is gone; returns when the last was, in nanoseconds since asking.
    pub(crate) fn stop(&mut self, patience: Duration) -> Outcome<u64> {
        let slots: Vec<Slot> = self.board().services()?.into_iter().flatten().collect();
        let watched: Vec<OwnedFd> = self
            .processes_of(&slots)?
            .into_iter()
            .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .collect();
        let deadline = after(patience);
        let begun = now();
        let mut asking = self.ask_to_stop()?;
        for (gone, service) in watched.iter().enumerate() {
            if !ends(service, deadline)? {
                return Err(Trouble::Late {
                    what: "services gone",
                    running: gone,
                    wanted: watched.len(),
                    seconds: patience.as_secs(),
                    said: self.said(),
                });
            }
        }
        let took = now() - begun;
        if let Some(asking) = &mut asking {
            asking.wait()?;
        }
        match self.services_left()? {
            0 => Ok(took),
            left => Err(Trouble::Left(left)),
        }
    }

    /// Takes the steps of the stop; the last command is left running, for the caller to wait for.
    fn ask_to_stop(&self) -> Outcome<Option<Child>> {
        let mut running: Option<Child> = None;
        for step in &self.plan.stop {
            match step {
                Stop::Signal(signal) => {
                    let pid = Pid::from_child(&self.process);
                    kill_process(pid, *signal).map_err(io::Error::from)?;
                }
                Stop::Run(words) => running = Some(self.begin(words)?),
            }
        }
        Ok(running)
    }

    fn begin(&self, words: &[String]) -> Outcome<Child> {
        let pid = self.process.id().to_string();
        let mut command = Command::new(&words[0]);
        command
            .args(words[1..].iter().map(|word| word.replace("{pid}", &pid)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        surround(&mut command, &self.plan, self.site());
        command.spawn().map_err(|why| Trouble::at(&words[0], why))
    }

    /// Asks it to stop and waits until its group is empty, or kills what is left after `patience`.
    pub(crate) fn finish(&mut self, patience: Duration) -> Outcome<()> {
        let mut asking = self.ask_to_stop()?;
        let deadline = after(patience);
        while now() < deadline && !self.group().processes()?.is_empty() {
            // Reaps it: a zombie is a member of its group.
            self.process.try_wait()?;
            std::thread::sleep(Duration::from_millis(5));
        }
        self.group().clear()?;
        if let Some(asking) = &mut asking {
            asking.wait()?;
        }
        Ok(())
    }
}

/// Whether the process has ended before `deadline`.
fn ends(process: &OwnedFd, deadline: u64) -> io::Result<bool> {
    let left = Duration::from_nanos(deadline.saturating_sub(now()));
    let wait = Timespec {
        tv_sec: left.as_secs() as i64,
        tv_nsec: left.subsec_nanos().into(),
    };
    let mut watched = [PollFd::new(process, PollFlags::IN)];
    Ok(poll(&mut watched, Some(&wait))? > 0)
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Whatever state it is in: everything in the group goes, then the directory.
        let _ = self.stage.group.clear();
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.stage.site.directory);
    }
}
