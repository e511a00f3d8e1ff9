//! The listener: accept while we may, then empty the queue and close.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::connection;
use crate::app::{App, BoxError, Handle};
use crate::ctx::Ctx;
use crate::part::Prerequisite;
use crate::stage::Stage;
use crate::{Part, os};

/// How long to wait for descriptors when there are none left to accept with.
const NO_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Binds a listener. Its queue holds 1024 connections, as far as the system allows.
///
/// ```
/// let listener = aplomb_lifecycle::http::listen("127.0.0.1:0")?;
/// assert_ne!(listener.local_addr()?.port(), 0);
/// let taken = aplomb_lifecycle::http::listen(listener.local_addr()?);
/// assert!(taken.unwrap_err().to_string().starts_with("cannot listen on `127.0.0.1:"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When the address cannot be resolved or bound; the error names it.
pub fn listen(
    address: impl ToSocketAddrs + std::fmt::Display,
) -> io::Result<std::net::TcpListener> {
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on `{address}`: {error}"),
        )
    };
    std::net::TcpListener::bind(&address).map_err(named)
}

/// `/readyz` and `/livez` as routes, for programs that serve health where they serve everything else.
///
/// ```no_run
/// # use aplomb_lifecycle::{App, http};
/// # fn router(app: &App) -> axum::Router {
/// let router = axum::Router::new().merge(http::health_routes(app)); // and your own routes
/// # router
/// # }
/// ```
pub fn health_routes(app: &App) -> Router {
    let app = app.clone();
    let ready = move || {
        let ready = app.is_ready();
        async move {
            if ready {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        }
    };
    Router::new()
        .route("/readyz", get(ready))
        .route("/livez", get(|| async { "alive\n" }))
}

/// The times a server keeps while it drains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) idle_window: Duration,
    pub(super) head: Duration,
    pub(super) stall: Duration,
}

/// A server in the making.
///
/// ```no_run
/// # use axum::Router;
/// # fn register(app: &aplomb_lifecycle::App, public: Router, internal: Router) -> std::io::Result<()> {
/// use aplomb_lifecycle::http::{Server, listen};
/// let internal = Server::new("internal", listen("127.0.0.1:9000")?, internal).register(app);
/// Server::new("public", listen("[::]:8080")?, public).after(&internal).register(app);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a server does nothing until it is registered"]
pub struct Server {
    part: Part,
    listener: std::net::TcpListener,
    router: Router,
    limits: Limits,
}

impl Server {
    /// A server of `router` on `listener`, drained in [`Stage::DRAIN`]; its listener closes in [`Stage::INTAKE`].
    ///
    /// ```no_run
    /// # fn register(app: &aplomb_lifecycle::App, router: axum::Router) -> std::io::Result<()> {
    /// use aplomb_lifecycle::http::{Server, listen};
    /// Server::new("api", listen("[::]:8080")?, router).register(app);
    /// # Ok(()) }
    /// ```
    pub fn new(name: impl Into<String>, listener: std::net::TcpListener, router: Router) -> Self {
        let limits = Limits {
            idle_window: Duration::from_secs(1),
            head: Duration::from_secs(5),
            stall: Duration::from_secs(10),
        };
        Self {
            part: Stage::DRAIN.part(name),
            listener,
            router,
            limits,
        }
    }

    /// Serves only once `other` is up.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, Resource, http};
    /// # fn register(app: &App, db: &Resource<u8>, listener: std::net::TcpListener, router: axum::Router) {
    /// http::Server::new("api", listener, router).after(db).register(app); // no request meets a closed database
    /// # }
    /// ```
    pub fn after(mut self, other: &impl Prerequisite) -> Self {
        self.part = self.part.after(other);
        self
    }

    /// How long idle connections stay open once draining began, 1 s by default.
    ///
    /// ```no_run
    /// # fn server(listener: std::net::TcpListener, router: axum::Router) {
    /// use std::time::Duration;
    /// use aplomb_lifecycle::http::Server;
    /// // Clients are near: what is on its way arrives within a quarter of a second.
    /// let server = Server::new("api", listener, router).idle_window(Duration::from_millis(250));
    /// # drop(server); }
    /// ```
    pub fn idle_window(mut self, time: Duration) -> Self {
        self.limits.idle_window = time;
        self
    }

    /// How long a half-sent request head may hold a connection once draining began, 5 s by default.
    ///
    /// ```no_run
    /// # fn server(listener: std::net::TcpListener, router: axum::Router) {
    /// use std::time::Duration;
    /// use aplomb_lifecycle::http::Server;
    /// let server = Server::new("api", listener, router).head_timeout(Duration::from_secs(1));
    /// # drop(server); }
    /// ```
    pub fn head_timeout(mut self, time: Duration) -> Self {
        self.limits.head = time;
        self
    }

