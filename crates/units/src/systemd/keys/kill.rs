//! systemd.kill(5).

use super::super::stop;
use super::{Key, carried};
use aplomb_core::Signal;

pub(super) const KEYS: &[Key] = &[
    carried("KillMode", "stop.whom", stop::kill_mode),
    carried("KillSignal", "stop.plan, the signal step", |d, i| {
        d.kill_signal = if i.is_empty() {
            Signal::TERM
        } else {
            i.signal()?
        };
        Ok(())
    }),
    carried("RestartKillSignal", "stop.restart_signal", |d, i| {
        d.spec.stop.restart_signal = if i.is_empty() {
            None
        } else {
            Some(i.signal()?)
        };
        Ok(())
    }),
    carried("FinalKillSignal", "stop.kill", |d, i| {
        d.final_kill_signal = if i.is_empty() {
            Signal::KILL
        } else {
            i.signal()?
        };
        Ok(())
    }),
    carried("WatchdogSignal", "stop.watchdog_signal", |d, i| {
        d.spec.stop.watchdog_signal = if i.is_empty() {
            Signal::ABRT
        } else {
            i.signal()?
        };
        Ok(())
    }),
    carried("SendSIGHUP", "stop.also_hup", |d, i| {
        d.spec.stop.also_hup = i.boolean()?;
        Ok(())
    }),
    carried("SendSIGKILL", "stop.kill", |d, i| {
        d.send_sigkill = i.boolean()?;
        Ok(())
    }),
];
