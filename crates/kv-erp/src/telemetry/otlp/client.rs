//! HTTP to the collector, on this process's runtime whichever thread asks.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

/// What a collector answers is short.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pooled: Pooled<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// The exporter of traces asks from a thread of its own, which has no runtime.
    runtime: Handle,
    patience: Duration,
}

impl Client {
    /// Must be called within a tokio runtime.
    pub(super) fn new(patience: Duration) -> Self {
        let connector =
            hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        Self { pooled: Pooled::builder(TokioExecutor::new()).build(connector), runtime: Handle::current(), patience }
    }

    /// Sends one request.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (pooled, patience) = (self.pooled.clone(), self.patience);
        let exchange = async move {
            let response = pooled.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        self.runtime.spawn(async move { tokio::time::timeout(patience, exchange).await }).await??
    }
}

impl HttpClient for Client {
    // What `async_trait` makes of an `async fn`.
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.send(request))
    }
}
