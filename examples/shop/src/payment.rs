//! Payment: charges take as long as the bank does; a background worker settles them in batches, and settles what is left
//! before the process ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aplomb_lifecycle::{App, BoxError, Stage};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::hang::Hang;
use crate::metrics::Metrics;
use crate::service;
use crate::settings::Settings;

const SETTLE_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) order: String,
    pub(crate) quantity: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) receipt: String,
}

#[derive(Clone)]
struct Payment {
    bank: Duration,
    next: Arc<AtomicU64>,
    open: Arc<Mutex<Vec<String>>>,
    metrics: Metrics,
}

impl Payment {
    fn settle(&self) -> usize {
        let settled =
            std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner)).len();
        self.metrics.add(
            "charges_settled",
            i64::try_from(settled).unwrap_or(i64::MAX),
        );
        settled
    }
}

pub(crate) fn register(app: &App, settings: &Settings) -> Result<(), BoxError> {
    let (metrics, hang) = (Metrics::default(), Hang::new(app));
    let payment = Payment {
        bank: settings.charge,
        next: Arc::default(),
        open: Arc::default(),
        metrics: metrics.clone(),
    };
    let settling = payment.clone();
    app.spawn(Stage::WORKERS.part("settler"), async move |ctx| {
        while ctx
            .until_stop(tokio::time::sleep(SETTLE_EVERY))
            .await
            .is_some()
        {
            settling.settle();
        }
        let last = settling.settle();
        ctx.progress(format!("settled the last {last}"));
        Ok(())
    });
    let router = Router::new()
        .route("/charges", post(charge))
        .with_state(payment);
    service::serve(app, settings.payment, router, &metrics, &hang)
}

async fn charge(State(payment): State<Payment>, Json(charge): Json<Charge>) -> Json<Receipt> {
    tokio::time::sleep(payment.bank).await;
    let number = payment.next.fetch_add(1, Ordering::SeqCst);
    payment
        .open
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(charge.order);
    Json(Receipt {
        receipt: format!("r{number}x{}", charge.quantity),
    })
}
