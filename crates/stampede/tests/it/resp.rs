//! As much of Redis's protocol as these tests need.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A connection.
pub(crate) struct Redis {
    reader: BufReader<TcpStream>,
}

/// What Redis answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nothing,
    Text(String),
    Number(i64),
}

impl Redis {
    /// Connects to `redis://user:password@host:port/database`.
    pub(crate) fn connect(url: &str) -> Option<Self> {
        let (login, place) = url.strip_prefix("redis://")?.rsplit_once('@')?;
        let (address, database) = place.split_once('/').unwrap_or((place, "0"));
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut redis = Self { reader: BufReader::new(stream) };
        let password = login.split_once(':').map_or(login, |(_, password)| password);
        redis.ask(&["AUTH", password])?;
        redis.ask(&["SELECT", if database.is_empty() { "0" } else { database }])?;
        Some(redis)
    }

    /// Asks; `None` when the connection is gone or Redis refuses.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Option<Reply> {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            write!(text, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
        self.reader.get_mut().write_all(text.as_bytes()).ok()?;
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        let (kind, rest) = line.trim_end().split_at_checked(1)?;
        match kind {
            "+" => Some(Reply::Text(rest.to_owned())),
            ":" => Some(Reply::Number(rest.parse().ok()?)),
            "$" if rest == "-1" => Some(Reply::Nothing),
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().ok()? + 2];
                self.reader.read_exact(&mut bytes).ok()?;
                bytes.truncate(bytes.len() - 2);
                Some(Reply::Text(String::from_utf8(bytes).ok()?))
            }
            _ => None,
        }
    }

    /// The text of an answer.
    pub(crate) fn text(&mut self, words: &[&str]) -> Option<String> {
        match self.ask(words)? {
            Reply::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an answer.
    pub(crate) fn number(&mut self, words: &[&str]) -> Option<i64> {
        match self.ask(words)? {
            Reply::Number(number) => Some(number),
            _ => None,
        }
    }
}
