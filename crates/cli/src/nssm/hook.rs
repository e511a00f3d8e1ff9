//! `AppEvents`: commands run at moments of a service's life, named `EVENT/ACTION`.

use aplomb_units::nssm::{HOOKS, Value};

use super::setting::{Looked, Outcome, Told};
use super::{Session, text};

impl Session<'_> {
    /// Sets the command of a hook; an empty one takes the hook away.
    pub(super) fn set_hook(
        &mut self,
        service: &str,
        hook: &str,
        command: &str,
    ) -> Result<Outcome, Told> {
        let (event, action) = self.hook_named(hook)?;
        let key = hook_key(service, &event);
        if command.is_empty() {
            self.unset_value(service, &key, &action)?;
            return Ok(Outcome::Reset);
        }
        self.set_value(&key, &action, &Value::Expand(command.to_owned()))?;
        Ok(Outcome::Set)
    }

    pub(super) fn hook(&mut self, service: &str, hook: &str) -> Result<Looked, Told> {
        let (event, action) = self.hook_named(hook)?;
        self.hook_command(service, &event, &action)
    }

    /// The command of a hook whose name is known to be one.
    pub(super) fn hook_command(
        &self,
        service: &str,
        event: &str,
        action: &str,
    ) -> Result<Looked, Told> {
        let command = self.text_value(&hook_key(service, event), action)?;
        Ok(Looked::text(command.unwrap_or_default()))
    }

    /// The two parts of a hook's name, as they were written; a wrong name is told with those there are.
    fn hook_named(&mut self, hook: &str) -> Result<(String, String), Told> {
        let Some((event, action)) = hook.split_once('/') else {
            self.complain(text::BAD_HOOK_NAME);
            return Err(Told);
        };
        let known = HOOKS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(event));
        let Some((_, actions)) = known else {
            self.complain(text::BAD_HOOK_EVENT);
            let mut events: Vec<&str> = HOOKS.iter().map(|(event, _)| *event).collect();
            events.sort_unstable();
            for event in events {
                self.item(event);
            }
            return Err(Told);
        };
        if !actions
            .iter()
            .any(|known| known.eq_ignore_ascii_case(action))
        {
            self.complain(&text::bad_hook_action(event));
            for action in *actions {
                self.item(action);
            }
            return Err(Told);
        }
        Ok((event.to_owned(), action.to_owned()))
    }
}

fn hook_key(service: &str, event: &str) -> String {
    format!(r"{}\AppEvents\{event}", Session::parameters(service))
}
