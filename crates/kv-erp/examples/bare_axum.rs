//! The reference of `cargo xtask bench list`: one axum handler that answers with a file's bytes and does nothing else.
//!
//! `bare_axum ADDRESS:PORT FILE`

use std::error::Error;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(file)) = (args.next(), args.next()) else {
        return Err("use: bare_axum ADDRESS:PORT FILE".into());
    };
    let page = Bytes::from(std::fs::read(file)?);
    let answer = move || {
        let page = page.clone();
        async move { ([(CONTENT_TYPE, "application/json")], page) }
    };
    let router = Router::new().route("/api/v1/customers", get(answer));
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router).await?;
    Ok(())
}
