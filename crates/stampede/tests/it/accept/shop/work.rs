//! The shop's worker: what it has in hand stands in a list of its own, so that its next life finds it.

use std::thread;
use std::time::Duration;

use super::{Bug, WORK};
use crate::resp::Redis;

const QUEUE: &str = "queue:default";
const PAUSE: Duration = Duration::from_millis(10);

pub(super) fn forever(url: &str, name: &str, bug: Bug) -> ! {
    loop {
        if let Some(mut redis) = Redis::connect(url) {
            while work(&mut redis, name, bug).is_some() {}
        }
        thread::sleep(PAUSE);
    }
}

/// Works until Redis is away.
fn work(redis: &mut Redis, name: &str, bug: Bug) -> Option<()> {
    let in_hand = format!("in-hand:{name}");
    while redis.text(&["RPOPLPUSH", &in_hand, QUEUE]).is_some() {}
    loop {
        let job = match bug {
            Bug::LosesJobs => redis.text(&["RPOP", QUEUE]),
            _ => redis.text(&["RPOPLPUSH", QUEUE, &in_hand]),
        };
        let Some(job) = job else {
            // Nothing to do, or nobody there.
            redis.ask(&["PING"])?;
            thread::sleep(PAUSE);
            continue;
        };
        thread::sleep(match bug {
            Bug::Idles => Duration::from_hours(1),
            // Long enough that whoever kills it finds it with a job in hand.
            Bug::LosesJobs => WORK * 4,
            _ => WORK,
        });
        redis.ask(&["SET", &format!("done:{job}"), "1"])?;
        redis.ask(&["LREM", &in_hand, "1", &job])?;
    }
}
