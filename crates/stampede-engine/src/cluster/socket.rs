//! The control socket: who serves it, and who asks.
//!
//! Invariants: only the cluster's own user can connect; at most [`GUESTS_MAX`] connections and lines of [`LINE_MAX`] bytes are
//! served; a guest that leaves in the middle of an ask does not stop what it asked for.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Cluster;
use super::error::AskError;
use super::wire::{Answer, Ask, LINE_MAX, Status};

const GUESTS_MAX: usize = 32;
/// How long an answer may take: the slowest is a database that recovers from a crash.
const ANSWER_WITHIN: Duration = Duration::from_secs(150);

/// Makes the socket; one that lies there from an earlier cluster is replaced.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves asks until the task is aborted.
pub(super) async fn serve(listener: UnixListener, cluster: Arc<Cluster>) {
    let room = Arc::new(Semaphore::new(GUESTS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((guest, _)) => {
                let cluster = Arc::clone(&cluster);
                tokio::spawn(async move {
                    // A guest that hangs up is nobody's trouble.
                    serve_guest(guest, &cluster).await.ok();
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_guest(mut guest: UnixStream, cluster: &Arc<Cluster>) -> io::Result<()> {
    let (read, mut write) = guest.split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if (&mut read).take(LINE_MAX).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str::<Ask>(&line) {
            Ok(ask) => {
                let cluster = Arc::clone(cluster);
                let done = tokio::spawn(async move { cluster.carry_out(ask).await }).await;
                done.unwrap_or_else(|error| Answer::Failed { why: error.to_string() })
            }
            Err(error) => Answer::Failed { why: format!("this is no ask: {error}") },
        };
        write.write_all((serde_json::to_string(&answer)? + "\n").as_bytes()).await?;
    }
}

/// Asks a cluster by its socket.
///
/// # Errors
/// [`AskError::Failed`] has the cluster's own words.
/// # Cancel safety
/// An ask that was sent is carried out.
pub async fn ask(socket: &Path, ask: &Ask) -> Result<Answer, AskError> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all((serde_json::to_string(ask)? + "\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream).take(LINE_MAX).read_line(&mut line).await?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    };
    let line = timeout(ANSWER_WITHIN, exchange).await.unwrap_or_else(|late| Err(late.into()));
    let line = line.map_err(|source| AskError::Socket { source })?;
    match serde_json::from_str(&line) {
        Ok(Answer::Failed { why }) => Err(AskError::Failed { why }),
        Ok(answer) => Ok(answer),
        Err(_) => Err(AskError::Odd { answer: line }),
    }
}

/// Asks how a cluster is.
///
/// # Errors
/// As [`ask`].
pub async fn status(socket: &Path) -> Result<Status, AskError> {
    match ask(socket, &Ask::Status).await? {
        Answer::Status(status) => Ok(*status),
        other => Err(AskError::Odd { answer: format!("{other:?}") }),
    }
}
