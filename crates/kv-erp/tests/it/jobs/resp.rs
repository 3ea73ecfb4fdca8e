//! A look into Redis as an operator has it, without the service's own client.

use std::fmt::Write as _;
use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// An answer, as far as a test needs to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Text(String),
    Number(i64),
    List(Vec<Reply>),
    Nothing,
}

/// A connection.
pub(super) struct Operator(BufReader<TcpStream>);

impl Operator {
    /// Connects to the server of a URL as the sandbox gives it: `redis://default:PASSWORD@HOST:PORT/0`.
    pub(super) async fn of(url: &str) -> io::Result<Self> {
        let (login, place) = url.trim_start_matches("redis://").split_once('@').expect("the sandbox's URL has a login");
        let password = login.trim_start_matches("default:");
        let mut operator = Self(BufReader::new(TcpStream::connect(place.split('/').next().unwrap()).await?));
        operator.ask(&["AUTH", password]).await?;
        Ok(operator)
    }

    /// Asks and gives the answer.
    pub(super) async fn ask(&mut self, words: &[&str]) -> io::Result<Reply> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            write!(command, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
        self.0.write_all(command.as_bytes()).await?;
        self.read().await
    }

    async fn read(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (sign, rest) = line.trim_end().split_at(1);
        Ok(match sign {
            ":" => Reply::Number(rest.parse().unwrap()),
            "$" | "*" if rest == "-1" => Reply::Nothing,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bytes).await?;
                Reply::Text(String::from_utf8_lossy(&bytes[..bytes.len() - 2]).into_owned())
            }
            "*" => {
                let mut items = Vec::new();
                for _ in 0..rest.parse::<usize>().unwrap() {
                    items.push(Box::pin(self.read()).await?);
                }
                Reply::List(items)
            }
            "-" => return Err(io::Error::other(rest.to_owned())),
            _ => Reply::Text(rest.to_owned()),
        })
    }
}
