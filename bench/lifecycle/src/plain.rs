//! `axum::serve` with its own graceful shutdown: what a careful reader of its documentation writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) fn serve() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let ready = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&ready);
        let readyz = move || {
            let ready = asked.load(Ordering::SeqCst);
            async move { if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE } }
        };
        let router = Router::new()
            .route("/fast", get(|| async { "fast" }))
            .route("/slow", get(|| after(300)))
            .route("/long", get(|| after(3_000)))
            .route("/frozen", get(|| after(2_000)))
            .route("/readyz", get(readyz));
        let listener = tokio::net::TcpListener::bind(std::env::var("ADDR").unwrap()).await.unwrap();
        let mut term = signal(SignalKind::terminate()).unwrap();
        let stop = async move {
            term.recv().await;
            ready.store(false, Ordering::SeqCst);
        };
        axum::serve(listener, router).with_graceful_shutdown(stop).await.unwrap();
    });
}

async fn after(ms: u64) -> &'static str {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "done"
}
