//! Statements to PostgreSQL: one by itself, or several in one transaction.

use std::error::Error;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

use super::answer::Answer;
use super::value::{Param, shown};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(70);
/// Statements of one transaction.
const STEPS_MAX: usize = 100;

/// A statement and its parameters.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    text: String,
    #[serde(default)]
    params: Vec<Value>,
}

/// A session of one client; it ends with this.
pub(super) struct Session(Client);

/// Reads one statement, or a list of them for one transaction.
pub(super) fn steps(body: &Value) -> Result<Vec<Step>, Answer> {
    let read = |value: &Value| {
        Step::deserialize(value).map_err(|error| {
            Answer::mistake(format!("a statement is {{\"text\": \"select $1::int\", \"params\": [1]}}: {error}"))
        })
    };
    match body {
        Value::Array(steps) if (1..=STEPS_MAX).contains(&steps.len()) => steps.iter().map(read).collect(),
        Value::Array(_) => Err(Answer::mistake(format!("a transaction has 1 to {STEPS_MAX} statements"))),
        one => Ok(vec![read(one)?]),
    }
}

/// Why a transaction went no further.
enum Broken {
    /// A statement touched no row.
    Nothing(usize),
    Error(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Broken {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Error(error)
    }
}

impl Session {
    pub(super) async fn open(config: &Config) -> Result<Self, Answer> {
        let opened = timeout(CONNECT_WITHIN, config.connect(NoTls)).await;
        let opened = opened.map_err(|_| Answer::broken("PostgreSQL: no connection in time"))?;
        let (client, connection) = opened.map_err(|error| Answer::broken(&format!("PostgreSQL: {error}")))?;
        // It ends with the client; what it dies of is the next statement's error.
        tokio::task::spawn_local(async move { drop(connection.await) });
        Ok(Self(client))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Runs the statements. Of a transaction, the first that touches no row undoes all.
    pub(super) async fn run(&self, steps: &[Step]) -> Answer {
        let ran = async {
            match steps {
                [only] => self.step(only).await.map_err(Broken::Error),
                steps => self.transaction(steps).await,
            }
        };
        match timeout(ANSWER_WITHIN, ran).await {
            Err(_) => Answer::broken("PostgreSQL: no answer in time"),
            Ok(Ok((rows, 0))) if rows.is_empty() => Answer::nothing(json!({"rows": [], "count": 0})),
            Ok(Ok((rows, count))) => Answer::ok(json!({"rows": rows, "count": count})),
            Ok(Err(Broken::Nothing(step))) => Answer::nothing(json!({"rows": [], "count": 0, "step": step + 1})),
            Ok(Err(Broken::Error(error))) => told(&error),
        }
    }

    async fn transaction(&self, steps: &[Step]) -> Result<(Vec<Value>, u64), Broken> {
        self.0.batch_execute("begin").await?;
        let done = self.all(steps).await;
        let end = if done.is_ok() { "commit" } else { "rollback" };
        let ended = self.0.batch_execute(end).await;
        let done = done?;
        ended?;
        Ok(done)
    }

    async fn all(&self, steps: &[Step]) -> Result<(Vec<Value>, u64), Broken> {
        let mut last = (Vec::new(), 0);
        for (number, step) in steps.iter().enumerate() {
            last = self.step(step).await?;
            if last.1 == 0 {
                return Err(Broken::Nothing(number));
            }
        }
        Ok(last)
    }

    /// The rows of one statement, and how many it touched.
    async fn step(&self, step: &Step) -> Result<(Vec<Value>, u64), tokio_postgres::Error> {
        let statement = self.0.prepare(&step.text).await?;
        let params: Vec<Param<'_>> = step.params.iter().map(Param).collect();
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
        if statement.columns().is_empty() {
            return Ok((Vec::new(), self.0.execute(&statement, &params).await?));
        }
        let rows = self.0.query(&statement, &params).await?;
        let shown = rows.iter().map(object).collect::<Result<Vec<_>, _>>()?;
        let count = shown.len() as u64;
        Ok((shown, count))
    }
}

fn object(row: &Row) -> Result<Value, tokio_postgres::Error> {
    let mut object = Map::new();
    for (index, column) in row.columns().iter().enumerate() {
        object.insert(column.name().to_owned(), shown(row, index, column.type_())?);
    }
    Ok(Value::Object(object))
}

/// An error as a check needs it: refused by the data or by another transaction, a mistake, or no answer.
fn told(error: &tokio_postgres::Error) -> Answer {
    let Some(refusal) = error.as_db_error() else {
        // A value that does not fit its type never left; anything else is the connection.
        let cause = error.source();
        return if error.is_closed() || cause.is_some_and(<dyn Error + 'static>::is::<std::io::Error>) {
            Answer::broken(&format!("PostgreSQL: {error}"))
        } else {
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            Answer::mistake(format!("{error}{cause}"))
        };
    };
    let (code, text) = (refusal.code().code(), refusal.message());
    match &code[..2] {
        // Integrity, rolled back by a conflict, a lock not had, a rule of a procedure's own.
        "23" | "40" | "55" | "P0" => Answer::refused(code, text),
        // Class 57 and 53: it shuts down, cancels, or has no room.
        "57" | "53" | "08" => Answer::broken(text),
        _ => Answer::wrong(code, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_come_singly_or_as_a_transaction() {
        assert_eq!(steps(&json!({"text": "select 1"})).unwrap().len(), 1);
        assert_eq!(steps(&json!([{"text": "a"}, {"text": "b", "params": [1, "x"]}])).unwrap().len(), 2);
        for wrong in [json!([]), json!("select 1"), json!({"sql": "x"}), json!([{"text": 1}])] {
            assert!(steps(&wrong).is_err(), "{wrong}");
        }
    }
}
