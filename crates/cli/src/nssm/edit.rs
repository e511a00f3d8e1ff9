//! `get`, `set` and `reset`: the command line around one parameter.

use aplomb_units::nssm::{Form, Native, PARAMETERS, Parameter, find};

use super::setting::{Outcome, Wish};
use super::{Done, Ended, Session, text};
use crate::host::scm::kind;

/// What is done to the parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Set,
    Reset,
}

impl Verb {
    /// Words the verb cannot do without, the verb not counted.
    fn least(self) -> usize {
        match self {
            Verb::Get | Verb::Reset => 2,
            Verb::Set => 3,
        }
    }
}

/// A service that has been opened.
struct Opened {
    service: String,
    /// It has no program of ours to run.
    is_foreign: bool,
}

impl Session<'_> {
    pub(super) fn get(&mut self, args: &[String]) -> Done {
        let (parameter, sub, _) = self.parsed(Verb::Get, args)?;
        let opened = self.opened(&args[0], Verb::Get)?;
        self.belongs(&opened, parameter)?;
        let looked = match self.look(&opened.service, parameter, sub.as_deref()) {
            Ok(looked) => looked,
            Err(_) => {
                if !matches!(parameter.form, Form::Native(_)) {
                    self.complain(&text::got_not(parameter.name, &opened.service));
                }
                return Err(Ended(5));
            }
        };
        self.out.push_str(&looked.text);
        self.out.push('\n');
        Ok(())
    }

    pub(super) fn set(&mut self, args: &[String]) -> Done {
        self.write(Verb::Set, args)
    }

    pub(super) fn reset(&mut self, args: &[String]) -> Done {
        self.write(Verb::Reset, args)
    }

    fn write(&mut self, verb: Verb, args: &[String]) -> Done {
        let (parameter, sub, words) = self.parsed(verb, args)?;
        let opened = self.opened(&args[0], verb)?;
        self.belongs(&opened, parameter)?;
        let wish = match verb {
            Verb::Reset => Wish::Default,
            Verb::Get | Verb::Set => Wish::Words(&words),
        };
        let service = opened.service;
        match self.put(&service, parameter, wish, sub.as_deref()) {
            Ok(Outcome::Set) => self.tell(&text::set(parameter.name, &service)),
            Ok(Outcome::Reset) => self.tell(&text::reset(parameter.name, &service)),
            Err(_) => {
                self.complain(&text::set_not(parameter.name, &service));
                return Err(Ended(6));
            }
        }
        Ok(())
    }

    /// The parameter, what stands between it and the value, and the words of the value.
    fn parsed(
        &mut self,
        verb: Verb,
        args: &[String],
    ) -> Done<(&'static Parameter, Option<String>, Vec<String>)> {
        if args.len() < verb.least() {
            return self.usage();
        }
        let Some(parameter) = find(&args[1]) else {
            self.complain(&text::unknown_parameter(&args[1]));
            for parameter in PARAMETERS {
                self.item(parameter.name);
            }
            return Err(Ended(1));
        };
        let has_sub = matches!(parameter.form, Form::ExitAction | Form::Hook);
        if has_sub && args.len() < verb.least() + 1 {
            self.complain(&text::needs_subparameter(parameter.name));
            return Err(Ended(1));
        }
        let is_account = parameter.form == Form::Native(Native::ObjectName) && verb == Verb::Set;
        let sub = args
            .get(2)
            .filter(|_| has_sub || is_account || verb == Verb::Get);
        let value_at = 2 + usize::from(has_sub || is_account);
        let words = args.get(value_at..).unwrap_or_default().to_vec();
        Ok((parameter, sub.cloned(), words))
    }

    fn opened(&mut self, name: &str, verb: Verb) -> Done<Opened> {
        let service = self.found(name)?;
        let Ok(config) = self.config(&service) else {
            return Err(Ended(4));
        };
        if verb != Verb::Get && config.kind & kind::OWN_PROCESS == 0 {
            self.complain(&text::not_editable(&service));
            return Err(Ended(3));
        }
        let is_foreign = self.application(&service).is_empty();
        if is_foreign && verb != Verb::Get {
            self.complain(&text::not_ours(&service, &config.image));
        }
        Ok(Opened {
            service,
            is_foreign,
        })
    }

    /// The program a service of ours runs; empty for other services.
    pub(super) fn application(&self, service: &str) -> String {
        let key = Session::parameters(service);
        let program = self.text_value(&key, "Application");
        program.ok().flatten().unwrap_or_default()
    }

    fn belongs(&mut self, opened: &Opened, parameter: &Parameter) -> Done {
        if opened.is_foreign && !matches!(parameter.form, Form::Native(_)) {
            self.complain(&text::only_for_ours(parameter.name));
            return Err(Ended(1));
        }
        Ok(())
    }
}
