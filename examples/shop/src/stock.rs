//! Stock: what is left of an article, from a cache that a background worker keeps small, and reservations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aplomb_lifecycle::http::RequestId;
use aplomb_lifecycle::{App, BoxError, IoBudget, Resource, Stage};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};

use crate::error::Failure;
use crate::hang::Hang;
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::service;
use crate::settings::Settings;
use crate::store::Level;
use crate::turn::Turn;

/// How old a cached level may be.
const FRESH: Duration = Duration::from_secs(2);

type Cache = Arc<Mutex<HashMap<String, (Level, Instant)>>>;

#[derive(Clone)]
struct Stock {
    store: Peer,
    cache: Resource<Cache>,
    metrics: Metrics,
}

pub(crate) fn register(app: &App, settings: &Settings) -> Result<(), BoxError> {
    let (metrics, hang) = (Metrics::default(), Hang::new(app));
    let mut turn = Turn::new(settings);
    let store = Peer::register(app, "store", settings.store, &mut turn)?;
    let open = || async { Ok(Cache::default()) };
    let close = |cache: Cache| async move {
        lock(&cache).clear();
        Ok(())
    };
    let cache = app.resource(
        turn.next(Stage::STORES.part("cache")),
        IoBudget::CACHE,
        open,
        close,
    );
    let swept = cache.clone();
    app.spawn(
        Stage::WORKERS.part("sweeper").after(&cache),
        async move |ctx| {
            let cache = swept.get().await?;
            while ctx.until_stop(tokio::time::sleep(FRESH)).await.is_some() {
                let _busy = ctx.in_flight("sweep");
                lock(&cache).retain(|_, (_, at)| at.elapsed() < FRESH);
            }
            Ok(())
        },
    );
    let router = Router::new()
        .route("/stock/{sku}", get(level))
        .route("/stock/{sku}/reserve", post(reserve))
        .with_state(Stock {
            store,
            cache,
            metrics: metrics.clone(),
        });
    service::serve(app, settings.stock, router, &metrics, &hang)
}

fn lock(cache: &Cache) -> std::sync::MutexGuard<'_, HashMap<String, (Level, Instant)>> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn level(
    State(stock): State<Stock>,
    Extension(id): Extension<RequestId>,
    Path(sku): Path<String>,
) -> Result<Json<Level>, Failure> {
    let cache = stock.cache.get().await?;
    let cached = lock(&cache)
        .get(&sku)
        .filter(|(_, at)| at.elapsed() < FRESH)
        .map(|(level, _)| level.clone());
    if let Some(level) = cached {
        stock.metrics.add("cache_hits", 1);
        return Ok(Json(level));
    }
    let level: Level = stock.store.get(&format!("/stock/{sku}"), &id).await?;
    lock(&cache).insert(sku, (level.clone(), Instant::now()));
    Ok(Json(level))
}

async fn reserve(
    State(stock): State<Stock>,
    Extension(id): Extension<RequestId>,
    Path(sku): Path<String>,
    Json(quantity): Json<u32>,
) -> Result<Json<Level>, Failure> {
    let level: Level = stock
        .store
        .post(&format!("/stock/{sku}/reserve"), &quantity, &id)
        .await?;
    let cache = stock.cache.get().await?;
    lock(&cache).insert(sku, (level.clone(), Instant::now()));
    Ok(Json(level))
}
