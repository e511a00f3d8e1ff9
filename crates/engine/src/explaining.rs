//! Why a run hangs, found out before force destroys the evidence.
//!
//! Looking is done by a program of its own (`aplomb why`, in a tree of its own): it reads the memory of a process that may
//! be hostile, which is nothing to do in the one that carries everything, and it must not hold up others. What it finds
//! it keeps in a file, one per service, that of the last time.
//!
//! Not here: when to ask (the core), how to look (`aplomb-diagnosis`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use aplomb_core::spec::Process;
use aplomb_core::{Duration, InstanceId, Question, RunEvent, RunId};
use aplomb_platform::{Launch, Output, Platform, TreeId};
use aplomb_protocol::{EventKind, Explanation};
use serde::Deserialize;

use crate::engine::Engine;
use crate::runs::Owner;
use crate::timers::Timer;

/// Who looks, and where what is found is kept.
#[derive(Debug, Clone)]
pub struct Explainer {
    /// The program, which knows the verb `why`.
    pub program: String,
    /// Made when it is first needed, for nobody else to look into.
    pub directory: PathBuf,
}

/// At most so many look at once: each takes a processor for itself.
const AT_ONCE: usize = 4;
/// More processes of one tree are not looked at.
const MOST: usize = 64;
/// Whoever still looks after this time is killed. The core waits for less.
const PATIENCE: Duration = Duration::from_secs(2);

/// One look under way.
#[derive(Debug)]
pub(crate) struct Look {
    instance: InstanceId,
    tree: TreeId,
    question: Question,
    file: PathBuf,
}

/// All looks under way.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    running: BTreeMap<RunId, Look>,
}

/// What is read of a report.
#[derive(Deserialize)]
struct Found {
    verdict: String,
    confidence: String,
    summary: String,
}

impl<P: Platform> Engine<P> {
    /// Begins to find out why a run hangs; what cannot be found out is explained as well as it will ever be.
    pub(crate) fn explain(&mut self, instance: InstanceId, run: RunId, question: Question) {
        match self.begin_look(instance, run, question) {
            Ok(true) => {}
            Ok(false) => self.run_event(instance, run, RunEvent::Explained),
            Err(why) => self.not_explained(instance, run, why),
        }
    }

    /// `false`: there is nobody to look at, or nobody who looks.
    fn begin_look(
        &mut self,
        instance: InstanceId,
        run: RunId,
        question: Question,
    ) -> Result<bool, String> {
        let Some(explainer) = self.options.explainer.clone() else {
            return Ok(false);
        };
        let pids = self.pids_of(run);
        let name = self.name_of(instance);
        if pids.is_empty() {
            return Ok(false);
        }
        if self.looks.running.len() >= AT_ONCE {
            return Err(format!("{AT_ONCE} others are being looked at"));
        }
        let no_place = |why: std::io::Error| format!("no place to keep it: {why}");
        aplomb_platform::create_private_directory(&explainer.directory).map_err(no_place)?;
        let file = explainer
            .directory
            .join(format!("{}.json", aplomb_logs::stem(&name)));
        // What is there is that of the last time.
        let _none = fs::remove_file(&file);
        let argv = words(&explainer.program, &name, &pids, question, &file);
        let tree = self
            .platform
            .plant(&format!("{name}.why"), &Process::default().resources)
            .map_err(|why| why.to_string())?;
        let launch = Launch {
            tree,
            program: &explainer.program,
            argv: &argv,
            env: &[],
            search_path: &[],
            process: &Process::default(),
            privilege: aplomb_core::spec::Privilege::Full,
            stdout: Output::Null,
            stderr: Output::Null,
            sockets: &[],
            ready_fd: None,
        };
        match self.platform.spawn(&launch) {
            Ok(started) => {
                self.runs.own(started.process, Owner::Look(run));
                self.timers.at(self.now + PATIENCE, Timer::Look(run));
                let look = Look {
                    instance,
                    tree,
                    question,
                    file,
                };
                if let Some(before) = self.looks.running.insert(run, look) {
                    self.end_look(&before);
                }
                Ok(true)
            }
            Err(why) => {
                self.platform.uproot(tree);
                Err(why.to_string())
            }
        }
    }

    /// Whoever looked has ended.
    pub(crate) fn look_ended(&mut self, run: RunId) {
        let Some(look) = self.looks.running.remove(&run) else {
            return;
        };
        self.end_look(&look);
        let found = fs::read(&look.file).map_err(|why| why.to_string());
        let found = found
            .and_then(|text| serde_json::from_slice::<Found>(&text).map_err(|why| why.to_string()));
        match found {
            Ok(found) => self.explained(run, &look, found),
            Err(why) => self.not_explained(look.instance, run, why),
        }
    }

    /// It takes too long, or the run is over.
    pub(crate) fn look_due(&mut self, run: RunId) {
        if let Some(look) = self.looks.running.remove(&run) {
            self.end_look(&look);
            self.not_explained(look.instance, run, "it took too long".to_owned());
        }
    }

    fn end_look(&mut self, look: &Look) {
        let _empty = self.platform.kill_tree(look.tree);
        self.platform.uproot(look.tree);
    }

    fn explained(&mut self, run: RunId, look: &Look, found: Found) {
        let file = look.file.display().to_string();
        self.books.of(look.instance).why = Some(Box::new(Explanation {
            run: run.0,
            at: self.platform.wall().0,
            question: question_word(look.question).to_owned(),
            verdict: found.verdict.clone(),
            confidence: found.confidence.clone(),
            summary: found.summary.clone(),
            file: file.clone(),
        }));
        let kind = EventKind::Explained {
            verdict: found.verdict,
            confidence: found.confidence,
            file,
        };
        self.tell(look.instance, Some(run), kind, found.summary);
        self.run_event(look.instance, run, RunEvent::Explained);
    }

    fn not_explained(&mut self, instance: InstanceId, run: RunId, why: String) {
        let because = format!("why it hangs could not be found out: {why}");
        self.tell(instance, Some(run), EventKind::Remark, because);
        self.run_event(instance, run, RunEvent::Explained);
    }

    /// Everyone in the tree, the main process first.
    fn pids_of(&mut self, run: RunId) -> Vec<u32> {
        let main = self.main_pid(run);
        let tree = self.runs.get(run).and_then(|held| held.tree);
        let members = tree.map_or_else(Vec::new, |tree| self.platform.members(tree));
        let living = members.iter().filter(|member| member.state != 'Z');
        let others = living
            .map(|member| member.pid)
            .filter(|pid| Some(*pid) != main);
        main.into_iter().chain(others).take(MOST).collect()
    }

    fn name_of(&self, instance: InstanceId) -> String {
        let standing = self.world.standing(instance);
        standing.map_or_else(String::new, |standing| standing.name.to_string())
    }
}

fn words(
    program: &str,
    name: &str,
    pids: &[u32],
    question: Question,
    file: &std::path::Path,
) -> Vec<String> {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let file = file.display().to_string();
    let words = [
        program,
        "why",
        "--pid",
        &pids.join(","),
        "--called",
        name,
        "--question",
        question_word(question),
        "--keep",
        &file,
    ];
    words.map(str::to_owned).into()
}

fn question_word(question: Question) -> &'static str {
    match question {
        Question::Stop => "stop",
        Question::Start => "start",
        Question::Health => "health",
        Question::Hang => "hang",
    }
}
