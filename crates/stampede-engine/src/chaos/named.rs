//! A fault in words, as the journal and the tables have it.

use std::time::Duration;

use stampede_model::chaos::{DatabaseStop, Direction, Fault, HttpWhat, RedisPause, Rough};
use stampede_model::units::{show_duration, trimmed};

use super::inject::Order;

/// What is broken, and how.
pub(super) fn in_words(order: &Order) -> String {
    let kind = order.kind;
    let way = |direction: &Direction| match direction {
        Direction::Both => "",
        Direction::Up => " up",
        Direction::Down => " down",
    };
    match &order.fault {
        Fault::Slow(limits, direction) => {
            let mut text = kind.to_string();
            for (name, value) in [("", limits.latency_ms), (" jitter", limits.jitter_ms), ("", limits.close_ms)] {
                if value > 0 {
                    text = format!("{text}{name} {}", show_duration(Duration::from_millis(value)));
                }
            }
            if limits.bytes_per_s > 0 {
                text = format!("{text} {} B/s", limits.bytes_per_s);
            }
            text + way(direction)
        }
        Fault::HalfOpen(direction) => format!("{kind}{}", way(direction)),
        Fault::PostgresStop(how) | Fault::Promote(how) => format!("{kind} {}", ending(*how)),
        Fault::Http(trouble) => {
            let share = format!("{} %", trimmed(f64::from(trouble.per_million) / 1e4));
            match trouble.what {
                HttpWhat::Error(status) => format!("{kind} {status} {share}"),
                HttpWhat::NoAnswer | HttpWhat::Twice => format!("{kind} {share}"),
            }
        }
        Fault::RedisStop(Rough::Kill) => format!("{kind} kill"),
        Fault::Exhaust(Some(connections)) => format!("{kind} {connections}"),
        Fault::LockTable(table) => format!("{kind} {table}"),
        Fault::ClientPause(RedisPause::Write) => format!("{kind} write"),
        _ => kind.to_string(),
    }
}

const fn ending(how: DatabaseStop) -> &'static str {
    match how {
        DatabaseStop::Smart => "smart",
        DatabaseStop::Fast => "fast",
        DatabaseStop::Immediate => "immediate",
        DatabaseStop::Kill => "kill",
    }
}