    /// How long a client may read nothing of an answer once draining began, 10 s by default.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn server(listener: std::net::TcpListener, router: axum::Router) {
    /// use aplomb_lifecycle::http::Server;
    /// let server = Server::new("api", listener, router)
    ///     .idle_window(Duration::from_secs(2))
    ///     .head_timeout(Duration::from_secs(3))
    ///     .stall_timeout(Duration::from_secs(5));
    /// # drop(server); }
    /// ```
    pub fn stall_timeout(mut self, time: Duration) -> Self {
        self.limits.stall = time;
        self
    }

    /// Registers it: one component for its connections, one for its listener.
    ///
    /// ```no_run
    /// # fn register(app: &aplomb_lifecycle::App, listener: std::net::TcpListener, router: axum::Router) {
    /// use aplomb_lifecycle::{Stage, http};
    /// let api = http::Server::new("api", listener, router).register(app);
    /// // Stopped once the last request is answered.
    /// app.spawn(Stage::DRAIN.part("requests-log"), async |ctx| { ctx.stopping().await; Ok(()) });
    /// # let _ = api; }
    /// ```
    ///
    /// # Panics
    /// When the application has no runtime (it was made with `run_sync`).
    pub fn register(self, app: &App) -> Handle {
        let name = self.part.name.clone();
        let shared = Arc::new(Shared {
            limits: self.limits,
            open: Open::default(),
            drain: OnceLock::new(),
        });
        let drained = Arc::clone(&shared);
        let connections = app.spawn(self.part.announces(), async move |ctx| {
            drop(drained.drain.set(ctx.clone()));
            ctx.ready();
            ctx.stopping().await;
            drained.open.none_left().await;
            Ok(())
        });
        let (listener, router) = (self.listener, self.router);
        let part = Stage::INTAKE
            .part(format!("{name}-listener"))
            .after(&connections)
            .announces();
        app.spawn(part, async move |ctx| {
            accept(ctx, listener, router, shared).await
        });
        connections
    }
}

impl App {
    /// [`Server::new`] and [`Server::register`] in one.
    ///
    /// ```no_run
    /// # fn register(app: &aplomb_lifecycle::App, router: axum::Router) -> std::io::Result<()> {
    /// app.serve_http("api", aplomb_lifecycle::http::listen("[::]:8080")?, router);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// As [`Server::register`].
    pub fn serve_http(
        &self,
        name: impl Into<String>,
        listener: std::net::TcpListener,
        router: Router,
    ) -> Handle {
        Server::new(name, listener, router).register(self)
    }
}

/// What the listener and all its connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) open: Open,
    drain: OnceLock<Ctx>,
}

/// Counts open connections.
#[derive(Debug, Default)]
pub(super) struct Open {
    count: AtomicUsize,
    changed: Notify,
}

impl Open {
    async fn none_left(&self) {
        loop {
            let changed = self.changed.notified();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// One open connection; dropped when it is closed.
pub(super) struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.open.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.open.changed.notify_waiters();
        }
    }
}

async fn accept(
    ctx: Ctx,
    listener: std::net::TcpListener,
    router: Router,
    shared: Arc<Shared>,
) -> Result<(), BoxError> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let drain = shared.drain.get().cloned().unwrap_or_else(|| ctx.clone());
    let serve = |stream: TcpStream| {
        let counted = Counted::new(&shared);
        tokio::spawn(connection::serve(
            stream,
            router.clone(),
            drain.clone(),
            counted,
        ));
    };
    ctx.ready();
    while let Some(accepted) = ctx.until_stop(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => serve(stream),
            Err(error) if is_the_clients(&error) => {}
            Err(_) => tokio::time::sleep(NO_DESCRIPTORS).await,
        }
    }
    empty_the_queue(&ctx, listener.into_std()?, serve).await
}

/// Takes what the kernel has queued. Closing first would reset every one of these connections; accepting without closing
/// the backlog first would never end under load.
async fn empty_the_queue(
    ctx: &Ctx,
    listener: std::net::TcpListener,
    serve: impl Fn(TcpStream),
) -> Result<(), BoxError> {
    os::close_backlog(&listener)?;
    for _ in 0..os::QUEUE {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                ctx.count("drained_from_queue", 1);
                serve(TcpStream::from_std(stream)?);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if is_the_clients(&error) => {}
            // Connections under way will give descriptors back; the stage's deadline bounds the wait.
            Err(_) => tokio::time::sleep(NO_DESCRIPTORS).await,
        }
    }
    Ok(())
}

/// The connection died in the queue; the listener is well.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
