//! HTTP/1.1 by hand over a socket, for what a library would hide.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

pub(crate) struct Connection(BufReader<TcpStream>);

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// Whether the other side ended the connection; waits for that or for anything else it sends.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]).await, Ok(0) | Err(_))
    }

    pub(crate) async fn exchange(&mut self, request: &str) -> Reply {
        self.send(request).await;
        self.reply().await
    }

    /// Sends the rest of a request whose head was answered with 100, and reads the answer.
    pub(crate) async fn finish(&mut self, rest: &str) -> Reply {
        assert_eq!(self.line().await, "", "the interim answer has no headers");
        self.exchange(rest).await
    }

    async fn reply(&mut self) -> Reply {
        let line = self.line().await;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut reply = Reply { status, headers, body: String::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        reply.body = String::from_utf8(body).unwrap();
        reply
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One request on a connection of its own; `None` when nobody answers.
pub(crate) async fn ask(address: SocketAddr, line: &str, token: Option<&str>, body: Option<&Value>) -> Option<Reply> {
    let stream = TcpStream::connect(address).await.ok()?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let content_type = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let fixed = format!("host: test\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    let request = format!("{line} HTTP/1.1\r\n{fixed}{authorization}{content_type}\r\n{body}");
    Some(Connection(BufReader::new(stream)).exchange(&request).await)
}
