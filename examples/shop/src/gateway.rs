//! The gateway: what the world sees. It passes on, with the request's id, and nothing else.

use aplomb_lifecycle::http::RequestId;
use aplomb_lifecycle::{App, BoxError};
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::Value;

use crate::error::Failure;
use crate::hang::Hang;
use crate::metrics::Metrics;
use crate::orders::How;
use crate::peer::Peer;
use crate::service;
use crate::settings::Settings;
use crate::turn::Turn;

#[derive(Clone)]
struct Gateway {
    orders: Peer,
    stock: Peer,
}

pub(crate) fn register(app: &App, settings: &Settings) -> Result<(), BoxError> {
    let (metrics, hang) = (Metrics::default(), Hang::new(app));
    let mut turn = Turn::new(settings);
    let gateway = Gateway {
        orders: Peer::register(app, "orders", settings.orders, &mut turn)?,
        stock: Peer::register(app, "stock", settings.stock, &mut turn)?,
    };
    let router = Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}", get(find))
        .route("/stock/{sku}", get(level))
        .with_state(gateway);
    service::serve(app, settings.gateway, router, &metrics, &hang)
}

async fn place(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    Query(how): Query<How>,
    Json(wish): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let path = if how.handed_off {
        "/orders?handed-off=true"
    } else {
        "/orders"
    };
    Ok(Json(gateway.orders.post(path, &wish, &id).await?))
}

async fn find(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    Path(order): Path<String>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(
        gateway.orders.get(&format!("/orders/{order}"), &id).await?,
    ))
}

async fn level(
    State(gateway): State<Gateway>,
    Extension(id): Extension<RequestId>,
    Path(sku): Path<String>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(
        gateway.stock.get(&format!("/stock/{sku}"), &id).await?,
    ))
}
