//! A client with one connection of its own, which notices when the other side goes.

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::rig::Door;

/// The connection broke; whether the last request took effect is not known.
#[derive(Debug)]
pub(crate) struct Gone;

/// A status and a body, null when empty.
pub(crate) type Answer = (u16, Value);

pub(crate) struct Connection {
    sender: SendRequest<Body>,
    authorization: String,
    host: String,
}

impl Connection {
    pub(crate) async fn open(door: &Door) -> Result<Self, Gone> {
        let stream = TcpStream::connect(&door.address).await.map_err(|_| Gone)?;
        stream.set_nodelay(true).map_err(|_| Gone)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| Gone)?;
        tokio::spawn(connection);
        Ok(Self { sender, authorization: format!("Bearer {}", door.token), host: door.address.clone() })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Gone> {
        self.ask(Method::GET, path, &Value::Null, None).await.map(|(answer, _)| answer)
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Answer, Gone> {
        self.ask(Method::POST, path, body, None).await.map(|(answer, _)| answer)
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Result<Answer, Gone> {
        self.ask(Method::DELETE, path, &Value::Null, None).await.map(|(answer, _)| answer)
    }

    /// A POST under an idempotency key, and whether the answer is that of an earlier request.
    pub(crate) async fn post_once(&mut self, path: &str, body: &Value, key: &str) -> Result<(Answer, bool), Gone> {
        self.ask(Method::POST, path, body, Some(key)).await
    }

    /// Sends a file, and gives its answer.
    pub(crate) async fn put_file(&mut self, path: &str, file: Body) -> Result<Answer, Gone> {
        let request = Request::put(path).header(HOST, &self.host).header(AUTHORIZATION, &self.authorization);
        let request = request.header(CONTENT_TYPE, "text/csv").body(file).unwrap();
        self.sender.ready().await.map_err(|_| Gone)?;
        let answer = self.sender.send_request(request).await.map_err(|_| Gone)?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.map_err(|_| Gone)?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap()))
    }

    /// Reads a file to its end: how many bytes and lines it has.
    pub(crate) async fn get_file(&mut self, path: &str) -> Result<(usize, usize), Gone> {
        let request = Request::get(path).header(HOST, &self.host).header(AUTHORIZATION, &self.authorization);
        self.sender.ready().await.map_err(|_| Gone)?;
        let answer = self.sender.send_request(request.body(Body::empty()).unwrap()).await.map_err(|_| Gone)?;
        assert_eq!(answer.status().as_u16(), 200);
        let (mut body, mut bytes, mut lines) = (answer.into_body(), 0, 0);
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(|_| Gone)?.into_data().unwrap_or_default();
            bytes += data.len();
            lines += data.split(|byte| *byte == b'\n').count() - 1;
        }
        Ok((bytes, lines))
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Result<(Answer, bool), Gone> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        request = request.header(AUTHORIZATION, &self.authorization);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        self.sender.ready().await.map_err(|_| Gone)?;
        let answer = self.sender.send_request(request.body(body).unwrap()).await.map_err(|_| Gone)?;
        let status = answer.status().as_u16();
        let is_replayed = answer.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
        let bytes = answer.into_body().collect().await.map_err(|_| Gone)?.to_bytes();
        let value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Ok(((status, value), is_replayed))
    }
}
