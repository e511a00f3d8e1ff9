use aplomb_protocol::{Member, Milestones, NextStep, Readiness, Wanted};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn greeting() -> Greeting {
    Greeting {
        version: "0.1.0".into(),
        pid: 4000,
        started: 0,
        log_directory: "/var/log/aplomb".into(),
        holding: "cgroup".into(),
        services: 1,
    }
}

fn seen() -> Seen {
    Seen {
        now: 7_500 * SECOND,
        zone: TimeZone::UTC,
        paint: Paint::Plain,
    }
}

fn running() -> ServiceStatus {
    ServiceStatus {
        service: "web".into(),
        description: "the shop's front".into(),
        source: Some("/etc/aplomb/services/web.toml".into()),
        state: State::Running,
        since: 300 * SECOND,
        because: "ready: port 8080 accepts".into(),
        wanted: Wanted::Up,
        readiness: Readiness {
            ready: true,
            by: "port 127.0.0.1:8080".into(),
        },
        says: Some("12 clients\x1b[31m".into()),
        run: Some(3),
        pid: Some(4711),
        restarts: 2,
        next: None,
        why: None,
        last_run: Some(LastRun {
            run: 2,
            ended: 299 * SECOND,
            lasted_ms: 200_000,
            end: "SIGSEGV (invalid memory access)".into(),
        }),
        unhealthy: false,
        log_dropped: 1,
        log_files: vec!["/var/log/aplomb/web.log".into()],
        requires: vec!["store".into(), "cache".into()],
        after: Vec::new(),
        milestones: Milestones::default(),
        members: vec![Member {
            pid: 4711,
            parent: 4000,
            name: "web".into(),
            state: 'S',
            command_line: "/usr/bin/web -p 8080".into(),
        }],
        usage: Usage {
            processes: Some(1),
            threads: Some(12),
            memory_bytes: Some(34 << 20),
            cpu_ms: Some(1200),
            open_files: Some(17),
        },
    }
}

#[test]
fn a_running_service_answers_every_question_once() {
    assert_eq!(
        page(&running(), &greeting(), &seen()),
        "\
web (the shop's front): running since 1970-01-01 00:05:00 (2 h ago)
       why ready: port 8080 accepts
     ready yes, by port 127.0.0.1:8080
      says 12 clients\u{fffd}[31m
      main pid 4711, run 3
      uses 34 MiB memory, 1.2 s CPU, 1 process, 12 threads, 17 open files
   held by cgroup
  restarts 2
  last run SIGSEGV (invalid memory access), 2 h ago after 3 min 20 s
     needs store and cache
      unit /etc/aplomb/services/web.toml
       log /var/log/aplomb/web.log
   dropped 1 line of output could not be kept
      tree    4711 S /usr/bin/web -p 8080 (main)
"
    );
}

#[test]
fn a_failed_service_says_only_what_there_is_to_say() {
    let failed = ServiceStatus {
        state: State::Failed,
        since: 7_400 * SECOND,
        because: "5 starts within 10 s".into(),
        says: None,
        run: None,
        pid: None,
        restarts: 0,
        last_run: None,
        why: None,
        log_dropped: 0,
        log_files: Vec::new(),
        requires: Vec::new(),
        members: Vec::new(),
        usage: Usage::default(),
        source: None,
        description: String::new(),
        next: Some(NextStep {
            what: "restart".into(),
            in_ms: 4200,
        }),
        ..running()
    };
    assert_eq!(
        page(&failed, &greeting(), &seen()),
        "\
web: failed since 1970-01-01 02:03:20 (1 min 40 s ago)
       why 5 starts within 10 s
      next restart in 4.2 s
"
    );
}

#[test]
fn a_list_lines_up_whatever_the_names_are_made_of() {
    let mut chinese = running();
    chinese.service = "商店".into();
    chinese.state = State::StopPending;
    chinese.pid = None;
    chinese.because = String::new();
    assert_eq!(
        list::table(&[running(), chinese], seen().now, Some(70), Paint::Plain),
        "\
service  state                 pid  since           why
web      running              4711  2 h ago         ready: port 8080 …
商店     stop-pending               2 h ago
"
    );
}

#[test]
fn only_what_does_its_work_counts_as_up() {
    assert!(is_up(State::Running));
    assert!(is_up(State::Paused));
    assert!(!is_up(State::StartPending));
    assert!(!is_up(State::StopPending));
}
