//! Asks a replica, again and again, whether it is ready.
//!
//! Invariants: one good answer makes it well, [`BAD_IN_A_ROW`] bad ones in a row make it unwell, its end does so at once. Who says
//! nothing loses its connections at once; who says no loses them when it has been alone with that for [`ALONE_AFTER`], for a trouble
//! that all share is better told by their answers. It is asked at its own port and not through its link: a cut link is the
//! network's trouble, not the replica's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use stampede_model::target::Ready;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::member::Member;
use super::members::Members;
use super::wire::MemberState;

const ASK_EVERY: Duration = Duration::from_millis(250);
const ASK_A_STARTING_ONE_EVERY: Duration = Duration::from_millis(50);
/// How long an answer may take; a program that stands still must be found out soon.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const BAD_IN_A_ROW: u32 = 2;
/// Who is not ready for so long while others have been for so long is in trouble alone.
const ALONE_AFTER: Duration = Duration::from_secs(1);

/// What a question came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Ready,
    /// An answer, and not the one that means ready.
    No,
    Nothing,
}

/// Asks until the task is aborted.
pub(super) async fn watch(member: Arc<Member>, members: Arc<Members>, ready: Option<Ready>) {
    let mut bad = 0;
    loop {
        let starting = matches!(member.state(), MemberState::Starting | MemberState::Unready);
        sleep(if starting { ASK_A_STARTING_ONE_EVERY } else { ASK_EVERY }).await;
        if !member.can_be_asked() {
            bad = 0;
            continue;
        }
        let heard = ask(&member, ready.as_ref()).await;
        bad = if heard == Heard::Ready { 0 } else { bad + 1 };
        match heard {
            _ if !member.can_be_asked() => {}
            Heard::Ready => member.is_well(),
            Heard::No if bad >= BAD_IN_A_ROW => member.is_unready(),
            Heard::Nothing if bad >= BAD_IN_A_ROW => member.is_unwell(),
            _ => {}
        }
        if let Some(backend) = &member.backend
            && backend.link.open() > 0
            && backend.unwell_for().is_some_and(|since| since >= ALONE_AFTER)
            && members.any_well_for(ALONE_AFTER)
        {
            backend.link.break_all();
        }
    }
}

async fn ask(member: &Member, ready: Option<&Ready>) -> Heard {
    match (ready, member.port) {
        (Some(ready), Some(port)) => {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            match status(address, &ready.path).await {
                Ok(status) if status == ready.status.code() => Heard::Ready,
                Ok(_) => Heard::No,
                Err(_) => Heard::Nothing,
            }
        }
        (None, Some(port)) if member.backend.is_some() => {
            let made = timeout(ANSWER_WITHIN, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await;
            if made.is_ok_and(|made| made.is_ok()) { Heard::Ready } else { Heard::Nothing }
        }
        _ => Heard::Ready,
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
