//! Victims that serve HTTP, and the dependency one of them asks.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aplomb_lifecycle::{App, BoxError, IoBudget, Stage, http};
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::{LONG, builder, heed_stdin, say};

pub(super) async fn serve(app: App) -> Result<(), BoxError> {
    heed_stdin(&app);
    let router = Router::new()
        .route("/fast", get(|| async { "fast" }))
        .route("/slow", get(|| after(300)))
        .route("/long", get(|| after(3_000)))
        .route("/big", get(|| async { "x".repeat(16 << 20) }))
        .route("/frozen", get(frozen))
        .merge(crate::streams::routes())
        .merge(http::health_routes(&app));
    let listener = http::listen("127.0.0.1:0")?;
    say(&format!("ADDRESS {}", listener.local_addr()?));
    http::Server::new("api", listener, router)
        .head_timeout(Duration::from_secs(1))
        .stall_timeout(Duration::from_secs(2))
        .register(&app);
    Ok(())
}

/// Asks a dependency that is frozen when it counts, within the budget of a cache.
async fn frozen() -> Result<&'static str, axum::http::StatusCode> {
    let asking = async {
        let mut stream = TcpStream::connect(std::env::var("DEPENDENCY").unwrap()).await?;
        stream.read_u8().await
    };
    match tokio::time::timeout(IoBudget::CACHE.read, asking).await {
        Ok(Ok(_)) => Ok("thawed"),
        Ok(Err(_)) => Err(axum::http::StatusCode::BAD_GATEWAY),
        Err(_) => Err(axum::http::StatusCode::GATEWAY_TIMEOUT),
    }
}

/// Lets whoever connects wait in the system's queue.
pub(super) async fn mute(app: App) -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("ADDRESS {}", listener.local_addr()?));
    app.spawn(Stage::INTAKE.part("listener"), async move |ctx| {
        ctx.stopping().await;
        drop(listener);
        Ok(())
    });
    Ok(())
}

/// Answers whoever connects with one byte, at once, unless it is frozen.
pub(super) async fn dependency(app: App) -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("ADDRESS {}", listener.local_addr()?));
    app.spawn(Stage::INTAKE.part("listener"), async move |ctx| {
        while let Some(accepted) = ctx.until_stop(listener.accept()).await {
            accepted?.0.write_u8(1).await?;
        }
        Ok(())
    });
    Ok(())
}

async fn after(ms: u64) -> String {
    sleep(Duration::from_millis(ms)).await;
    format!("after {ms}")
}

/// A server whose runtime stands still, once `/block` was asked, until its listener has been told to stop: whatever
/// connects meanwhile is in the kernel's queue.
pub(super) fn queue() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(async {
        let life = builder(LONG).install().unwrap();
        heed_stdin(life.app());
        let (opens, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let block = async move || {
            say("BLOCKED");
            gate.lock().unwrap().recv().unwrap();
            "moved on"
        };
        let router = Router::new()
            .route("/fast", get(|| async { "fast" }))
            .route("/block", get(block));
        let listener = http::listen("127.0.0.1:0").unwrap();
        say(&format!("ADDRESS {}", listener.local_addr().unwrap()));
        life.app().serve_http("api", listener, router);
        // Declared after the listener, so told after it.
        life.app().thread(Stage::INTAKE.part("gate"), move |ctx| {
            ctx.park();
            opens.send(())?;
            Ok(())
        });
        life.registered();
        life.wait().await
    });
    ExitCode::from(report.exit)
}
