//! Asks a replica, again and again, whether it is ready.
//!
//! Invariants: one good answer makes it well, [`BAD_IN_A_ROW`] bad ones in a row make it unwell, its end does so at once. It is asked
//! at its own port and not through its link: a cut link is the network's trouble, not the replica's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use stampede_model::target::Ready;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::member::Member;
use super::wire::MemberState;

const ASK_EVERY: Duration = Duration::from_millis(250);
const ASK_A_STARTING_ONE_EVERY: Duration = Duration::from_millis(50);
/// How long an answer may take; a program that stands still must be found out soon.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const BAD_IN_A_ROW: u32 = 2;

/// Asks until the task is aborted.
pub(super) async fn watch(member: Arc<Member>, ready: Option<Ready>) {
    let mut bad = 0;
    loop {
        let starting = matches!(member.state(), MemberState::Starting | MemberState::Unready);
        sleep(if starting { ASK_A_STARTING_ONE_EVERY } else { ASK_EVERY }).await;
        if !member.has_process() {
            bad = 0;
            continue;
        }
        let well = match (&ready, member.port) {
            (Some(ready), Some(port)) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                status(address, &ready.path).await.is_ok_and(|status| status == ready.status.code())
            }
            (None, Some(port)) if member.backend.is_some() => {
                timeout(ANSWER_WITHIN, TcpStream::connect((Ipv4Addr::LOCALHOST, port)))
                    .await
                    .is_ok_and(|made| made.is_ok())
            }
            _ => true,
        };
        bad = if well { 0 } else { bad + 1 };
        if well && member.has_process() {
            member.is_well();
        } else if bad >= BAD_IN_A_ROW {
            member.is_unwell();
        }
    }
}

/// The status of a GET on a connection of its own.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn status(address: SocketAddr, path: &str) -> io::Result<u16> {
    status_within(address, path, ANSWER_WITHIN).await
}

/// As [`status`], with another limit for the answer.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn status_within(address: SocketAddr, path: &str, within: Duration) -> io::Result<u16> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut line = Vec::new();
        // "HTTP/1.1 200" is all that is looked at.
        while line.len() < 12 {
            let mut part = [0; 256];
            match stream.read(&mut part).await? {
                0 => break,
                length => line.extend_from_slice(&part[..length]),
            }
        }
        let text = String::from_utf8_lossy(&line);
        let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is no HTTP answer"))
    };
    timeout(within, ask).await.unwrap_or_else(|late| Err(late.into()))
}
