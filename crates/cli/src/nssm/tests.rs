//! Command lines against a manager and a registry in memory. What NSSM itself answers is `cargo xtask wine-oracle`'s business;
//! here is what Wine cannot show, and what must hold on every system.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use aplomb_units::nssm::Value;

use super::{Invoked, Reply, run};
use crate::host::scm::fake::{Machine, system};
use crate::host::scm::{Extra, Process, Refused, SERVICES, Start, State, System, kind, reason};

struct Lab {
    system: System,
    machine: Rc<RefCell<Machine>>,
}

impl Lab {
    fn new() -> Lab {
        let (system, machine) = system();
        Lab { system, machine }
    }

    /// With a service `web` of ours.
    fn with_web() -> Lab {
        let mut lab = Lab::new();
        assert_eq!(
            lab.nssm(&["install", "web", r"C:\web\web.exe", "--port", "80"])
                .code,
            0
        );
        lab
    }

    fn nssm(&mut self, args: &[&str]) -> Reply {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let invoked = Invoked {
            words: vec!["nssm".into()],
            image: r"C:\nssm.exe".into(),
        };
        run(&args, &invoked, &mut self.system)
    }

    /// Standard output of a command line that must do.
    fn out(&mut self, args: &[&str]) -> String {
        let reply = self.nssm(args);
        assert_eq!((reply.code, reply.err.as_str()), (0, ""), "{args:?}");
        reply.out
    }

    fn value(&self, name: &str) -> Option<Value> {
        let machine = self.machine.borrow();
        let key = machine
            .registry
            .key(&format!(r"{SERVICES}\web\Parameters"))?;
        key.value(name).cloned()
    }

    fn refuse(&self, call: &'static str, code: u32) {
        self.machine
            .borrow_mut()
            .refusals
            .push(Refused { call, code });
    }
}

#[test]
fn install_leaves_what_nssm_leaves() {
    let mut lab = Lab::new();
    let told = lab.out(&["install", "web", r"C:\web\web.exe", "--port", "80 90"]);
    assert_eq!(told, "Service \"web\" installed successfully!\r\n");
    assert_eq!(
        lab.value("Application"),
        Some(Value::Expand(r"C:\web\web.exe".into()))
    );
    assert_eq!(
        lab.value("AppParameters"),
        Some(Value::Expand("--port 80 90".into()))
    );
    assert_eq!(
        lab.value("AppDirectory"),
        Some(Value::Expand(r"C:\web".into()))
    );
    let mut machine = lab.machine.borrow_mut();
    let service = machine.service("web").expect("made");
    assert_eq!(
        (service.config.start, &service.config.image[..]),
        (Some(Start::Auto), r"C:\nssm.exe")
    );
    assert!(service.extras.contains(&Extra::FailureFlag(true)));
}

#[test]
fn half_an_installation_is_taken_back() {
    let mut lab = Lab::new();
    lab.refuse("RegSetValueEx", reason::ACCESS_DENIED);
    let reply = lab.nssm(&["install", "web", "web.exe"]);
    assert_eq!(reply.code, 6);
    assert_eq!(
        reply.err,
        "Error setting startup parameters for the service!\r\n"
    );
    assert!(lab.machine.borrow().services.is_empty());
}

#[test]
fn install_says_why_it_cannot() {
    let mut lab = Lab::with_web();
    for (name, code) in [
        ("web", reason::SERVICE_EXISTS),
        ("a/b", reason::INVALID_NAME),
    ] {
        let reply = lab.nssm(&["install", name, "x.exe"]);
        assert_eq!(reply.code, 5);
        let why =
            format!("Error creating service!\r\nCreateService(): system error {code}\r\n\r\n");
        assert_eq!(reply.err, why);
    }
    lab.refuse("OpenSCManager", reason::ACCESS_DENIED);
    assert_eq!(lab.nssm(&["install", "new", "x.exe"]).code, 2);
    let long = "x".repeat(16_384);
    assert_eq!(lab.nssm(&["install", "new", "x.exe", &long]).code, 2);
}

