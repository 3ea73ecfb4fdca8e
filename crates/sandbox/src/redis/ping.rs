//! The two commands that readiness needs, spoken by hand: a Redis client would be a dependency for twelve bytes.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where to ask.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door<'a> {
    Port(u16),
    Socket(&'a Path),
}

/// Logs in and asks `PING`. The password is the folder's own, so the right answer also proves that this is our server and not one
/// that took the port before it.
pub(super) async fn ping(door: Door<'_>, password: &str) -> io::Result<()> {
    let ask = async {
        match door {
            Door::Port(port) => exchange(TcpStream::connect(("127.0.0.1", port)).await?, password).await,
            Door::Socket(path) => exchange(UnixStream::connect(path).await?, password).await,
        }
    };
    tokio::time::timeout(ANSWER_WITHIN, ask).await.unwrap_or_else(|late| Err(late.into()))
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, password: &str) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(format!("AUTH {password}\r\nPING\r\n").as_bytes()).await?;
    stream.flush().await?;
    for expected in ["+OK", "+PONG"] {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line.trim_end() != expected {
            return Err(io::Error::other(format!("answered {:?} instead of {expected}", line.trim_end())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    async fn answered(answer: &'static str) -> io::Result<()> {
        let (ours, mut theirs) = tokio::io::duplex(256);
        let serve = async move {
            let mut asked = [0; 18];
            theirs.read_exact(&mut asked).await?;
            assert_eq!(&asked, b"AUTH secret\r\nPING\r");
            theirs.write_all(answer.as_bytes()).await
        };
        let (outcome, served) = tokio::join!(exchange(ours, "secret"), serve);
        served.and(outcome)
    }

    #[tokio::test]
    async fn only_a_logged_in_pong_is_ready() {
        answered("+OK\r\n+PONG\r\n").await.unwrap();
        let loading = answered("+OK\r\n-LOADING Redis is loading the dataset in memory\r\n").await.unwrap_err();
        assert!(loading.to_string().contains("LOADING"), "{loading}");
        assert!(answered("-WRONGPASS invalid username-password pair\r\n").await.is_err());
        assert!(answered("").await.is_err());
    }
}
