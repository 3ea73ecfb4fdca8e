//! The scripts, one for each step, hashed once.

use std::fmt::Write as _;

use crate::link::NamedScript;
use crate::lock::COUNTER_BITS;
use crate::queue::bounds::{DEAD_KEEP_MS, DEAD_MAX, JOBS_MAX, REPLAY_MAX, SETTLE_MAX, SHOW_MAX};
use crate::queue::turn::{DEFAULT_FIRST_EVERY, LOW_FIRST_EVERY};

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) enqueue: NamedScript,
    pub(super) claim: NamedScript,
    pub(super) heartbeat: NamedScript,
    pub(super) complete: NamedScript,
    pub(super) fail: NamedScript,
    pub(super) give_back: NamedScript,
    pub(super) dead_letters: NamedScript,
    pub(super) replay: NamedScript,
    pub(super) flow: NamedScript,
    pub(super) counts: NamedScript,
    pub(super) incarnation: NamedScript,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            enqueue: with_prelude("enqueue", include_str!("../scripts/enqueue.lua")),
            claim: with_prelude("claim", include_str!("../scripts/claim.lua")),
            heartbeat: with_prelude("heartbeat", include_str!("../scripts/heartbeat.lua")),
            complete: with_prelude("complete", include_str!("../scripts/complete.lua")),
            fail: with_prelude("fail", include_str!("../scripts/fail.lua")),
            give_back: with_prelude("give_back", include_str!("../scripts/give_back.lua")),
            dead_letters: with_prelude("dead_letters", include_str!("../scripts/dead_letters.lua")),
            replay: with_prelude("replay", include_str!("../scripts/replay.lua")),
            flow: with_prelude("flow", include_str!("../scripts/flow.lua")),
            counts: with_prelude("counts", include_str!("../scripts/counts.lua")),
            incarnation: with_prelude("incarnation", include_str!("../scripts/incarnation.lua")),
        }
    }
}

/// The bounds are those of the rule; the scripts have none of their own.
fn with_prelude(name: &'static str, body: &str) -> NamedScript {
    let mut code = String::new();
    for (bound, value) in [
        ("COUNTER_BITS", u64::from(COUNTER_BITS)),
        ("JOBS_MAX", JOBS_MAX as u64),
        ("DEAD_MAX", DEAD_MAX as u64),
        ("DEAD_KEEP_MS", DEAD_KEEP_MS),
        ("SETTLE_MAX", SETTLE_MAX as u64),
        ("REPLAY_MAX", REPLAY_MAX as u64),
        ("SHOW_MAX", SHOW_MAX as u64),
        ("LOW_FIRST_EVERY", LOW_FIRST_EVERY),
        ("DEFAULT_FIRST_EVERY", DEFAULT_FIRST_EVERY),
    ] {
        writeln!(code, "local {bound} = {value}").expect("a string takes every text");
    }
    code.push_str(include_str!("../scripts/prelude.lua"));
    code.push_str(body);
    NamedScript::new(name, &code)
}
