//! Orders answered when done, or accepted and done later: what a client waits, how many a second are answered, and how many
//! a second are really done.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process;
use crate::start::{Shop, environment};

/// The queue of the order service holds a thousand, so no run is longer.
const ORDERS: u64 = 900;
const CLIENTS: usize = 60;
/// How long the bank takes, in ms.
const CHARGE: &str = "280";

pub(crate) fn table() {
    let shop = |role| Shop(process::start(environment(&mut Command::new("target/release/shop")).arg(role).env("SHOP_CHARGE_MS", CHARGE)));
    let _shop = ["store", "stock", "payment", "orders", "gateway"].map(shop);
    for port in 7100..7105 {
        process::until_ready(&format!("127.0.0.1:{port}"));
    }
    println!("\n| {ORDERS} orders from {CLIENTS} clients | median | p99 | answered/s | done/s |\n|---|---|---|---|---|");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (name, path) in [("inline", "/orders"), ("handed off", "/orders?handed-off=true")] {
        for run in 1..=3 {
            let (line, begun) = runtime.block_on(burst(path));
            let done = runtime.block_on(until_idle(begun));
            println!("| {name}, run {run} | {line} | {done:.0} |");
        }
    }
}

async fn burst(path: &'static str) -> (String, Instant) {
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                let mut stream = TcpStream::connect("127.0.0.1:7100").await.unwrap();
                let mut took = Vec::new();
                while next.fetch_add(1, Ordering::SeqCst) < ORDERS {
                    let sent = Instant::now();
                    order(&mut stream, path).await;
                    took.push(sent.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.unwrap());
    }
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_millis();
    (format!("{} ms | {} ms | {rate:.0}", at(50), at(99)), begun)
}

async fn order(stream: &mut TcpStream, path: &str) {
    let body = r#"{"sku":"tea","quantity":1}"#;
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let text = answer(stream).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.unwrap();
        bytes.extend_from_slice(&some[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(count > 0, "closed: {text}");
            continue;
        };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if count == 0 || body.len() >= length.unwrap_or(usize::MAX) {
            return text.into_owned();
        }
    }
}

/// Waits until every order is kept by the store; orders per second from the first request to the last one done.
async fn until_idle(begun: Instant) -> f64 {
    static BEFORE: AtomicU64 = AtomicU64::new(0);
    let all = BEFORE.load(Ordering::SeqCst) + ORDERS;
    loop {
        let mut stream = TcpStream::connect("127.0.0.1:7101").await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let text = answer(&mut stream).await;
        let kept = text.lines().find_map(|line| {
            line.strip_prefix("shop_requests_total{service=\"store\",path=\"/orders\",status=\"200\"} ")?.parse().ok()
        });
        if kept.unwrap_or(0_u64) >= all {
            BEFORE.store(all, Ordering::SeqCst);
            return ORDERS as f64 / begun.elapsed().as_secs_f64();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
