//! What to do about a doubt, by its rule.

/// The advice; nothing for a rule that says it itself.
pub(crate) fn advice(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "indeterminate" => {
            "let the run ask what became of them: give the workload's requests an Idempotency-Key and the target a `resolve`"
        }
        "no-witness" => {
            "take the system's own order (a version, a fence, what remains) from the answers in the target file"
        }
        "bad-field" => "look at the named operation: the target file takes this value from the wrong place",
        "budget" => {
            "give the search more steps (--search-steps), or check fewer clients or operations at a time (-c, -n)"
        }
        "never-contended" => "use more clients (-c) or fewer keys: clients that never meet show nothing",
        "never-refused" => "start with less, so that some are refused: a bound that is never reached is not tested",
        "never-limited" => "send more in one window than the limit allows",
        "never-expired-while-held" => "let some clients sleep longer than the lifetime they ask for",
        "never-redelivered" => "end a worker in the middle of a job, so that one is delivered again",
        "no-quiescent-read" => "bind `read`: without a look at rest, what is pending can excuse almost anything",
        "too-few-operations" => "let it run longer (-n, -d)",
        "truncated" => "run it again to the end, or take the file as it was written",
        "overlong-wait" => {
            "look at the server's load: a wait beyond what was asked for is no violation, but no good sign"
        }
        _ => return None,
    })
}
