//! The store: the only one that touches the database. Stock levels and finished orders.

use std::sync::Arc;

use aplomb_lifecycle::{App, BoxError, IoBudget, Resource, Stage};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::hang::Hang;
use crate::metrics::Metrics;
use crate::pool::{Lender, Pool, SIZE};
use crate::service;
use crate::settings::Settings;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Level {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    pub(crate) receipt: String,
}

#[derive(Clone)]
struct Store {
    pool: Resource<Pool>,
    metrics: Metrics,
}

pub(crate) fn register(app: &App, settings: &Settings) -> Result<(), BoxError> {
    let (metrics, hang) = (Metrics::default(), Hang::new(app));
    let (file, switches, lender) = (settings.database.clone(), hang.clone(), Lender::default());
    let own = Arc::clone(&lender);
    let open = move || {
        let (file, switches, own) = (file.clone(), switches.clone(), Arc::clone(&own));
        async move {
            let pool = tokio::task::spawn_blocking(move || Pool::open(&file, own)).await??;
            switches.with_pool(pool.clone());
            Ok(pool)
        }
    };
    let close = |pool: Pool| async move { Ok(pool.close().await?) };
    let pool = app
        .resource(Stage::STORES.part("db"), IoBudget::DATABASE, open, close)
        .lending(SIZE, "connections");
    // Set once: there is one store in a process.
    drop(lender.set(pool.clone()));
    let router = Router::new()
        .route("/stock/{sku}", get(level))
        .route("/stock/{sku}/reserve", post(reserve))
        .route("/orders", post(keep))
        .route("/orders/{id}", get(order))
        .with_state(Store {
            pool,
            metrics: metrics.clone(),
        });
    service::serve(app, settings.store, router, &metrics, &hang)
}

impl Store {
    async fn with<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut rusqlite::Connection) -> Result<T, Failure> + Send + 'static,
    {
        let pool = self.pool.get().await?;
        let done = self.pool.bounded(pool.with(work)).await?;
        self.metrics.set(
            "pool_connections_out",
            i64::try_from(pool.out()).unwrap_or(i64::MAX),
        );
        done
    }
}

async fn level(
    State(store): State<Store>,
    Path(sku): Path<String>,
) -> Result<Json<Level>, Failure> {
    let found = store
        .with(move |connection| quantity(connection, &sku).map(|quantity| Level { sku, quantity }))
        .await?;
    Ok(Json(found))
}

fn quantity(connection: &rusqlite::Connection, sku: &str) -> Result<u32, Failure> {
    let found = connection
        .query_row(
            "SELECT quantity FROM stock WHERE sku = ?1",
            params![sku],
            |row| row.get(0),
        )
        .optional()?;
    found.ok_or_else(|| Failure::Unknown {
        what: "article",
        name: sku.to_owned(),
    })
}

async fn reserve(
    State(store): State<Store>,
    Path(sku): Path<String>,
    Json(wanted): Json<u32>,
) -> Result<Json<Level>, Failure> {
    let left = store.with(move |connection| {
        let taken = connection.execute(
            "UPDATE stock SET quantity = quantity - ?2 WHERE sku = ?1 AND quantity >= ?2",
            params![sku, wanted],
        )?;
        let left = quantity(connection, &sku)?;
        if taken == 0 {
            return Err(Failure::SoldOut { sku, left });
        }
        Ok(Level {
            sku,
            quantity: left,
        })
    });
    Ok(Json(left.await?))
}

async fn keep(
    State(store): State<Store>,
    Json(order): Json<Order>,
) -> Result<Json<Order>, Failure> {
    let kept = store.with(move |connection| {
        connection.execute(
            "INSERT OR IGNORE INTO orders VALUES (?1, ?2, ?3, ?4)",
            params![order.id, order.sku, order.quantity, order.receipt],
        )?;
        Ok(order)
    });
    Ok(Json(kept.await?))
}

async fn order(State(store): State<Store>, Path(id): Path<String>) -> Result<Json<Order>, Failure> {
    let found = store.with(move |connection| {
        let order = connection
            .query_row(
                "SELECT id, sku, quantity, receipt FROM orders WHERE id = ?1",
                params![id],
                |row| {
                    Ok(Order {
                        id: row.get(0)?,
                        sku: row.get(1)?,
                        quantity: row.get(2)?,
                        receipt: row.get(3)?,
                    })
                },
            )
            .optional()?;
        order.ok_or(Failure::Unknown {
            what: "order",
            name: id,
        })
    });
    Ok(Json(found.await?))
}
