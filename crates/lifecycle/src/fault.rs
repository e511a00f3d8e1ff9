//! Panics and errors, turned into words with their place.
//!
//! The hook is the only moment at which the place of a panic is known; and in a program built with `panic = "abort"` it is
//! the last moment at all, so there the life thread writes its report from within it.

use std::any::Any;
use std::cell::RefCell;
use std::panic;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use crate::life::{Link, Message};

/// How long a dying process waits for its report.
const LAST_WORDS: Duration = Duration::from_millis(500);

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

static LINK: Mutex<Option<Link>> = Mutex::new(None);

/// Notes the place of each panic before the program's own hook runs. The hook itself is set once per process.
pub(crate) fn note_places(link: &Link) {
    static ONCE: Once = Once::new();
    *LINK.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place = info
                .location()
                .map(|place| format!("{}:{}", place.file(), place.line()));
            LAST.with(|last| *last.borrow_mut() = place);
            before(info);
            if cfg!(panic = "abort") {
                last_words(&describe(info.payload()));
            }
        }));
    });
}

/// The application is over; a later panic is none of ours.
pub(crate) fn forget() {
    *LINK.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Has the report written before the process aborts. Nothing is closed: the program was built to die here.
fn last_words(why: &str) {
    if std::thread::current().name() == Some(crate::life::THREAD) {
        return;
    }
    let Some(link) = LINK.try_lock().ok().and_then(|link| link.clone()) else {
        return;
    };
    let (written, report) = sync_channel(1);
    link.send(Message::LastWords(why.to_owned(), written));
    // Whether it came or not, the end comes now.
    report.recv_timeout(LAST_WORDS).ok();
}

/// The message of a panic just caught on this thread, with its place.
pub(crate) fn describe(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    match LAST.with(|last| last.borrow_mut().take()) {
        Some(place) => format!("panicked at {place}: {text}"),
        None => format!("panicked: {text}"),
    }
}

/// An error with all its sources, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
