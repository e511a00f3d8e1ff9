//! Parameters that are the service manager's own; they can be asked and set for any service.

use aplomb_units::nssm::{Native, STARTUP_OF_THE_MANUAL, STARTUPS};

use super::environment::{self, Members};
use super::setting::{Looked, Outcome, Told, Wish};
use super::{Session, text};
use crate::host::scm::{
    Account, Change, Config, Extra, Logon, Refused, SERVICES, Start, kind, reason,
};

const OWN_PROCESS: &str = "SERVICE_WIN32_OWN_PROCESS";
const INTERACTIVE: &str = "SERVICE_INTERACTIVE_PROCESS";
/// Where the names of groups are listed.
const GROUPS: &str = r"SYSTEM\CurrentControlSet\Control\ServiceGroupOrder";

impl Session<'_> {
    pub(super) fn put_native(
        &mut self,
        service: &str,
        native: Native,
        name: &str,
        wish: Wish<'_>,
        sub: Option<&str>,
    ) -> Result<Outcome, Told> {
        match native {
            Native::DependOnGroup => self.put_groups(service, &wish.words()),
            Native::DependOnService => self.put_services(service, &wish.words()),
            Native::Description => {
                let text = wish.text().unwrap_or_default();
                let empty = text.is_empty();
                let changed = Extra::Description(text);
                let changed = self.system.manager.change_extra(service, &changed);
                changed.map_err(|_| Told)?;
                Ok(outcome(!empty))
            }
            Native::DisplayName => {
                let display = wish.text().unwrap_or_else(|| service.to_owned());
                let own = !display.eq_ignore_ascii_case(service);
                self.change(
                    service,
                    Change {
                        display: Some(display),
                        ..Change::default()
                    },
                )?;
                Ok(outcome(own))
            }
            Native::Environment => {
                let key = format!(r"{SERVICES}\{service}");
                self.put_environment(service, &key, name, &wish.words())
            }
            Native::ImagePath => {
                let image = self.wanted(name, wish)?;
                self.change(
                    service,
                    Change {
                        image: Some(image),
                        ..Change::default()
                    },
                )?;
                Ok(Outcome::Set)
            }
            Native::ObjectName => self.put_account(service, name, wish, sub),
            Native::Name => {
                self.complain(text::CANNOT_RENAME);
                Err(Told)
            }
            Native::Start => self.put_start(service, name, wish),
            Native::Type => self.put_type(service, name, wish),
        }
    }

    pub(super) fn look_native(
        &mut self,
        service: &str,
        native: Native,
        sub: Option<&str>,
    ) -> Result<Looked, Told> {
        let config = self.config(service)?;
        let text = match native {
            Native::DependOnGroup => members(&config, Kind::Group).join("\r\n"),
            Native::DependOnService => members(&config, Kind::Service).join("\r\n"),
            Native::Description => {
                let description = self.system.manager.description(service);
                description.map_err(|_| Told)?
            }
            Native::DisplayName => config.display,
            Native::Environment => {
                let key = format!(r"{SERVICES}\{service}");
                return self.look_environment(&key, "Environment", sub);
            }
            Native::ImagePath => config.image,
            Native::ObjectName => config.account,
            Native::Name => service.to_owned(),
            Native::Start => self.startup(service, &config).to_owned(),
            Native::Type => type_word(config.kind).to_owned(),
        };
        Ok(Looked::text(text))
    }

    /// A setting without a default needs a value.
    fn wanted(&mut self, name: &str, wish: Wish<'_>) -> Result<String, Told> {
        wish.text().ok_or_else(|| {
            self.complain(&text::no_default(name));
            Told
        })
    }

    pub(super) fn config(&mut self, service: &str) -> Result<Config, Told> {
        self.system.manager.config(service).map_err(|refused| {
            let why = self.words(refused.code);
            self.complain(&text::queried_not(service, &why));
            Told
        })
    }

    fn change(&mut self, service: &str, change: Change) -> Result<(), Told> {
        let changed = self.system.manager.change(service, &change);
        changed.map_err(|refused| self.complain_of_change(refused))
    }

    fn complain_of_change(&mut self, refused: Refused) -> Told {
        let why = self.words(refused.code);
        self.complain(&text::changed_not(&why));
        Told
    }

    fn put_start(&mut self, service: &str, name: &str, wish: Wish<'_>) -> Result<Outcome, Told> {
        let wanted = self.wanted(name, wish)?;
        let (manual, meant) = STARTUP_OF_THE_MANUAL;
        let word = match wanted.eq_ignore_ascii_case(manual) {
            true => meant,
            false => wanted.as_str(),
        };
        let known = STARTUPS
            .iter()
            .position(|known| known.eq_ignore_ascii_case(word));
        let (start, delayed) = match known {
            Some(0) => (Start::Auto, false),
            Some(1) => (Start::Auto, true),
            Some(2) => (Start::Demand, false),
            Some(_) => (Start::Disabled, false),
            None => {
                self.complain(&text::bad_startup(&wanted));
                for word in STARTUPS {
                    self.item(word);
                }
                return Err(Told);
            }
        };
        self.change(
            service,
            Change {
                start: Some(start),
                ..Change::default()
            },
        )?;
        // Systems that do not know a delayed start refuse even to switch it off; NSSM lets that pass, too.
        let delay = self
            .system
            .manager
            .change_extra(service, &Extra::DelayedStart(delayed));
        if delayed && delay.is_err_and(|refused| refused.code != reason::INVALID_LEVEL) {
            self.complain(&format!(
                "Error configuring delayed startup for service \"{service}\".  The service will start automatically."
            ));
        }
        Ok(Outcome::Set)
    }

    /// NSSM's word for how a service starts.
    fn startup(&self, service: &str, config: &Config) -> &'static str {
        match config.start {
            Some(Start::Demand) => STARTUPS[2],
            Some(Start::Disabled) => STARTUPS[3],
            Some(Start::Boot | Start::System | Start::Auto) | None => {
                let delayed = self.system.manager.delayed_start(service);
                STARTUPS[usize::from(delayed.unwrap_or(false))]
            }
        }
    }

    fn put_type(&mut self, service: &str, name: &str, wish: Wish<'_>) -> Result<Outcome, Told> {
        let wanted = self.wanted(name, wish)?;
        let kind = if wanted.eq_ignore_ascii_case(INTERACTIVE) {
            let account = self.config(service)?.account;
            if Account::by_name(&account) != Some(Account::LocalSystem) {
                self.complain(&text::interactive_needs_system(&wanted, service));
                return Err(Told);
            }
            kind::OWN_PROCESS | kind::INTERACTIVE
        } else if wanted.eq_ignore_ascii_case(OWN_PROCESS) {
            kind::OWN_PROCESS
        } else {
            self.complain(&text::bad_type(&wanted));
            self.item(OWN_PROCESS);
            self.item(INTERACTIVE);
            return Err(Told);
        };
        self.change(
            service,
            Change {
                kind: Some(kind),
                ..Change::default()
            },
        )?;
        Ok(Outcome::Set)
    }

    /// `ObjectName USER [PASSWORD…]`: the user stands where others have a subparameter.
    fn put_account(
        &mut self,
        service: &str,
        name: &str,
        wish: Wish<'_>,
        user: Option<&str>,
    ) -> Result<Outcome, Told> {
        let user = user.unwrap_or("LocalSystem");
        let account = match Account::by_name(user) {
            Some(account) => account,
            None => self.system.manager.account(user).unwrap_or(Account::User),
        };
        let given = wish.text();
        if account.needs_password() && given.is_none() {
            self.complain(&text::needs_password(name));
            return Err(Told);
        }
        if matches!(account, Account::User | Account::Managed) {
            let granted = self.system.manager.grant_service_logon(user);
            if granted.is_err() {
                self.complain(&text::granted_not(user));
                return Err(Told);
            }
        }
        let password = match account {
            Account::LocalSystem | Account::LocalService | Account::NetworkService => {
                Some(String::new())
            }
            Account::Virtual | Account::Managed => None,
            Account::User => given,
        };
        // Only LocalSystem may be interactive; the manager refuses the account otherwise.
        let kind = match account {
            Account::LocalSystem => None,
            Account::LocalService
            | Account::NetworkService
            | Account::Virtual
            | Account::Managed
            | Account::User => Some(self.config(service)?.kind & !kind::INTERACTIVE),
        };
        let logon = Logon {
            account: account.canonical().unwrap_or(user).to_owned(),
            password,
        };
        self.change(
            service,
            Change {
                kind,
                account: Some(logon),
                ..Change::default()
            },
        )?;
        Ok(outcome(account != Account::LocalSystem))
    }

    fn put_services(&mut self, service: &str, words: &[String]) -> Result<Outcome, Told> {
        let config = self.config(service)?;
        let old = members(&config, Kind::Service);
        let edited = environment::edit(&old, words, Members::Names).list;
        let mut depends = Vec::new();
        for member in edited {
            match self.find(&member) {
                Ok(found) => depends.push(found),
                Err(_) => return Err(self.no_dependency(&member)),
            }
        }
        depends.extend(members(&config, Kind::Group));
        self.put_depends(service, words, depends)
    }

    fn put_groups(&mut self, service: &str, words: &[String]) -> Result<Outcome, Told> {
        let config = self.config(service)?;
        let old: Vec<String> = members(&config, Kind::Group)
            .iter()
            .map(|group| group[1..].to_owned())
            .collect();
        let edited = environment::edit(&old, words, Members::Names).list;
        let known = self.list_value(GROUPS, "List").unwrap_or_default();
        let mut depends = members(&config, Kind::Service);
        for member in edited {
            let group = known
                .iter()
                .find(|known| known.eq_ignore_ascii_case(&member));
            match group {
                Some(group) => depends.push(format!("+{group}")),
                None => return Err(self.no_dependency(&format!("+{member}"))),
            }
        }
        self.put_depends(service, words, depends)
    }

    fn no_dependency(&mut self, name: &str) -> Told {
        let why = self.words(reason::SERVICE_DEPENDENCY_DELETED);
        self.err.push_str(&format!("{name}: {why}"));
        Told
    }

    fn put_depends(
        &mut self,
        service: &str,
        words: &[String],
        depends: Vec<String>,
    ) -> Result<Outcome, Told> {
        self.change(
            service,
            Change {
                depends: Some(depends),
                ..Change::default()
            },
        )?;
        Ok(outcome(!words.is_empty()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Service,
    Group,
}

/// The dependencies of one kind, groups with their `+`.
fn members(config: &Config, kind: Kind) -> Vec<String> {
    let is_group = |name: &&String| name.starts_with('+') == (kind == Kind::Group);
    config.depends.iter().filter(is_group).cloned().collect()
}

fn outcome(is_set: bool) -> Outcome {
    match is_set {
        true => Outcome::Set,
        false => Outcome::Reset,
    }
}

/// NSSM's word for a kind of service.
fn type_word(bits: u32) -> &'static str {
    const OWN_INTERACTIVE: u32 = kind::OWN_PROCESS | kind::INTERACTIVE;
    const SHARE_INTERACTIVE: u32 = kind::SHARE_PROCESS | kind::INTERACTIVE;
    match bits {
        1 => "SERVICE_KERNEL_DRIVER",
        2 => "SERVICE_FILE_SYSTEM_DRIVER",
        kind::OWN_PROCESS => OWN_PROCESS,
        kind::SHARE_PROCESS => "SERVICE_WIN32_SHARE_PROCESS",
        OWN_INTERACTIVE => INTERACTIVE,
        SHARE_INTERACTIVE => "SERVICE_WIN32_SHARE_PROCESS|SERVICE_INTERACTIVE_PROCESS",
        _ => "?",
    }
}
