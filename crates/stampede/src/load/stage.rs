//! Small words of the command line: stages of load, ways to travel.
//!
//! Invariant: stages of one run are all connections or all rates; a mixture is refused, never guessed.

use std::str::FromStr;
use std::time::Duration;

use anyhow::bail;
use stampede_engine::http::Transport;
use stampede_model::schedule::{Stage, UserStage};
use stampede_model::units::{parse_count, parse_duration, parse_rate};

/// One `--stage`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LoadStage {
    over: Duration,
    to: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    Connections(u32),
    PerS(f64),
}

/// Who decides when a request leaves, and the stages of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Model {
    Closed(Vec<UserStage>),
    Open(Vec<Stage>),
}

impl FromStr for LoadStage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape =
            || format!("`{text}` is no stage: write TIME:CONNECTIONS such as 30s:100, or TIME:RATE such as 30s:200/s");
        let (over, amount) = text.split_once(':').ok_or_else(shape)?;
        let over = parse_duration(over).map_err(|error| error.to_string())?;
        let to = match amount {
            "0" => Amount::Connections(0),
            "0/s" => Amount::PerS(0.0),
            rate if rate.contains('/') => Amount::PerS(parse_rate(rate).map_err(|error| error.to_string())?),
            count => {
                let count = parse_count(count).map_err(|error| error.to_string())?;
                Amount::Connections(u32::try_from(count).map_err(|_| format!("{count} connections are too many"))?)
            }
        };
        Ok(Self { over, to })
    }
}

/// Sorts stages by what they are; `rate` alone makes the model an open one.
pub(super) fn model(stages: &[LoadStage], rate: Option<f64>) -> anyhow::Result<Model> {
    let users: Vec<UserStage> = stages.iter().filter_map(LoadStage::users).collect();
    let rates: Vec<Stage> = stages.iter().filter_map(LoadStage::rate).collect();
    if !users.is_empty() && (!rates.is_empty() || rate.is_some()) {
        bail!("stages of connections and of a rate contradict each other: write all as 30s:100, or all as 30s:100/s");
    }
    Ok(if rate.is_some() || !rates.is_empty() { Model::Open(rates) } else { Model::Closed(users) })
}

impl LoadStage {
    fn users(&self) -> Option<UserStage> {
        match self.to {
            Amount::Connections(to_users) => Some(UserStage { over: self.over, to_users }),
            Amount::PerS(_) => None,
        }
    }

    fn rate(&self) -> Option<Stage> {
        match self.to {
            Amount::PerS(to_per_s) => Some(Stage { over: self.over, to_per_s }),
            Amount::Connections(_) => None,
        }
    }
}

/// A wished transport of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Auto,
    Hyper,
    Raw,
}

impl Way {
    pub(super) fn transport(self) -> Option<Transport> {
        match self {
            Self::Auto => None,
            Self::Hyper => Some(Transport::Hyper),
            Self::Raw => Some(Transport::Raw),
        }
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "hyper" => Ok(Self::Hyper),
            "raw" => Ok(Self::Raw),
            other => Err(format!("`{other}` is no transport: use auto, hyper or raw")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(texts: &[&str]) -> Vec<LoadStage> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn stages_are_connections_or_rates() {
        let second = Duration::from_secs(1);
        let users = model(&stages(&["1s:1k", "0s:0"]), None).unwrap();
        let expected =
            vec![UserStage { over: second, to_users: 1_000 }, UserStage { over: Duration::ZERO, to_users: 0 }];
        assert_eq!(users, Model::Closed(expected));
        let rates = model(&stages(&["1s:1.5k/s", "1s:0/s"]), Some(5.0)).unwrap();
        let expected = vec![Stage { over: second, to_per_s: 1_500.0 }, Stage { over: second, to_per_s: 0.0 }];
        assert_eq!(rates, Model::Open(expected));
        assert_eq!(model(&[], Some(5.0)).unwrap(), Model::Open(Vec::new()));
        assert!(model(&stages(&["1s:5", "1s:5/s"]), None).is_err());
        assert!(model(&stages(&["1s:5"]), Some(5.0)).is_err());
    }

    #[test]
    fn what_is_no_stage_is_named() {
        for (text, word) in
            [("30s", "no stage"), ("30:5", "a number and a unit"), ("1s:many", "no count"), ("1s:x/s", "no rate")]
        {
            let error = text.parse::<LoadStage>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
