//! Orders: charge and reserve at once, then keep. A client waits for that (`POST /orders`), or hands it off and asks later
//! (`POST /orders?handed-off=true`): the queue is bounded, and emptied before the process ends.

use aplomb_lifecycle::http::RequestId;
use aplomb_lifecycle::{App, BoxError, Stage};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::Failure;
use crate::hang::Hang;
use crate::metrics::Metrics;
use crate::payment::{Charge, Receipt};
use crate::peer::Peer;
use crate::service;
use crate::settings::Settings;
use crate::store::{Level, Order};
use crate::turn::Turn;

/// Orders that may wait; one more is refused with 503.
const QUEUE: usize = 1_000;
/// Orders that are fulfilled at the same time.
const AT_ONCE: usize = 64;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wish {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct How {
    #[serde(default, rename = "handed-off")]
    pub(crate) handed_off: bool,
}

#[derive(Clone)]
struct Orders {
    payment: Peer,
    stock: Peer,
    store: Peer,
    queue: mpsc::Sender<(Wish, RequestId)>,
}

pub(crate) fn register(app: &App, settings: &Settings) -> Result<(), BoxError> {
    let (metrics, hang) = (Metrics::default(), Hang::new(app));
    let (queue, mut waiting) = mpsc::channel(QUEUE);
    let mut turn = Turn::new(settings);
    let orders = Orders {
        payment: Peer::register(app, "payment", settings.payment, &mut turn)?,
        stock: Peer::register(app, "stock", settings.stock, &mut turn)?,
        store: Peer::register(app, "store", settings.store, &mut turn)?,
        queue,
    };
    let (working, counted) = (orders.clone(), metrics.clone());
    app.spawn(Stage::WORKERS.part("order-queue"), async move |ctx| {
        let mut busy = JoinSet::new();
        loop {
            let next = match ctx.until_stop(waiting.recv()).await {
                Some(next) => next,
                None => {
                    ctx.progress(format!("{} orders left", waiting.len()));
                    waiting.try_recv().ok()
                }
            };
            let Some((wish, id)) = next else { break };
            while busy.len() >= AT_ONCE {
                busy.join_next().await;
            }
            let (orders, counted) = (working.clone(), counted.clone());
            let flight = ctx.in_flight(format!("order {}", RequestId::as_str(&id)));
            busy.spawn(async move {
                let done = orders.fulfil(wish, &id).await;
                counted.add(
                    if done.is_ok() {
                        "orders_done"
                    } else {
                        "orders_failed"
                    },
                    1,
                );
                drop(flight);
            });
        }
        while busy.join_next().await.is_some() {}
        Ok(())
    });
    let router = Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}", get(find))
        .with_state(orders);
    service::serve(app, settings.orders, router, &metrics, &hang)
}

impl Orders {
    async fn fulfil(&self, wish: Wish, id: &RequestId) -> Result<Order, Failure> {
        let charge = Charge {
            order: id.as_str().to_owned(),
            quantity: wish.quantity,
        };
        let reserve = format!("/stock/{}/reserve", wish.sku);
        let charged = self.payment.post::<Receipt, _>("/charges", &charge, id);
        let reserved = self.stock.post::<Level, _>(&reserve, &wish.quantity, id);
        let (receipt, _) = tokio::try_join!(charged, reserved)?;
        let order = Order {
            id: charge.order,
            sku: wish.sku,
            quantity: wish.quantity,
            receipt: receipt.receipt,
        };
        self.store.post("/orders", &order, id).await
    }
}

async fn place(
    State(orders): State<Orders>,
    Extension(id): Extension<RequestId>,
    Query(how): Query<How>,
    Json(wish): Json<Wish>,
) -> Result<Response, Failure> {
    if !how.handed_off {
        return Ok(Json(orders.fulfil(wish, &id).await?).into_response());
    }
    let answer = (
        StatusCode::ACCEPTED,
        Json(serde_json::json!({ "id": id.as_str() })),
    )
        .into_response();
    orders
        .queue
        .try_send((wish, id))
        .map_err(|_| Failure::QueueFull)?;
    Ok(answer)
}

async fn find(
    State(orders): State<Orders>,
    Extension(id): Extension<RequestId>,
    Path(order): Path<String>,
) -> Result<Json<Order>, Failure> {
    Ok(Json(
        orders.store.get(&format!("/orders/{order}"), &id).await?,
    ))
}
