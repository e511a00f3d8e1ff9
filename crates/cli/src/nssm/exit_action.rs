//! `AppExit`: what each exit code calls for, in a key of its own.

use aplomb_units::nssm::{EXIT_ACTIONS, Value};

use super::setting::{Looked, Outcome, Told};
use super::{Session, is_default, number, text};

impl Session<'_> {
    /// Sets what `code` calls for; without an action, what it calls for by default.
    pub(super) fn set_exit_action(
        &mut self,
        service: &str,
        code: &str,
        action: Option<&str>,
    ) -> Result<Outcome, Told> {
        let name = value_name(code)?;
        let key = exit_key(service);
        let Some(wanted) = action else {
            return match name.as_str() {
                "" => self.write_action(&key, "", EXIT_ACTIONS[0]),
                code => {
                    self.unset_value(service, &key, code)?;
                    Ok(Outcome::Reset)
                }
            };
        };
        let known = EXIT_ACTIONS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(wanted));
        let Some(known) = known else {
            self.complain(&text::bad_exit_action(wanted));
            for action in EXIT_ACTIONS {
                self.item(action);
            }
            return Err(Told);
        };
        self.write_action(&key, &name, known)
    }

    fn write_action(&mut self, key: &str, name: &str, action: &str) -> Result<Outcome, Told> {
        self.set_value(key, name, &Value::Text(action.to_owned()))?;
        // NSSM says "reset" for the default action even where it was set for one code.
        Ok(match action == EXIT_ACTIONS[0] {
            true => Outcome::Reset,
            false => Outcome::Set,
        })
    }

    pub(super) fn exit_action(&self, service: &str, code: &str) -> Result<Looked, Told> {
        let name = value_name(code)?;
        let key = exit_key(service);
        let exact = self.text_value(&key, &name)?;
        let action = match exact {
            Some(action) => Some(action),
            None => self.text_value(&key, "")?,
        };
        let action = action.ok_or(Told)?;
        Ok(Looked {
            is_default: name.is_empty() && action == EXIT_ACTIONS[0],
            text: action,
        })
    }

    /// Every code with its action, the default first.
    pub(super) fn exit_actions(&self, service: &str) -> Result<Vec<(String, String)>, Told> {
        let values = self.system.registry.values(&exit_key(service));
        let mut actions: Vec<(String, String)> = values
            .map_err(|_| Told)?
            .into_iter()
            .filter_map(|(code, value)| Some((code, value.text()?.to_owned())))
            .filter(|(code, _)| code.is_empty() || number::whole(code).is_some())
            .collect();
        actions.sort_by_key(|(code, _)| (!code.is_empty(), number::whole(code)));
        for (code, _) in &mut actions {
            if code.is_empty() {
                *code = "Default".to_owned();
            }
        }
        Ok(actions)
    }
}

fn exit_key(service: &str) -> String {
    format!(r"{}\AppExit", Session::parameters(service))
}

/// The name of the value for a code: decimal and unsigned, whatever way it was written in. NSSM keeps `0x10` as it is
/// and then never finds it.
fn value_name(code: &str) -> Result<String, Told> {
    if is_default(code) {
        return Ok(String::new());
    }
    number::whole(code)
        .map(|number| number.to_string())
        .ok_or(Told)
}
