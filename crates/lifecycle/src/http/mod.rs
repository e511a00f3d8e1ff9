//! Serving an axum router without losing a request at the stop.
//!
//! "Graceful" servers lose requests in three places: clients are refused while the health endpoint still says ready;
//! connections that the kernel has queued are reset when the listener closes; and a keep-alive connection is closed while
//! a request is on its way. So the order is: readiness turns first, and serving goes on for the lame-duck time with
//! `Connection: close` (GOAWAY on HTTP/2); then the backlog is closed and the queue emptied before the listener goes; then
//! idle connections stay open for a window and are half-closed, so that a crossing request meets FIN and not RST.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use aplomb_lifecycle::{app, http};
//! use axum::{Router, routing::get};
//!
//! fn main() -> ExitCode {
//!     app("hello").run(async |app| {
//!         let listener = http::listen("127.0.0.1:8080")?;
//!         let router = Router::new().route("/", get(|| async { "hello" })).merge(http::health_routes(&app));
//!         http::Server::new("api", listener, router).register(&app);
//!         Ok(())
//!     })
//! }
//! ```
//!
//! # What does not end by itself
//!
//! Handlers find the server's [`Ctx`](crate::Ctx) in the request's extensions. Event streams and upgraded connections
//! (WebSocket) must be told with it; those that do not listen are ended when time runs short ([`crate::Ctx::hurry`]): an
//! event stream by the regular end of its body, an upgraded connection by the end of its stream. Both count as in flight and
//! are named while a stop waits for them.
//!
//! ```no_run
//! use aplomb_lifecycle::Ctx;
//! use axum::Extension;
//! use axum::extract::Request;
//! use axum::http::{StatusCode, header};
//! use axum::response::IntoResponse;
//! use tokio::io::AsyncWriteExt;
//!
//! async fn ticker(Extension(ctx): Extension<Ctx>, request: Request) -> impl IntoResponse {
//!     tokio::spawn(async move {
//!         let Ok(stream) = hyper::upgrade::on(request).await else { return };
//!         let mut stream = hyper_util::rt::TokioIo::new(stream);
//!         while ctx.until_stop(tokio::time::sleep(std::time::Duration::from_secs(1))).await.is_some() {
//!             if stream.write_all(b"tick\n").await.is_err() { return }
//!         }
//!         stream.write_all(b"bye\n").await.ok(); // the client may go and come back to somebody else
//!         stream.shutdown().await.ok();
//!     });
//!     (StatusCode::SWITCHING_PROTOCOLS, [(header::UPGRADE, "ticker"), (header::CONNECTION, "upgrade")])
//! }
//! ```
//!
//! "Health closes first" means that it is the first thing to *turn*: the health listener itself
//! ([`crate::Builder::health`]) closes last, so that a balancer sees "unready", never "refused". Health routes on the
//! served router turn just as early, but go away with the listener.

mod connection;
mod request;
mod server;
mod wire;

pub use request::RequestId;
pub use server::{Server, health_routes, listen};
