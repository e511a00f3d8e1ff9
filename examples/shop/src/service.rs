//! What all five have in common: the server with health, metrics and hang switches around their own routes.

use std::net::SocketAddr;

use aplomb_lifecycle::{App, BoxError, http};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;

use crate::hang::Hang;
use crate::metrics::{self, Metrics};

/// Serves `own` at `address`. The service's own routes pass the hang switches; health, metrics and the switches do not.
pub(crate) fn serve(
    app: &App,
    address: SocketAddr,
    own: Router,
    metrics: &Metrics,
    hang: &Hang,
) -> Result<(), BoxError> {
    let name = app.name().to_owned();
    let shown = metrics.clone();
    let own = own
        .layer(middleware::from_fn_with_state(hang.clone(), pass))
        .layer(middleware::from_fn_with_state(
            metrics.clone(),
            metrics::observe,
        ));
    let router = own
        .merge(http::health_routes(app))
        .merge(hang.routes())
        .route("/metrics", get(move || async move { shown.text(&name) }));
    http::Server::new("http", http::listen(address)?, router).register(app);
    Ok(())
}

async fn pass(State(hang): State<Hang>, request: Request, next: Next) -> Response {
    hang.pass().await;
    next.run(request).await
}
