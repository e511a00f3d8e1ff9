//! One request: its id from first byte to last, its place among the work in flight, and the words that end a connection.

use std::collections::hash_map::RandomState;
use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{Request, Response, StatusCode, Version};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tower::{Service, ServiceExt};
use tracing::{Instrument, Span};

use super::wire::Standing;
use crate::ctx::{Ctx, InFlight};

const ID: &str = "x-request-id";
const TRACE: &str = "traceparent";

/// The id of a request, the same from the first byte to the last and across services.
///
/// Taken from `x-request-id`, else from the trace id of `traceparent`, else made. It is in the request's extensions, in a
/// `tracing` span named `request` around the handler, in the answer, and in what a stop says about requests in flight.
///
/// ```
/// use aplomb_lifecycle::http::RequestId;
/// use axum::Extension;
///
/// async fn handler(Extension(id): Extension<RequestId>) -> String {
///     format!("tell us {} when you ask about this\n", id.as_str())
/// }
/// # let router: axum::Router = axum::Router::new().route("/", axum::routing::get(handler));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId {
    id: String,
    trace: Option<HeaderValue>,
}

impl RequestId {
    /// The id.
    ///
    /// ```no_run
    /// # fn audit(id: &aplomb_lifecycle::http::RequestId) {
    /// eprintln!("audit: request {}", id.as_str());
    /// # }
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// Hands the id, and the `traceparent` that came with it, on to an outgoing request.
    ///
    /// ```no_run
    /// # use axum::{Extension, http::HeaderMap};
    /// use aplomb_lifecycle::http::RequestId;
    /// async fn handler(Extension(id): Extension<RequestId>) {
    ///     let mut headers = HeaderMap::new();
    ///     id.hand_on(&mut headers); // for the outgoing request
    /// }
    /// ```
    pub fn hand_on(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.id) {
            headers.insert(ID, value);
        }
        if let Some(trace) = &self.trace {
            headers.insert(TRACE, trace.clone());
        }
    }

    fn of(headers: &HeaderMap) -> Self {
        let trace = headers.get(TRACE).cloned();
        let given = headers
            .get(ID)
            .and_then(|id| id.to_str().ok())
            .filter(|id| is_sane(id))
            .map(str::to_owned);
        let traced = || {
            trace
                .as_ref()
                .and_then(|trace| trace_id(trace.to_str().ok()?))
        };
        let id = given.or_else(traced).unwrap_or_else(made);
        Self { id, trace }
    }
}

/// Ids go into logs: printable, and not a novel.
fn is_sane(id: &str) -> bool {
    !id.is_empty() && id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The second field of `00-<32 hex>-<16 hex>-<2 hex>` (W3C Trace Context).
fn trace_id(trace: &str) -> Option<String> {
    let id = trace.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}

fn made() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static SEED: std::sync::LazyLock<(RandomState, RandomState)> =
        std::sync::LazyLock::new(Default::default);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let half = |state: &RandomState| {
        let mut hasher = state.build_hasher();
        hasher.write_u64(count);
        hasher.finish()
    };
    format!("{:016x}{:016x}", half(&SEED.0), half(&SEED.1))
}

/// The router, seen from one connection.
#[derive(Clone)]
pub(super) struct Tracked {
    router: Router,
    standing: Arc<Standing>,
    ctx: Ctx,
}

impl Tracked {
    pub(super) fn new(router: Router, standing: Arc<Standing>, ctx: Ctx) -> Self {
        Self {
            router,
            standing,
            ctx,
        }
    }
}