#[test]
fn without_rights_the_same_command_line_is_begun_again_with_them() {
    let mut lab = Lab::new();
    lab.machine.borrow_mut().is_user = true;
    let reply = lab.nssm(&["install", "web", "x.exe"]);
    assert_eq!(
        (reply.code, &reply.err[..]),
        (
            0,
            "Administrator access is needed to install a service.\r\n"
        )
    );
    assert_eq!(lab.machine.borrow().elevated, [["install", "web", "x.exe"]]);
    lab.refuse("ShellExecuteEx", reason::ACCESS_DENIED);
    assert_eq!(lab.nssm(&["remove", "web", "confirm"]).code, 100);
}

#[test]
fn remove_tells_what_a_mark_for_deletion_means() {
    let mut lab = Lab::with_web();
    assert_eq!(lab.nssm(&["remove", "web"]).code, 100);
    lab.refuse("DeleteService", reason::SERVICE_MARKED_FOR_DELETE);
    let reply = lab.nssm(&["remove", "web", "confirm"]);
    assert_eq!(reply.code, 4);
    assert_eq!(
        reply.err,
        "Error deleting service!\r\nDeleteService(): system error 1072\r\n"
    );
    assert_eq!(
        lab.out(&["remove", "WEB", "confirm"]),
        "Service \"web\" removed successfully!\r\n"
    );
    assert_eq!(lab.nssm(&["remove", "web", "confirm"]).code, 3);
}

#[test]
fn setting_a_default_takes_the_value_away() {
    let mut lab = Lab::with_web();
    lab.out(&["set", "web", "AppThrottle", "3000"]);
    assert_eq!(lab.value("AppThrottle"), Some(Value::Number(3000)));
    let told = lab.out(&["set", "web", "appthrottle", "1500"]);
    assert_eq!(
        told,
        "Reset parameter \"AppThrottle\" for service \"web\" to its default.\r\n"
    );
    assert_eq!(lab.value("AppThrottle"), None);
    assert_eq!(lab.out(&["get", "web", "AppThrottle"]), "1500\n");
}

#[test]
fn exit_codes_are_known_by_their_number_however_written() {
    let mut lab = Lab::with_web();
    lab.out(&["set", "web", "AppExit", "0x10", "Exit"]);
    lab.out(&["set", "web", "AppExit", "-1", "Ignore"]);
    assert_eq!(lab.out(&["get", "web", "AppExit", "16"]), "Exit\n");
    assert_eq!(
        lab.out(&["get", "web", "AppExit", "4294967295"]),
        "Ignore\n"
    );
    let dump = lab.out(&["dump", "web", "copy"]);
    for line in [
        "nssm install copy C:\\web\\web.exe",
        "nssm set copy AppExit Default Restart",
        "nssm set copy AppExit 16 Exit",
        "nssm set copy AppExit 4294967295 Ignore",
    ] {
        assert!(dump.lines().any(|known| known == line), "{line}\n{dump}");
    }
}

#[test]
fn a_value_of_a_wrong_type_is_an_error_and_not_a_guess() {
    let mut lab = Lab::with_web();
    let key = format!(r"{SERVICES}\web\Parameters");
    let wrong = Value::Text("x".into());
    lab.machine
        .borrow_mut()
        .registry
        .make(&key)
        .set("AppThrottle", wrong);
    let reply = lab.nssm(&["get", "web", "AppThrottle"]);
    assert_eq!(reply.code, 5);
    assert_eq!(
        reply.err,
        "Error getting parameter \"AppThrottle\" for service \"web\"!\r\n"
    );
}

#[test]
fn accounts_without_a_password_need_none_and_others_do() {
    let mut lab = Lab::with_web();
    let password = |lab: &Lab| {
        let mut machine = lab.machine.borrow_mut();
        let service = machine.service("web").expect("there");
        (service.config.account.clone(), service.password.clone())
    };
    lab.out(&["set", "web", "ObjectName", r"CORP\web$"]);
    assert_eq!(password(&lab), (r"CORP\web$".into(), None));
    lab.out(&["set", "web", "ObjectName", r"NT SERVICE\web"]);
    assert_eq!(password(&lab), (r"NT SERVICE\web".into(), None));
    lab.out(&["set", "web", "ObjectName", "networkservice"]);
    assert_eq!(
        password(&lab),
        (r"NT Authority\NetworkService".into(), Some(String::new()))
    );
    let reply = lab.nssm(&["set", "web", "ObjectName", r".\jan"]);
    assert_eq!(reply.code, 6);
    assert!(
        reply
            .err
            .starts_with("Setting \"ObjectName\" requires both a username and password!\r\n")
    );
    lab.out(&["set", "web", "ObjectName", r".\jan", "two", "words"]);
    assert_eq!(password(&lab), (r".\jan".into(), Some("two words".into())));
    assert_eq!(lab.machine.borrow().granted, [r"CORP\web$", r".\jan"]);
    let dump = lab.out(&["dump", "web"]);
    assert!(
        dump.contains("nssm set web ObjectName .\\jan ****\n") || dump.contains("\"****\""),
        "{dump}"
    );
}

