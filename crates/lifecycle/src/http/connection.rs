//! One connection, from its accept to its close: hyper serves it, and beside it stands a watch that decides when to say
//! goodbye and when to cut.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;

use super::request::Tracked;
use super::server::{Counted, Limits};
use super::wire::{Standing, Wire};
use crate::ctx::{Ctx, either};

pub(super) async fn serve(stream: TcpStream, router: Router, drain: Ctx, counted: Counted) {
    // A reply that waits for Nagle's timer is the client's loss; a socket that refuses the option still serves.
    drop(stream.set_nodelay(true));
    let standing = Standing::new();
    let limits = counted.shared().limits;
    let wire = TokioIo::new(Wire::new(stream, Arc::clone(&standing), &drain, counted));
    let service =
        TowerToHyperService::new(Tracked::new(router, Arc::clone(&standing), drain.clone()));
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection_with_upgrades(wire, service));
    let mut watch = Watch {
        standing,
        drain: drain.clone(),
        limits,
        draining: None,
        said: false,
    };
    let served = async {
        loop {
            let step = either(Done(connection.as_mut()), watch.next()).await;
            match step {
                None | Some(Step::Cut) => return,
                Some(Step::Goodbye) => connection.as_mut().graceful_shutdown(),
            }
        }
    };
    // Cut when the component's time is over, whatever the connection does.
    either(drain.aborted(), served).await.unwrap_or_default();
}

/// A connection as "it ended", whatever it ended with: a client that broke off needs no word.
struct Done<F>(F);

impl<F: Future + Unpin> Future for Done<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        Pin::new(&mut self.0).poll(context).map(drop)
    }
}

enum Step {
    /// Answer what is under way, take nothing new. An idle connection closes.
    Goodbye,
    Cut,
}

struct Watch {
    standing: Arc<Standing>,
    drain: Ctx,
    limits: Limits,
    draining: Option<Instant>,
    said: bool,
}

impl Watch {
    async fn next(&mut self) -> Step {
        if self.draining.is_none() {
            if let Some(step) = self.until_draining().await {
                return step;
            }
            self.draining = Some(Instant::now());
        }
        loop {
            let standing = Arc::clone(&self.standing);
            let changed = standing.changed.notified();
            match self.due(Instant::now()) {
                Ok(step) => return step,
                Err(None) => changed.await,
                Err(Some(at)) => drop(tokio::time::timeout_at(at.into(), changed).await),
            }
        }
    }

    /// HTTP/2 is told during the lame duck already, once it has been of use: GOAWAY makes its client open another
    /// connection while there is still somebody to accept it. HTTP/1 learns the same from `Connection: close`.
    async fn until_draining(&mut self) -> Option<Step> {
        let stopping = self.drain.stopping();
        let standing = Arc::clone(&self.standing);
        let unready = self.drain.unready();
        let said = self.said;
        let of_use = async move {
            if said {
                return std::future::pending().await;
            }
            unready.await;
            loop {
                let changed = standing.changed.notified();
                if standing.is_h2.load(Ordering::SeqCst) && standing.served.load(Ordering::SeqCst) {
                    return;
                }
                changed.await;
            }
        };
        either(stopping, of_use).await?;
        self.said = true;
        Some(Step::Goodbye)
    }

    /// What is due now, or when to look again.
    fn due(&mut self, now: Instant) -> Result<Step, Option<Instant>> {
        let begun = self.draining.unwrap_or(now);
        let times = self.standing.times();
        let after = |since: Instant, limit| since.max(begun) + limit;
        let cut = times.stalled.map(|since| after(since, self.limits.stall));
        // An answer the client does not take is still under way, though its body is all handed over.
        let busy = times.stalled.is_some() || self.standing.under_way.load(Ordering::SeqCst) > 0;
        let head = times
            .head
            .filter(|_| !busy)
            .map(|since| after(since, self.limits.head));
        let idle = (!busy && head.is_none()).then(|| after(times.idle, self.limits.idle_window));
        if cut.into_iter().chain(head).any(|at| at <= now) {
            self.drain.count("connections_cut", 1);
            return Ok(Step::Cut);
        }
        if !self.said && (busy || idle.is_some_and(|at| at <= now)) {
            self.said = true;
            if !busy {
                self.drain.count("closed_idle", 1);
            }
            return Ok(Step::Goodbye);
        }
        let idle = idle.filter(|_| !self.said);
        Err(cut.into_iter().chain(head).chain(idle).min())
    }
}
