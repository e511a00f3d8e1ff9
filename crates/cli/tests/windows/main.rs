//! Aplomb on Windows as an administrator meets it: the real program in a console and under the service control manager,
//! with programs that behave as told. `cargo xtask wine` runs it under Wine; what only a real Windows shows says so in
//! its name.
//!
//! This program is its own actors (`actor.rs`), and the short-lived copy the platform begins to speak into consoles.

#![cfg_attr(
    windows,
    expect(clippy::unwrap_used, reason = "a test: whatever is missing ends it")
)]

#[cfg(windows)]
mod actor;
#[cfg(windows)]
mod console;
#[cfg(windows)]
mod home;
#[cfg(windows)]
mod service;
#[cfg(windows)]
mod sys;

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Trial};

    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = aplomb_platform::windows::request::run(&words) {
        std::process::exit(code);
    }
    if let Some(code) = actor::play(&words) {
        return code;
    }
    let stories = console::STORIES.iter().chain(service::STORIES);
    let trials = stories.map(|(name, story)| {
        let story = *story;
        Trial::test(*name, move || {
            story();
            Ok(())
        })
    });
    // What only a real Windows shows is left out under Wine, by name.
    let wine = aplomb_platform::windows::is_wine();
    let trials = trials.filter(|trial| !wine || !trial.name().starts_with("real_windows_"));
    let mut arguments = Arguments::from_args();
    // The console and the service control manager are there once.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

#[cfg(not(windows))]
fn main() {}
