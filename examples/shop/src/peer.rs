//! Calling another service: within the budgets of an HTTP client, through a circuit breaker, with the request's id.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aplomb_lifecycle::http::RequestId;
use aplomb_lifecycle::{App, IoBudget, Stage};
use axum::http::{HeaderMap, StatusCode};
use recloser::{AsyncRecloser, Recloser};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Failure;
use crate::turn::Turn;

/// A client of one other service. Clones share connections and breaker.
#[derive(Clone)]
pub(crate) struct Peer {
    name: &'static str,
    base: String,
    client: reqwest::Client,
    breaker: Arc<AsyncRecloser>,
}

impl Peer {
    /// Makes the client and registers its start (the other side answers) and its stop (no more idle connections).
    pub(crate) fn register(
        app: &App,
        name: &'static str,
        address: SocketAddr,
        turn: &mut Turn,
    ) -> Result<Self, reqwest::Error> {
        let budget = IoBudget::HTTP_CLIENT;
        let client = reqwest::Client::builder()
            .connect_timeout(budget.connect)
            .timeout(budget.read)
            .no_proxy()
            .build()?;
        let breaker = Recloser::custom()
            .error_rate(0.5)
            .closed_len(20)
            .half_open_len(5)
            .open_wait(Duration::from_secs(5))
            .build();
        let peer = Self {
            name,
            base: format!("http://{address}"),
            client,
            breaker: Arc::new(AsyncRecloser::from(breaker)),
        };
        let (probed, warm_up) = (peer.clone(), turn.warm_up());
        let open = move || {
            let peer = probed.clone();
            async move {
                peer.client
                    .get(format!("{}/livez", peer.base))
                    .send()
                    .await?
                    .error_for_status()?;
                tokio::time::sleep(warm_up).await;
                Ok(())
            }
        };
        let close = move |()| async move {
            tokio::time::sleep(warm_up).await;
            Ok(())
        };
        // Optional: a service whose neighbour is missing answers 502, it does not stay away itself.
        let part = turn.next(Stage::EGRESS.part(format!("{name}-client")).optional());
        turn.took(&app.resource(part, budget, open, close));
        Ok(peer)
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        id: &RequestId,
    ) -> Result<T, Failure> {
        self.call(self.client.get(format!("{}{path}", self.base)), id)
            .await
    }

    pub(crate) async fn post<T, B>(
        &self,
        path: &str,
        body: &B,
        id: &RequestId,
    ) -> Result<T, Failure>
    where
        T: DeserializeOwned,
        B: Serialize + Sync,
    {
        self.call(
            self.client.post(format!("{}{path}", self.base)).json(body),
            id,
        )
        .await
    }

    /// A refusal (4xx) is an answer; only silence and 5xx count against the peer.
    async fn call<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        id: &RequestId,
    ) -> Result<T, Failure> {
        let mut headers = HeaderMap::new();
        id.hand_on(&mut headers);
        let peer = self.name;
        let asked = async move {
            let answer = request
                .headers(headers)
                .send()
                .await
                .map_err(|source| Failure::Peer { peer, source })?;
            let status = answer.status();
            if status.is_server_error() {
                return Err(refused(peer, status, answer).await);
            }
            Ok(answer)
        };
        let answer = match self.breaker.call(asked).await {
            Ok(answer) => answer,
            Err(recloser::Error::Rejected) => return Err(Failure::BreakerOpen { peer }),
            Err(recloser::Error::Inner(failure)) => return Err(failure),
        };
        match answer.status() {
            status if status.is_success() => answer
                .json()
                .await
                .map_err(|source| Failure::Peer { peer, source }),
            status => Err(refused(peer, status, answer).await),
        }
    }
}

async fn refused(peer: &'static str, status: StatusCode, answer: reqwest::Response) -> Failure {
    let text = answer.text().await.unwrap_or_default();
    let said = serde_json::from_str::<serde_json::Value>(&text).ok();
    let why = said
        .and_then(|said| Some(said.get("error")?.as_str()?.to_owned()))
        .unwrap_or(text);
    Failure::Refused { peer, status, why }
}
