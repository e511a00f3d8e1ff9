//! Whom the name of an account means, as far as it decides about passwords.

/// The kinds of accounts that differ in what the manager wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    LocalSystem,
    LocalService,
    NetworkService,
    /// The service's own, below `NT SERVICE`; it has no password.
    Virtual,
    /// A managed account of a domain, whose name ends with `$`; the domain keeps its password.
    Managed,
    /// A user, with a password.
    User,
}

impl Account {
    /// By its English name, without asking anybody; `None` where only the system can tell.
    pub(crate) fn by_name(name: &str) -> Option<Account> {
        const KNOWN: &[(&str, Account)] = &[
            ("LocalSystem", Account::LocalSystem),
            (r".\LocalSystem", Account::LocalSystem),
            ("SYSTEM", Account::LocalSystem),
            (r"NT Authority\SYSTEM", Account::LocalSystem),
            ("LocalService", Account::LocalService),
            (r"NT Authority\LocalService", Account::LocalService),
            (r"NT Authority\Local Service", Account::LocalService),
            ("NetworkService", Account::NetworkService),
            (r"NT Authority\NetworkService", Account::NetworkService),
            (r"NT Authority\Network Service", Account::NetworkService),
        ];
        if let Some((_, account)) = KNOWN
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            return Some(*account);
        }
        let domain = name.split_once('\\').map(|(domain, _)| domain);
        if domain.is_some_and(|domain| domain.eq_ignore_ascii_case("NT Service")) {
            return Some(Account::Virtual);
        }
        name.ends_with('$').then_some(Account::Managed)
    }

    /// The name the manager knows it by, where that is always the same.
    pub(crate) fn canonical(self) -> Option<&'static str> {
        match self {
            Account::LocalSystem => Some("LocalSystem"),
            Account::LocalService => Some(r"NT Authority\LocalService"),
            Account::NetworkService => Some(r"NT Authority\NetworkService"),
            Account::Virtual | Account::Managed | Account::User => None,
        }
    }

    /// Whether somebody has to give a password.
    pub(crate) fn needs_password(self) -> bool {
        self == Account::User
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_without_a_password_are_known_by_their_names() {
        for (name, account) in [
            ("localsystem", Account::LocalSystem),
            (r"NT AUTHORITY\NetworkService", Account::NetworkService),
            (r"nt service\web", Account::Virtual),
            (r"CORP\svc-web$", Account::Managed),
        ] {
            let known = Account::by_name(name).expect(name);
            assert_eq!(known, account, "{name}");
            assert!(!known.needs_password());
        }
        assert_eq!(Account::by_name(r".\jan"), None);
    }
}
