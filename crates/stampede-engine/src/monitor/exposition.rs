//! A service's own metrics, in the text format of Prometheus.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Longest answer that is read.
const ANSWER_MAX_BYTES: u64 = 4 << 20;

/// The body of a GET that is answered with 200, on a connection of its own.
///
/// # Errors
/// When there is no such answer in time.
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn exposition(address: SocketAddr, path: &str) -> io::Result<String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        // HTTP/1.0 is answered without chunks. The answer ends with the connection, or by its length where that stays open.
        let head = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut stream = stream.take(ANSWER_MAX_BYTES);
        let mut answer = Vec::new();
        while !is_whole(&answer) && stream.read_buf(&mut answer).await? > 0 {}
        let text = String::from_utf8_lossy(&answer).into_owned();
        let odd = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return Err(odd("this is no HTTP answer".to_owned()));
        };
        let first = head.lines().next().unwrap_or_default();
        if first.split(' ').nth(1) != Some("200") {
            return Err(odd(format!("GET {path} was answered with `{first}`")));
        }
        Ok(body.to_owned())
    };
    timeout(ANSWER_WITHIN, ask).await.unwrap_or_else(|late| Err(late.into()))
}

/// Whether an answer has as many bytes as its head announces; one that announces none ends with its connection.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"));
        for part in ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na", "HTTP/1.1 200 OK\r\n\r\nab", "HTTP/1.1 200", ""] {
            assert!(!is_whole(part.as_bytes()), "{part}");
        }
    }
}
