//! What a request may fail with, and the status a client sees for it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("there is no {what} `{name}`")]
    Unknown { what: &'static str, name: String },
    #[error("only {left} of `{sku}` are left")]
    SoldOut { sku: String, left: u32 },
    #[error("`{peer}` is not called for now: too many of its answers failed")]
    BreakerOpen { peer: &'static str },
    #[error("`{peer}` could not be asked")]
    Peer {
        peer: &'static str,
        source: reqwest::Error,
    },
    #[error("`{peer}` refused: {why}")]
    Refused {
        peer: &'static str,
        status: StatusCode,
        why: String,
    },
    #[error("no connection of the pool became free within {} ms", within.as_millis())]
    PoolEmpty { within: std::time::Duration },
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    #[error("the order queue is full")]
    QueueFull,
    #[error(transparent)]
    TimedOut(#[from] aplomb_lifecycle::TimedOut),
    #[error(transparent)]
    NotStarted(#[from] aplomb_lifecycle::NotStarted),
    #[error("a blocking task was lost")]
    Lost(#[from] tokio::task::JoinError),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unknown { .. } => StatusCode::NOT_FOUND,
            Self::SoldOut { .. } => StatusCode::CONFLICT,
            Self::Refused { status, .. } => *status,
            Self::BreakerOpen { .. } | Self::PoolEmpty { .. } | Self::QueueFull => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NotStarted(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Peer { source, .. } if source.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Peer { .. } => StatusCode::BAD_GATEWAY,
            Self::Database(_) | Self::Lost(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut why = self.to_string();
        let mut source = std::error::Error::source(&self);
        while let Some(error) = source {
            why.push_str(": ");
            why.push_str(&error.to_string());
            source = error.source();
        }
        (self.status(), Json(json!({ "error": why }))).into_response()
    }
}