#[test]
fn only_local_system_may_be_interactive() {
    let mut lab = Lab::with_web();
    lab.out(&["set", "web", "Type", "SERVICE_INTERACTIVE_PROCESS"]);
    lab.out(&["set", "web", "ObjectName", "LocalService"]);
    assert_eq!(
        lab.out(&["get", "web", "Type"]),
        "SERVICE_WIN32_OWN_PROCESS\n"
    );
    assert_eq!(
        lab.nssm(&["set", "web", "Type", "SERVICE_INTERACTIVE_PROCESS"])
            .code,
        6
    );
}

#[test]
fn dependencies_are_set_by_name_and_must_exist() {
    let mut lab = Lab::with_web();
    lab.machine
        .borrow_mut()
        .add("Tcpip", "Network", kind::SHARE_PROCESS);
    lab.machine
        .borrow_mut()
        .add("Db", "Database", kind::OWN_PROCESS);
    let groups = r"SYSTEM\CurrentControlSet\Control\ServiceGroupOrder";
    let list = Value::List(vec!["NDIS".into(), "TDI".into()]);
    lab.machine
        .borrow_mut()
        .registry
        .make(groups)
        .set("List", list);
    lab.out(&["set", "web", "DependOnService", "tcpip", "database"]);
    assert_eq!(lab.out(&["get", "web", "DependOnService"]), "Tcpip\r\nDb\n");
    lab.out(&["set", "web", "DependOnGroup", "ndis"]);
    assert_eq!(lab.out(&["get", "web", "DependOnGroup"]), "+NDIS\n");
    lab.out(&["set", "web", "DependOnService", "-TCPIP"]);
    assert_eq!(lab.out(&["get", "web", "DependOnService"]), "Db\n");
    let reply = lab.nssm(&["set", "web", "DependOnService", "+nothere"]);
    assert_eq!(reply.code, 6);
    assert!(
        reply.err.contains("nothere: system error 1075\r\n"),
        "{}",
        reply.err
    );
    assert_eq!(
        lab.nssm(&["set", "web", "DependOnGroup", "nothere"]).code,
        6
    );
    let dump = lab.out(&["dump", "web"]);
    assert!(dump.contains("set web DependOnGroup :+NDIS\n"), "{dump}");
    assert!(dump.contains("set web DependOnService :Db\n"));
}

#[test]
fn delayed_start_is_set_and_told_by_either_word() {
    let mut lab = Lab::with_web();
    lab.out(&["set", "web", "Start", "SERVICE_DELAYED_START"]);
    assert_eq!(
        lab.out(&["get", "web", "Start"]),
        "SERVICE_DELAYED_AUTO_START\n"
    );
    lab.out(&["set", "web", "Start", "SERVICE_AUTO_START"]);
    assert_eq!(lab.out(&["get", "web", "Start"]), "SERVICE_AUTO_START\n");
}

#[test]
fn start_waits_as_long_as_the_throttle_and_then_says_what_it_saw() {
    let mut lab = Lab::with_web();
    lab.machine.borrow_mut().service("web").expect("there").path = vec![State::StartPending; 100];
    let reply = lab.nssm(&["start", "web", "with", "words"]);
    assert_eq!(reply.code, 1);
    assert_eq!(
        reply.err,
        "web: Unexpected status SERVICE_START_PENDING in response to START control.\r\n"
    );
    let waited = lab.machine.borrow().waited;
    assert!(
        waited > Duration::from_millis(1500) && waited < Duration::from_millis(2500),
        "{waited:?}"
    );
    let args = lab
        .machine
        .borrow_mut()
        .service("web")
        .expect("there")
        .started_with
        .clone();
    assert_eq!(args, ["web", "with", "words"]);
}

