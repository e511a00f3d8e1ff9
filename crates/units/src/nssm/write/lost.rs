//! What a spec may say and NSSM cannot: one note each.

use aplomb_core::Spec;
use aplomb_core::spec::{ExitSet, Kind, Log, Pause, Process, Ready, Reload, Resources, Stop};

use super::Out;

pub(super) fn tell(spec: &Spec, out: &mut Out) {
    let plain = Spec::new("");
    let is_simple = matches!(spec.kind, Kind::Simple | Kind::Idle);
    for (said, what, action) in [
        (
            !is_simple,
            "a program that leaves or ends by itself",
            "run one that stays",
        ),
        (
            spec.start.len() > 1,
            "several programs in turn",
            "write a script",
        ),
        (
            !spec.conditions.is_empty(),
            "conditions",
            "check them in the program",
        ),
        (
            !spec.start_condition.is_empty()
                || !spec.start_pre.is_empty()
                || !spec.start_post.is_empty(),
            "commands around the start",
            "use hooks",
        ),
        (
            spec.reload != Reload::Impossible,
            "a reload",
            "restart instead",
        ),
        (
            spec.pause != Pause::Freeze,
            "commands for pause and continue",
            "leave them out",
        ),
        (
            spec.ready != Ready::Started,
            "readiness; the service counts as up at once",
            "leave it out",
        ),
        (
            spec.watchdog.is_some() || spec.health.is_some(),
            "a watchdog or a health check",
            "leave it out",
        ),
        (spec.max_run_time.is_some(), "a longest run", "leave it out"),
        (
            !spec.listen.is_empty(),
            "sockets held for the program",
            "let the program open them",
        ),
        (
            spec.restart.limit.is_some(),
            "a start limit; it restarts for ever",
            "leave it",
        ),
        (has_exit_sets(spec), "sets of exit codes", "name each code"),
        (
            relations(spec),
            "relations other than `requires` and `wants`",
            "leave them out",
        ),
        (
            stops(&spec.stop),
            "commands at the stop, or another signal",
            "use the hook `stop-pre`",
        ),
        (
            process(&spec.process),
            "this part of the program's surroundings",
            "leave it out",
        ),
        (
            log(&spec.log, &plain.log),
            "retention and this part of the log",
            "clean up by another program",
        ),
    ] {
        if said {
            out.lose(what, action);
        }
    }
}

fn has_exit_sets(spec: &Spec) -> bool {
    let exit = &spec.exit;
    [&exit.success, &exit.prevent_restart, &exit.force_restart]
        .into_iter()
        .any(|set| *set != ExitSet::default())
}

fn relations(spec: &Spec) -> bool {
    let depends = &spec.depends;
    let ordered = |name: &String| depends.after.contains(name);
    let known = |name: &String| depends.requires.contains(name) || depends.wants.contains(name);
    !depends.requires.iter().all(ordered)
        || !depends.wants.iter().all(ordered)
        || !depends.after.iter().all(known)
        || [
            &depends.requisite,
            &depends.binds_to,
            &depends.part_of,
            &depends.conflicts,
            &depends.before,
            &depends.on_failure,
            &depends.on_success,
            &depends.wanted_by,
            &depends.required_by,
        ]
        .into_iter()
        .any(|names| !names.is_empty())
}

fn stops(stop: &Stop) -> bool {
    let plain = Stop::default();
    stop.pre.is_some()
        || !stop.post.is_empty()
        || stop.also_hup
        || stop.restart_signal.is_some()
        || stop.watchdog_signal != plain.watchdog_signal
        || stop.kill.is_some() && stop.kill != plain.kill
}

/// Everything but directory, variables, user, processors, niceness and standard input.
fn process(process: &Process) -> bool {
    let carried = Process {
        directory: process.directory.clone(),
        env_base: process.env_base,
        env: process.env.clone(),
        user: process.user.clone(),
        cpu_affinity: process.cpu_affinity.clone(),
        nice: process.nice,
        stdin: process.stdin.clone(),
        ..Process::default()
    };
    let optional = process
        .directory
        .as_ref()
        .is_some_and(|directory| directory.optional);
    *process != carried || optional || process.resources != Resources::default()
}

/// Everything but destinations, size and age, and stamps in UTC.
fn log(log: &Log, plain: &Log) -> bool {
    let carried = Log {
        to: log.to.clone(),
        stderr: log.stderr.clone(),
        rotate: aplomb_core::spec::Rotate {
            at: None,
            ..log.rotate.clone()
        },
        keep: None,
        keep_bytes: None,
        timestamps: match log.timestamps {
            aplomb_core::spec::Timestamps::Utc => aplomb_core::spec::Timestamps::Utc,
            aplomb_core::spec::Timestamps::None | aplomb_core::spec::Timestamps::Local => {
                aplomb_core::spec::Timestamps::None
            }
        },
        ..plain.clone()
    };
    *log != carried
}
