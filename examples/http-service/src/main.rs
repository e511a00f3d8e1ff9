//! A service with answers of four speeds, so that a stop under load has something to lose: `/fast`, `/slow` (300 ms),
//! `/long` (3 s), `/hang` (60 s), and `/readyz`, `/livez`.
//!
//! `ADDR` is where it listens (127.0.0.1:8080), `LAME_DUCK` how long it goes on serving after SIGTERM (2s).

use std::process::ExitCode;
use std::time::Duration;

use aplomb_lifecycle::{App, BoxError, app, http};
use axum::Router;
use axum::routing::get;
use tokio::time::sleep;

fn main() -> ExitCode {
    let lame_duck = std::env::var("LAME_DUCK").unwrap_or_else(|_| "2s".into());
    let Some(lame_duck) = seconds(&lame_duck) else {
        eprintln!("http-service: `LAME_DUCK={lame_duck}` is not a time such as `2s` or `500ms`");
        return ExitCode::from(2);
    };
    app("http-service").lame_duck(lame_duck).run(serve)
}

async fn serve(app: App) -> Result<(), BoxError> {
    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let router = Router::new()
        .route("/fast", get(|| async { "fast\n" }))
        .route("/slow", get(|| after(Duration::from_millis(300), "slow\n")))
        .route("/long", get(|| after(Duration::from_secs(3), "long\n")))
        .route("/hang", get(|| after(Duration::from_secs(60), "at last\n")))
        .merge(http::health_routes(&app));
    app.serve_http("api", http::listen(address)?, router);
    Ok(())
}

async fn after(time: Duration, answer: &'static str) -> &'static str {
    sleep(time).await;
    answer
}

fn seconds(text: &str) -> Option<Duration> {
    if let Some(ms) = text.strip_suffix("ms") {
        return ms.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')
        .unwrap_or(text)
        .parse()
        .ok()
        .map(Duration::from_secs)
}
