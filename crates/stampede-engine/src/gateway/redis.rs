//! One command to Redis.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, Value as Reply};
use serde_json::{Value, json};

use super::answer::Answer;

/// Long enough for a blocking command that a check gives a bound of its own.
const ANSWER_WITHIN: Duration = Duration::from_secs(70);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A connection of one client.
pub(super) struct Session(MultiplexedConnection);

/// Reads a command: a list of texts and numbers.
pub(super) fn command(body: &Value) -> Result<Cmd, Answer> {
    let words = body.as_array().filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| Answer::mistake("a command is a list, as [\"SET\", \"key\", \"value\"]"))?;
    let mut command = Cmd::new();
    for word in words {
        match word {
            Value::String(text) => command.arg(text),
            Value::Number(number) => command.arg(number.to_string()),
            Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(Answer::mistake(format!("a command holds texts and numbers, not {word}")));
            }
        };
    }
    Ok(command)
}

impl Session {
    pub(super) async fn open(client: &Client) -> Result<Self, Answer> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let opened = client.get_multiplexed_async_connection_with_config(&config).await;
        opened.map(Self).map_err(|error| Answer::broken(&format!("Redis: {error}")))
    }

    /// Runs a command. What was sent is in the answer, because a token is often made by whoever sends it.
    pub(super) async fn run(&mut self, command: Cmd, sent: &Value) -> Answer {
        let reply: Result<Reply, _> = command.query_async(&mut self.0).await;
        match reply {
            Ok(Reply::Nil) => Answer::nothing(json!({"value": null, "sent": sent})),
            Ok(reply) => Answer::ok(json!({"value": shown(&reply), "sent": sent})),
            Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => {
                Answer::wrong(error.code().unwrap_or("ERR"), &error.to_string())
            }
            Err(error) => Answer::broken(&format!("Redis: {error}")),
        }
    }
}

fn shown(reply: &Reply) -> Value {
    match reply {
        Reply::Nil => Value::Null,
        Reply::Int(number) => (*number).into(),
        Reply::Double(number) => (*number).into(),
        Reply::Boolean(truth) => (*truth).into(),
        Reply::BulkString(bytes) => String::from_utf8_lossy(bytes).into(),
        Reply::SimpleString(text) | Reply::VerbatimString { text, .. } => text.as_str().into(),
        Reply::Okay => "OK".into(),
        Reply::Array(items) | Reply::Set(items) => items.iter().map(shown).collect(),
        Reply::Map(pairs) => pairs.iter().map(|(name, value)| json!([shown(name), shown(value)])).collect(),
        Reply::Attribute { data, .. } => shown(data),
        // Pushes, big numbers and what later protocols bring: in words, so that nothing is lost.
        other => format!("{other:?}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_list_of_words() {
        assert!(command(&json!(["SET", "k", 7])).is_ok());
        for wrong in [json!([]), json!("GET k"), json!(["SET", null]), json!(["SET", ["k"]]), json!({})] {
            assert!(!command(&wrong).err().unwrap().is_ok(), "{wrong}");
        }
    }

    #[test]
    fn replies_are_shown_as_json() {
        let reply = Reply::Array(vec![Reply::Int(1), Reply::Nil, Reply::BulkString(b"a".to_vec()), Reply::Okay]);
        assert_eq!(shown(&reply), json!([1, null, "a", "OK"]));
    }
}
