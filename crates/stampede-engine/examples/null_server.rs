//! A server that does nothing but answer: what a generator costs is measured against it.
//!
//! `cargo run --release -p stampede-engine --example null_server` takes a free port of the loopback, prints its URL, and
//! answers every request with 76 bytes of JSON until it is ended.

use std::convert::Infallible;
use std::error::Error;
use std::io::Write;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

const BODY: &[u8] = br#"{"id":1234567,"name":"a customer of some length","status":"active","n":1234}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // A free port, never a given one: load must not reach a server that happens to stand there.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    writeln!(std::io::stdout(), "http://{}/", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let answer = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(BODY)))));
            // A client that leaves in the middle is no concern of a server without purpose.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
        });
    }
}
