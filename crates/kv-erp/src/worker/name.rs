//! A job's name in the queue: its id, and behind a point which of its lives it is, if it was replayed. So what is left in the queue of
//! a life that is over is not taken for the next one.

use kv_coord::queue::JobId as QueueName;
use kv_types::JobId;

/// The name of a life of a job.
pub(super) fn of(id: JobId, replays: i32) -> QueueName {
    let text = if replays == 0 { id.to_string() } else { format!("{id}.{replays}") };
    QueueName::parse(&text).expect("an id and a number are short and plain")
}

/// Reads a name; `None` for one that this program does not give.
pub(super) fn read(name: &QueueName) -> Option<(JobId, i32)> {
    let text = name.as_str();
    let (id, replays) = text.split_once('.').unwrap_or((text, "0"));
    Some((id.parse().ok()?, replays.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_given() {
        let id: JobId = "01960000-0000-7000-8000-00000000000b".parse().unwrap();
        for replays in [0, 1, i32::MAX] {
            assert_eq!(read(&of(id, replays)), Some((id, replays)));
        }
        for bad in ["x", "01960000-0000-7000-8000-00000000000b.x", "7.1"] {
            assert_eq!(read(&QueueName::parse(bad).unwrap()), None, "{bad}");
        }
    }
}
