//! A shop of five services in one program; the first argument says which one it is.
//!
//! ```text
//! client → gateway → orders → payment
//!                           → stock → store (SQLite)
//!                           → store
//! ```
//!
//! Each can be told, while it runs, to hang in a named way (`hang.rs`), so that whoever explains hangs, drills stops or
//! forecasts trouble has something honest to look at. One binary keeps builds short.

mod error;
mod gateway;
mod hang;
mod metrics;
mod orders;
mod payment;
mod peer;
mod pool;
mod service;
mod settings;
mod stock;
mod store;
mod turn;

use std::process::ExitCode;

use aplomb_lifecycle::app;
use settings::{Role, Settings};

fn main() -> ExitCode {
    let Some(role) = std::env::args().nth(1).and_then(|name| Role::named(&name)) else {
        eprintln!(
            "shop: which service? usage: shop {}",
            Role::names().join("|")
        );
        return ExitCode::from(2);
    };
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("shop: {error}");
            return ExitCode::from(2);
        }
    };
    app(role.name())
        .lame_duck(settings.lame_duck)
        .run(async move |app| match role {
            Role::Gateway => gateway::register(&app, &settings),
            Role::Orders => orders::register(&app, &settings),
            Role::Payment => payment::register(&app, &settings),
            Role::Stock => stock::register(&app, &settings),
            Role::Store => store::register(&app, &settings),
        })
}
