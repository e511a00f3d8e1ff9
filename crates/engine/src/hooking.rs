//! The engine's side of hooks: fires those nobody waits for, with the facts in environment variables.

use aplomb_core::spec::Moment;
use aplomb_core::{End, ExitCode, InstanceId, RunId, Signal};
use aplomb_platform::{Launch, Platform};
use aplomb_protocol::EventKind;

use crate::books::state;
use crate::engine::Engine;
use crate::hooks::{Hook, HookId};
use crate::launch::{self, Facts};
use crate::runs::Owner;
use crate::timers::Timer;

impl<P: Platform> Engine<P> {
    /// Runs the hooks of a moment. Those that are waited for are the core's to order.
    pub(crate) fn fire_hooks(&mut self, instance: InstanceId, run: Option<RunId>, moment: Moment) {
        if matches!(moment, Moment::StartPre | Moment::StopPre) {
            return;
        }
        let Some(standing) = self.world.standing(instance) else {
            return;
        };
        if standing.spec.hooks.iter().all(|hook| hook.on != moment) {
            return;
        }
        let spec = standing.spec.clone();
        for hook in spec.hooks.iter().filter(|hook| hook.on == moment) {
            if let Err(why) = self.fire(instance, run, &spec, hook) {
                self.tell(
                    instance,
                    run,
                    EventKind::CommandFailed {
                        what: format!("{} hook", moment.name()),
                    },
                    why,
                );
            }
        }
    }

    fn fire(
        &mut self,
        instance: InstanceId,
        run: Option<RunId>,
        spec: &aplomb_core::Spec,
        hook: &aplomb_core::spec::Hook,
    ) -> Result<(), String> {
        let extra = self.hook_facts(instance, run, hook.on);
        let main_pid = run.and_then(|run| self.main_pid(run));
        let run = run.unwrap_or(RunId(0));
        let directories = self.own_directories(spec);
        let facts = Facts {
            directories: &directories,
            spec,
            run,
            main_pid,
            notify: None,
            watchdog: None,
            sockets: &[],
            end: None,
            extra: &extra,
        };
        let env = launch::environment(&facts, &self.machine).map_err(|why| why.to_string())?;
        let words = launch::words(&hook.command, &env);
        let (stdout, stderr) = self.outputs(instance, spec)?;
        let name = format!("{}.{}", spec.name, hook.on.name());
        let tree = self
            .platform
            .plant(&name, &spec.process.resources)
            .map_err(|why| why.to_string())?;
        let launch = Launch {
            tree,
            program: &hook.command.program,
            argv: &words,
            env: &env,
            search_path: &spec.process.search_path,
            process: &spec.process,
            privilege: hook.command.privilege,
            stdout,
            stderr,
            sockets: &[],
            ready_fd: None,
        };
        let started = match self.platform.spawn(&launch) {
            Ok(started) => started,
            Err(why) => {
                self.platform.uproot(tree);
                return Err(why.to_string());
            }
        };
        let until = self.now + hook.timeout;
        let id = self.hooks.add(Hook {
            instance,
            tree,
            name: hook.on.name(),
            until,
        });
        self.runs.own(started.process, Owner::Hook(id));
        self.timers.at(until, Timer::Hook(id));
        Ok(())
    }

    pub(crate) fn hook_ended(&mut self, id: HookId, end: End) {
        let Some(hook) = self.hooks.take(id) else {
            return;
        };
        // Whatever the hook left behind has no one to look after it.
        let _empty = self.platform.kill_tree(hook.tree);
        self.platform.uproot(hook.tree);
        if end != End::Code(ExitCode(0)) {
            let what = format!("{} hook", hook.name);
            self.tell(
                hook.instance,
                None,
                EventKind::CommandFailed { what },
                format!("ended with {end}"),
            );
        }
    }

    /// A hook has used up its time.
    pub(crate) fn hook_due(&mut self, id: HookId) {
        let Some(hook) = self.hooks.take(id) else {
            return;
        };
        let _empty = self.platform.kill_tree(hook.tree);
        self.platform.uproot(hook.tree);
        let took = self.now.since(hook.until);
        let because = format!(
            "killed with {} after its time, and {} more, was over",
            Signal::KILL,
            aplomb_core::seconds(took)
        );
        self.tell(
            hook.instance,
            None,
            EventKind::CommandFailed {
                what: format!("{} hook", hook.name),
            },
            because,
        );
    }

    /// What a hook is told in its environment.
    pub(crate) fn hook_facts(
        &self,
        instance: InstanceId,
        run: Option<RunId>,
        moment: Moment,
    ) -> Vec<(String, String)> {
        let mut facts = vec![("APLOMB_EVENT".to_owned(), moment.name().to_owned())];
        let mut tell = |name: &str, value: String| facts.push((name.to_owned(), value));
        if let Some(standing) = self.world.standing(instance) {
            tell("APLOMB_STATE", state(standing.shown).name().to_owned());
            tell("APLOMB_BECAUSE", standing.because.to_string());
            tell("APLOMB_RESTARTS", standing.restarts.to_string());
        }
        if let Some(pid) = run.and_then(|run| self.main_pid(run)) {
            tell("APLOMB_PID", pid.to_string());
        }
        match self.books.get(instance).and_then(|book| book.end) {
            Some(End::Code(code)) => tell("APLOMB_EXIT_CODE", code.to_string()),
            Some(End::Signal { signal, .. }) => tell("APLOMB_EXIT_SIGNAL", signal.to_string()),
            Some(End::Unknown | End::Unattended) | None => {}
        }
        if let Some(why) = self.books.get(instance).and_then(|book| book.why.as_ref())
            && run.is_some_and(|run| run.0 == why.run)
        {
            tell("APLOMB_WHY", why.summary.clone());
            tell("APLOMB_WHY_VERDICT", why.verdict.clone());
            tell("APLOMB_WHY_FILE", why.file.clone());
        }
        facts
    }
}
