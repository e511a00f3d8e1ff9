//! Answers that do not end by themselves: event streams and upgraded connections, those that listen for the stop and those
//! that do not. Victim and client side stand together, as each is written for the other.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use aplomb_lifecycle::Ctx;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use axum::{Extension, Router};
use http_body::Frame;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::process::{PATIENCE, Victim};

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/talk", get(talk))
        .route("/talk-deaf", get(talk_deaf))
        .route("/events", get(async |ctx| events(ctx, true)))
        .route("/events-deaf", get(async |ctx| events(ctx, false)))
}

fn switching() -> Response<Body> {
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(UPGRADE, "talk")
        .header(CONNECTION, "upgrade")
        .body(Body::empty())
        .unwrap()
}

/// Says goodbye at the stop, and waits for the other side's.
async fn talk(Extension(ctx): Extension<Ctx>, request: Request) -> Response<Body> {
    tokio::spawn(async move {
        let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        stream.write_all(b"hello\n").await.unwrap();
        ctx.stopping().await;
        stream.write_all(b"bye\n").await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        stream.write_all(&answer).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    switching()
}

/// Reads on until the stream ends.
async fn talk_deaf(request: Request) -> Response<Body> {
    tokio::spawn(async move {
        let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        stream.write_all(b"hello\n").await.unwrap();
        while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
        // Tried, and not possible any more: the client must not see it.
        stream.write_all(b"more\n").await.ok();
    });
    switching()
}

fn events(Extension(ctx): Extension<Ctx>, listens: bool) -> Response<Body> {
    let stopping: Pin<Box<dyn Future<Output = ()> + Send>> = if listens {
        Box::pin(ctx.stopping())
    } else {
        Box::pin(std::future::pending())
    };
    let next = Next::Hello;
    Response::builder()
        .header(CONTENT_TYPE, "text/event-stream")
        .body(Body::new(Events { next, stopping }))
        .unwrap()
}

/// One event at the begin, one at the stop.
struct Events {
    next: Next,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
}

#[derive(Clone, Copy)]
enum Next {
    Hello,
    Bye,
    End,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (next, text) = match self.next {
            Next::Hello => (Next::Bye, "data: hello\n\n"),
            Next::Bye => {
                std::task::ready!(self.stopping.as_mut().poll(context));
                (Next::End, "data: bye\n\n")
            }
            Next::End => return Poll::Ready(None),
        };
        self.next = next;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
    }
}

/// A victim that serves, and a request to it whose answer has begun with `until`.
fn asked(mode: &str, path: &str, headers: &str, until: &str) -> (Victim, TcpStream) {
    let mut victim = Victim::start(mode);
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(until.as_bytes()) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    (victim, client)
}

fn rest(mut client: TcpStream) -> String {
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    rest
}

const UPGRADING: &str = "connection: upgrade\r\nupgrade: talk\r\n";

pub(crate) fn an_upgrade_is_told() {
    let (mut victim, mut client) = asked("streams", "/talk", UPGRADING, "hello\n");
    victim.ask_to_stop();
    let mut bye = [0; 4];
    client.read_exact(&mut bye).unwrap();
    assert_eq!(&bye, b"bye\n");
    client.write_all(b"ciao").unwrap();
    assert_eq!(rest(client), "ciao");
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("api")), (0, "closed"));
    assert_eq!(ended.component("api")["in_flight_at_stop"], 1);
    assert_eq!(ended.component("api")["finished"], 1);
}

pub(crate) fn a_deaf_upgrade_ends() {
    let (mut victim, client) = asked("streams", "/talk-deaf", UPGRADING, "hello\n");
    victim.ask_to_stop();
    assert_eq!(rest(client), "");
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("api")), (0, "late"));
    assert_eq!(ended.component("api")["in_flight_at_stop"], 1);
}

/// Closing a listener resets what the kernel has queued for it: all of these would be lost.
pub(crate) fn the_queue_is_taken() {
    let mut victim = Victim::start("queue");
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    let ask = |path: &str| {
        let mut client = TcpStream::connect(&address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            client,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        client
    };
    let blocking = ask("/block");
    victim.line("BLOCKED");
    let queued: Vec<TcpStream> = (0..20).map(|_| ask("/fast")).collect();
    victim.ask_to_stop();
    for client in queued {
        assert!(rest(client).ends_with("\r\n\r\nfast"));
    }
    assert!(rest(blocking).ends_with("\r\n\r\nmoved on"));
    let ended = victim.end();
    assert_eq!(ended.code(), 0);
    let facts = &ended.component("api-listener")["facts"];
    assert_eq!(facts["drained_from_queue"], 20);
}

/// With time to say so: whoever watches the stop reads what it waits for.
pub(crate) fn a_deaf_upgrade_is_named() {
    let (mut victim, client) = asked("http", "/talk-deaf", UPGRADING, "hello\n");
    victim.ask_to_stop();
    let waiting = victim.line("WAITING");
    assert!(
        waiting.contains("still waiting for: api (") && waiting.contains("GET /talk-deaf ("),
        "{waiting}"
    );
    drop(client);
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("api")), (0, "closed"));
}

pub(crate) fn events_are_told() {
    let (mut victim, client) = asked("streams", "/events", "", "data: hello\n\n\r\n");
    victim.ask_to_stop();
    // The body ends as HTTP says, so the client knows that nothing is missing.
    assert_eq!(rest(client), "B\r\ndata: bye\n\n\r\n0\r\n\r\n");
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("api")), (0, "closed"));
}

pub(crate) fn deaf_events_end_whole() {
    let (mut victim, client) = asked("streams", "/events-deaf", "", "data: hello\n\n\r\n");
    victim.ask_to_stop();
    assert_eq!(rest(client), "0\r\n\r\n");
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("api")), (0, "late"));
}
