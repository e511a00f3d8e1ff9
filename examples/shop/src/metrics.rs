//! `/metrics` in the Prometheus text format: what each service counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

/// Upper bounds of the latency buckets, in milliseconds.
const BOUNDS: [u64; 10] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<(String, u16), u64>,
    latency: BTreeMap<String, Latency>,
    gauges: BTreeMap<&'static str, i64>,
}

#[derive(Debug, Default)]
struct Latency {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Arc<Mutex<Counts>>);

impl Metrics {
    fn with<R>(&self, work: impl FnOnce(&mut Counts) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, gauge: &'static str, value: i64) {
        self.with(|counts| counts.gauges.insert(gauge, value));
    }

    pub(crate) fn add(&self, gauge: &'static str, by: i64) {
        self.with(|counts| *counts.gauges.entry(gauge).or_default() += by);
    }

    fn observe(&self, path: &str, status: u16, took: Duration) {
        self.with(|counts| {
            *counts
                .requests
                .entry((path.to_owned(), status))
                .or_default() += 1;
            let latency = counts.latency.entry(path.to_owned()).or_default();
            latency.count += 1;
            latency.sum += took;
            for (bucket, bound) in latency.buckets.iter_mut().zip(BOUNDS) {
                *bucket += u64::from(took.as_millis() <= u128::from(bound));
            }
        });
    }

    pub(crate) fn text(&self, service: &str) -> String {
        self.with(|counts| {
            let mut text = String::from("# TYPE shop_requests_total counter\n");
            // Writing to a string cannot fail.
            for ((path, status), count) in &counts.requests {
                let labels = format!("service=\"{service}\",path=\"{path}\",status=\"{status}\"");
                let _ = writeln!(text, "shop_requests_total{{{labels}}} {count}");
            }
            text.push_str("# TYPE shop_request_seconds histogram\n");
            for (path, latency) in &counts.latency {
                latency.write(&mut text, service, path);
            }
            for (gauge, value) in &counts.gauges {
                let _ = writeln!(
                    text,
                    "# TYPE shop_{gauge} gauge\nshop_{gauge}{{service=\"{service}\"}} {value}"
                );
            }
            text
        })
    }
}

impl Latency {
    fn write(&self, text: &mut String, service: &str, path: &str) {
        let labels = format!("service=\"{service}\",path=\"{path}\"");
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            let seconds = Duration::from_millis(bound).as_secs_f64();
            let _ = writeln!(
                text,
                "shop_request_seconds_bucket{{{labels},le=\"{seconds}\"}} {bucket}"
            );
        }
        let (count, sum) = (self.count, self.sum.as_secs_f64());
        let _ = writeln!(
            text,
            "shop_request_seconds_bucket{{{labels},le=\"+Inf\"}} {count}"
        );
        let _ = writeln!(text, "shop_request_seconds_sum{{{labels}}} {sum}");
        let _ = writeln!(text, "shop_request_seconds_count{{{labels}}} {count}");
    }
}

/// Counts each request by its route, not by its path: a label per order number would never end.
pub(crate) async fn observe(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unknown", MatchedPath::as_str)
        .to_owned();
    let begun = std::time::Instant::now();
    metrics.add("requests_in_flight", 1);
    let answer = next.run(request).await;
    metrics.add("requests_in_flight", -1);
    metrics.observe(&route, answer.status().as_u16(), begun.elapsed());
    answer
}