#[test]
fn what_a_start_comes_to_is_the_answer() {
    let mut lab = Lab::with_web();
    let start = |lab: &mut Lab, path: &[State]| {
        lab.machine.borrow_mut().service("web").expect("there").path = path.to_vec();
        lab.nssm(&["start", "web"])
    };
    let good = start(&mut lab, &[State::StartPending, State::Running]);
    assert_eq!(
        (good.code, &good.out[..]),
        (0, "web: START: system error 0\r\n")
    );
    let paused = start(&mut lab, &[State::StartPending, State::Paused]);
    assert_eq!(paused.code, 1);
    assert!(paused.err.contains("Unexpected status SERVICE_PAUSED"));
}

#[test]
fn stopping_what_is_stopped_is_told_and_no_failure() {
    let mut lab = Lab::with_web();
    let reply = lab.nssm(&["stop", "web"]);
    assert_eq!(
        (reply.code, &reply.err[..]),
        (0, "web: STOP: system error 1062\r\n")
    );
    assert_eq!(lab.nssm(&["pause", "web"]).code, 1);
    assert_eq!(lab.nssm(&["statuscode", "web"]).code, 1);
    assert_eq!(lab.nssm(&["restart", "web"]).code, 0);
    assert_eq!(lab.nssm(&["statuscode", "web"]).code, 4);
    assert_eq!(lab.nssm(&["statuscode", "nothere"]).code, 0);
    assert_eq!(lab.nssm(&["rotate", "web"]).code, 0);
    assert_eq!(
        lab.machine
            .borrow_mut()
            .service("web")
            .expect("there")
            .controls,
        [128]
    );
}

#[test]
fn services_of_others_are_left_alone_but_for_the_managers_own_settings() {
    let mut lab = Lab::new();
    lab.machine
        .borrow_mut()
        .add("other", "Somebody's", kind::OWN_PROCESS);
    lab.machine
        .borrow_mut()
        .add("shared", "Shared", kind::SHARE_PROCESS);
    let reply = lab.nssm(&["set", "somebody's", "AppThrottle", "1"]);
    assert_eq!(reply.code, 1);
    assert!(
        reply
            .err
            .contains("is only valid for services managed by NSSM!")
    );
    let reply = lab.nssm(&["set", "other", "Start", "SERVICE_DISABLED"]);
    assert_eq!(
        (reply.code, &reply.err[..]),
        (
            0,
            "Service \"other\" is not a valid NSSM service!\r\nExecutable is C:\\other.exe\r\n"
        )
    );
    assert_eq!(
        lab.nssm(&["set", "shared", "Start", "SERVICE_DISABLED"])
            .code,
        3
    );
    assert_eq!(lab.out(&["list"]), "");
    assert_eq!(lab.out(&["list", "ALL"]), "other\nshared\n");
}

#[test]
fn the_processes_of_a_service_are_told_as_a_tree() {
    let mut lab = Lab::with_web();
    lab.nssm(&["start", "web"]);
    let process = |pid, parent, image: &str| Process {
        pid,
        parent,
        created: u64::from(pid),
        image: image.into(),
    };
    lab.machine.borrow_mut().processes = vec![
        process(4711, 1, r"C:\nssm.exe"),
        process(4800, 4711, r"C:\web.exe"),
    ];
    assert_eq!(
        lab.out(&["processes", "web"]),
        "    4711 C:\\nssm.exe\n    4800  C:\\web.exe\n"
    );
    assert_eq!(lab.nssm(&["processes", "nothere", "web", "no"]).code, 2);
}

#[test]
fn where_nssm_opens_a_window_the_way_without_is_told() {
    let mut lab = Lab::with_web();
    for args in [&["edit", "web"][..], &["install"], &["install", "new"]] {
        let reply = lab.nssm(args);
        assert_eq!(reply.code, 1);
        assert!(
            reply.err.contains("nssm set <servicename>"),
            "{}",
            reply.err
        );
    }
}
