//! A tiny service that opens a connection of its database for every request, and one of several ways to take it when it
//! gets none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_postgres::NoTls;

/// How a service behaves when the database does not answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    /// 503 with Retry-After, at once.
    Says503,
    /// 500.
    Says500,
    /// Nothing, until the client gives up.
    Hangs,
    /// Closes the connection without an answer.
    HangsUp,
    /// 503, and never anything else from then on.
    NeverRecovers,
}

/// Time a request has for its database.
const DATABASE_WITHIN: Duration = Duration::from_millis(500);

/// Starts a service and returns its URL; it ends with the runtime.
pub(super) async fn serve(manners: Manners, database: String, query: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let broken = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (database, broken) = (database.clone(), Arc::clone(&broken));
            tokio::spawn(async move {
                // A client that went away is not the service's concern.
                answer(stream, manners, &database, query, &broken).await.ok();
            });
        }
    });
    url
}

async fn answer(
    mut stream: TcpStream,
    manners: Manners,
    database: &str,
    query: &str,
    broken: &AtomicBool,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let well =
        !broken.load(Ordering::SeqCst) && matches!(timeout(DATABASE_WITHIN, ask(database, query)).await, Ok(Ok(())));
    let status = match (well, manners) {
        (true, _) => "200 OK\r\n",
        (false, Manners::Says503) => "503 Service Unavailable\r\nRetry-After: 1\r\n",
        (false, Manners::Says500) => "500 Internal Server Error\r\n",
        (false, Manners::NeverRecovers) => {
            broken.store(true, Ordering::SeqCst);
            "503 Service Unavailable\r\nRetry-After: 1\r\n"
        }
        (false, Manners::HangsUp) => return Ok(()),
        (false, Manners::Hangs) => {
            // Ends when the client closes.
            return stream.read(&mut [0]).await.map(drop);
        }
    };
    stream.write_all(format!("HTTP/1.1 {status}Connection: close\r\nContent-Length: 2\r\n\r\nok").as_bytes()).await
}

async fn ask(database: &str, query: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
    let driver = tokio::spawn(connection);
    // A query that waits for a lock must not outlive its request; the end of its client alone does not wake it.
    client.batch_execute("SET statement_timeout = '300ms'").await?;
    let asked = client.batch_execute(query).await;
    drop(client);
    driver.abort();
    asked
}
