//! Ctrl+C, and the requests to end of a closing terminal or a shutting system, as calls of one function.
//!
//! The system allows one handler per process; whoever listens last hears. It runs on a thread of its own, so it may send
//! into a channel.

use std::sync::{Mutex, Once};

type Listener = Box<dyn Fn() + Send>;

static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);
static INSTALLED: Once = Once::new();

/// From now on each interrupt calls `listener` instead of ending the program.
pub(crate) fn listen(listener: impl Fn() + Send + 'static) {
    if let Ok(mut current) = LISTENER.lock() {
        *current = Some(Box::new(listener));
    }
    INSTALLED.call_once(|| {
        // Without a handler Ctrl+C ends us at once, which is what happened before anybody listened.
        let _ = ctrlc::set_handler(call);
    });
}

fn call() {
    if let Ok(current) = LISTENER.lock()
        && let Some(listener) = current.as_ref()
    {
        listener();
    }
}