impl Service<Request<Incoming>> for Tracked {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let version = request.version();
        self.standing
            .is_h2
            .store(version == Version::HTTP_2, Ordering::SeqCst);
        let id = RequestId::of(request.headers());
        let name = format!(
            "{} {} ({})",
            request.method(),
            request.uri().path(),
            id.as_str()
        );
        let span = tracing::info_span!("request", id = id.as_str(), method = %request.method(), path = request.uri().path());
        let mut way = UnderWay::new(&self.standing, self.ctx.in_flight_nowhere(name));
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(id.clone());
        request.extensions_mut().insert(self.ctx.clone());
        let (router, ctx) = (self.router.clone(), self.ctx.clone());
        let held_by = span.clone();
        let answer = async move {
            let mut answer = match router.oneshot(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            id.hand_on(answer.headers_mut());
            answer.headers_mut().remove(TRACE);
            if ctx.is_unready() {
                ctx.count("served_after_stop", 1);
                if version < Version::HTTP_2 && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                    answer
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                }
            }
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                way.becomes_the_streams();
            }
            Ok(held(answer, way, &ctx, held_by))
        };
        Box::pin(answer.instrument(span))
    }
}

/// A request whose answer is not yet fully handed over.
struct UnderWay {
    standing: Arc<Standing>,
    flight: Option<InFlight>,
}

impl UnderWay {
    fn new(standing: &Arc<Standing>, flight: InFlight) -> Self {
        standing.request_began();
        Self {
            standing: Arc::clone(standing),
            flight: Some(flight),
        }
    }

    /// The answer is an upgrade: in flight is what follows it.
    fn becomes_the_streams(&mut self) {
        self.standing.upgraded(self.flight.take());
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.standing.request_ended();
    }
}

fn held(answer: Response<Body>, way: UnderWay, ctx: &Ctx, span: Span) -> Response<Body> {
    let endless = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let hurry: Option<Pin<Box<dyn Future<Output = ()> + Send>>> =
        endless.then(|| Box::pin(ctx.hurry()) as _);
    answer.map(|body| {
        Body::new(Held {
            body,
            hurry,
            way: Some(way),
            span,
        })
    })
}

/// A body that keeps its request in flight until its last byte, and ends an event stream when time runs short.
struct Held {
    body: Body,
    hurry: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    way: Option<UnderWay>,
    /// What is logged while the body is made belongs to the request, too.
    span: Span,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let span = self.span.clone();
        let _entered = span.enter();
        if let Some(hurry) = &mut self.hurry
            && hurry.as_mut().poll(context).is_ready()
        {
            self.way = None;
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.way = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    axum::http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn an_id_that_came_is_kept() {
        assert_eq!(
            RequestId::of(&headers(&[(ID, "abc"), (TRACE, TRACEPARENT)])).as_str(),
            "abc"
        );
    }

    #[test]
    fn a_trace_gives_its_id_and_is_handed_on() {
        let id = RequestId::of(&headers(&[(TRACE, TRACEPARENT)]));
        assert_eq!(id.as_str(), "0af7651916cd43dd8448eb211c80319c");
        let mut out = HeaderMap::new();
        id.hand_on(&mut out);
        assert_eq!(out.get(TRACE).unwrap(), TRACEPARENT);
        assert_eq!(out.get(ID).unwrap(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn an_id_that_would_spoil_a_log_is_replaced() {
        let id = RequestId::of(&headers(&[(ID, "a b"), (TRACE, "nonsense")]));
        assert_eq!(id.as_str().len(), 32);
        assert_ne!(id, RequestId::of(&HeaderMap::new()));
    }

    /// What a subscriber sees: how often the span of a request was entered after its handler had returned.
    #[derive(Default)]
    struct Entered(std::sync::atomic::AtomicUsize);

    impl tracing::Subscriber for Entered {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {}
        fn enter(&self, _: &tracing::span::Id) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn what_is_logged_while_a_body_is_made_belongs_to_its_request() {
        let seen = Arc::new(Entered::default());
        let _guard = tracing::subscriber::set_default(Arc::clone(&seen));
        let mut body = Held {
            body: Body::from("text"),
            hurry: None,
            way: None,
            span: tracing::info_span!("request"),
        };
        let mut context = Context::from_waker(std::task::Waker::noop());
        let frame = http_body::Body::poll_frame(Pin::new(&mut body), &mut context);
        assert!(matches!(frame, Poll::Ready(Some(Ok(_)))));
        assert_eq!(seen.0.load(Ordering::SeqCst), 1);
    }
}
