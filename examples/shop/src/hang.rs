//! Ways to hang on request. `POST /hang/NAME` turns one on, `DELETE /hang/NAME` off where that is possible, `GET /hang`
//! lists them. They are the real thing: a lock that is held, a connection that is not given back, a socket nobody answers.
//!
//! `no-timeout`, `deadlock` and `spin` work in every service; `database-lock` and `pool-leak` in the store (`pool.rs`).
//! The threads that hang are components, so a stop names them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};

use aplomb_lifecycle::{App, Stage};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::pool::Pool;

/// The named ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    DatabaseLock,
    PoolLeak,
    NoTimeout,
    Deadlock,
    Spin,
}

impl Way {
    const ALL: [Self; 5] = [
        Self::DatabaseLock,
        Self::PoolLeak,
        Self::NoTimeout,
        Self::Deadlock,
        Self::Spin,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::DatabaseLock => "database-lock",
            Self::PoolLeak => "pool-leak",
            Self::NoTimeout => "no-timeout",
            Self::Deadlock => "deadlock",
            Self::Spin => "spin",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}

/// The switches of one service.
#[derive(Debug, Clone)]
pub(crate) struct Hang {
    app: App,
    switches: Arc<Switches>,
}

#[derive(Debug, Default)]
struct Switches {
    on: Mutex<BTreeSet<&'static str>>,
    no_timeout: AtomicBool,
    spin: AtomicBool,
    /// Two locks that every request takes in this order, and the dead-lock switch in both orders at once.
    till: Mutex<()>,
    ledger: Mutex<()>,
    deadlocked: AtomicBool,
    pool: Mutex<Option<Pool>>,
}

impl Hang {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            app: app.clone(),
            switches: Arc::default(),
        }
    }

    pub(crate) fn with_pool(&self, pool: Pool) {
        *self
            .switches
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(pool);
    }

    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/hang", get(list))
            .route("/hang/{name}", post(turn_on).delete(turn_off))
            .with_state(self.clone())
    }

    /// What every request of a service passes through: where a switch that is on makes it hang.
    pub(crate) async fn pass(&self) {
        if self.switches.no_timeout.load(Ordering::SeqCst) {
            ask_nobody().await;
        }
        if self.switches.deadlocked.load(Ordering::SeqCst) {
            let switches = Arc::clone(&self.switches);
            // On a thread of its own kind: a blocked lock must not take the runtime's workers with it.
            let taken = tokio::task::spawn_blocking(move || {
                let till = switches.till.lock().unwrap_or_else(PoisonError::into_inner);
                let ledger = switches
                    .ledger
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                drop((till, ledger));
            });
            // Only a panic could be told here, and neither lock can panic.
            drop(taken.await);
        }
    }

    fn pool(&self) -> Option<Pool> {
        self.switches
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn turn(&self, way: Way, on: bool) -> Result<(), (StatusCode, &'static str)> {
        const STORE_ONLY: (StatusCode, &str) = (
            StatusCode::CONFLICT,
            "only the store has a database and a pool",
        );
        const FOR_EVER: (StatusCode, &str) = (
            StatusCode::CONFLICT,
            "a dead-lock ends only with the process",
        );
        match (way, on) {
            (Way::DatabaseLock, true) => self.pool().ok_or(STORE_ONLY)?.hold_the_lock(),
            (Way::DatabaseLock, false) => self.pool().ok_or(STORE_ONLY)?.release_the_lock(),
            (Way::PoolLeak, true) => self.pool().ok_or(STORE_ONLY)?.leak(),
            (Way::PoolLeak, false) => self.pool().ok_or(STORE_ONLY)?.mend(),
            (Way::NoTimeout, on) => self.switches.no_timeout.store(on, Ordering::SeqCst),
            (Way::Deadlock, true) => self.dead_lock(),
            (Way::Deadlock, false) => return Err(FOR_EVER),
            (Way::Spin, true) => self.spin(),
            (Way::Spin, false) => self.switches.spin.store(false, Ordering::SeqCst),
        }
        let mut all = self
            .switches
            .on
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if on {
            all.insert(way.name())
        } else {
            all.remove(way.name())
        };
        Ok(())
    }

    /// Two threads take the two locks in opposite order, each once the other holds its first.
    fn dead_lock(&self) {
        if self.switches.deadlocked.swap(true, Ordering::SeqCst) {
            return;
        }
        let both_hold_one = Arc::new(Barrier::new(2));
        for (name, reversed) in [("till-first", false), ("ledger-first", true)] {
            let (switches, meet) = (Arc::clone(&self.switches), Arc::clone(&both_hold_one));
            self.thread(name, move || {
                let (first, second) = if reversed {
                    (&switches.ledger, &switches.till)
                } else {
                    (&switches.till, &switches.ledger)
                };
                let held = first.lock().unwrap_or_else(PoisonError::into_inner);
                meet.wait();
                drop((held, second.lock()));
            });
        }
    }

    /// A component that has been told to hang does not listen for the stop either.
    fn thread(&self, name: &str, work: impl FnOnce() + Send + 'static) {
        let part = Stage::WORKERS.part(name).optional();
        self.app.thread(part, move |_| {
            work();
            Ok(())
        });
    }

    fn spin(&self) {
        if self.switches.spin.swap(true, Ordering::SeqCst) {
            return;
        }
        let switches = Arc::clone(&self.switches);
        self.thread("spinner", move || {
            while switches.spin.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        });
    }
}

/// Connects to a listener that accepts and never answers, and reads without a timeout.
async fn ask_nobody() {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else {
        return;
    };
    let Ok(address) = listener.local_addr() else {
        return;
    };
    let Ok(mut asking) = TcpStream::connect(address).await else {
        return;
    };
    let accepted = listener.accept().await;
    let mut answer = [0; 1];
    // Ends only with the request.
    drop(asking.read(&mut answer).await);
    drop(accepted);
}

async fn list(State(hang): State<Hang>) -> Json<Vec<&'static str>> {
    Json(
        hang.switches
            .on
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect(),
    )
}

async fn turn_on(State(hang): State<Hang>, Path(name): Path<String>) -> (StatusCode, String) {
    turned(&hang, &name, true)
}

async fn turn_off(State(hang): State<Hang>, Path(name): Path<String>) -> (StatusCode, String) {
    turned(&hang, &name, false)
}

fn turned(hang: &Hang, name: &str, on: bool) -> (StatusCode, String) {
    let Some(way) = Way::named(name) else {
        let names = Way::ALL.map(Way::name).join(", ");
        return (
            StatusCode::NOT_FOUND,
            format!("no such way to hang; there are: {names}\n"),
        );
    };
    match hang.turn(way, on) {
        Ok(()) => (
            StatusCode::OK,
            format!("{name} is {}\n", if on { "on" } else { "off" }),
        ),
        Err((status, why)) => (status, format!("{why}\n")),
    }
}
