//! What is looked at while nobody acts: every object after a round, and what only shows at the end.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use stampede_model::history::{Fields, Model, Operation, Outcome};
use stampede_model::target::Scope;
use tokio::time::{Instant, sleep};

use super::super::stock::read_ledger;
use super::WorkloadError;
use super::client::{Client, Intent};
use super::habit::{Common, Habit};
use super::look::Look;

/// Objects that are read after each round; at the end all are.
const READ_EACH_ROUND: usize = 32;
/// How long a queue may take to become empty, unless the workload's `drain_ms` says otherwise.
const DRAIN_MS: i64 = 30_000;
/// Pause between two looks at a queue.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Reads objects at rest.
pub(super) async fn read_all<W: Write>(client: &mut Client<'_, '_, W>, is_last: bool) -> Result<(), WorkloadError> {
    let role = match *client.shared.workload.model.as_ref() {
        Model::Stock | Model::Register | Model::Counter => "read",
        _ => return Ok(()),
    };
    let count = client.shared.objects.len();
    for object in 0..if is_last { count } else { count.min(READ_EACH_ROUND) } {
        let intent = Intent { role, object, is_kept: true, ..Intent::default() };
        // Between two rounds the next rest is near; at the end there is none.
        if is_last {
            client.insist(intent).await?
        } else {
            client.perform(intent).await?
        };
    }
    Ok(())
}

/// What is asked while nobody else is busy, before the first round and after the last: each tenant's script.
pub(super) async fn baselines<W: Write>(seats: &mut [(Client<'_, '_, W>, Habit)]) -> Result<(), WorkloadError> {
    let mut seen = BTreeSet::new();
    for (client, habit) in seats {
        if let Habit::Tenants(habit) = habit {
            habit.baseline(client, &mut seen).await?;
        }
    }
    Ok(())
}

/// What only shows when all is over.
pub(super) async fn audit<W: Write>(client: &mut Client<'_, '_, W>, common: &Common) -> Result<(), WorkloadError> {
    match *client.shared.workload.model.as_ref() {
        Model::Stock => movements(client).await?,
        Model::Idempotency => once(client, common).await?,
        Model::Queue => queue(client, common).await?,
        _ => {}
    }
    for name in &client.shared.workload.audit {
        client.audit(name).await?;
    }
    Ok(())
}

/// The ledger's rows, as operations.
async fn movements<W: Write>(client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
    let Some(ledger) = &client.shared.workload.ledger else { return Ok(()) };
    for object in 0..client.shared.objects.len() {
        let of_object = client.shared.objects[object].clone();
        let mut caller = client.caller.clone();
        caller.scope.extend(&of_object.scope);
        let mut tries = client.shared.manner.patience.at_rest();
        let (call_ns, movements) = loop {
            let mut line = client.bench.open_line().await?;
            let call_ns = client.bench.now_ns();
            match read_ledger(client.bench, &mut line, ledger, &caller).await {
                Ok(movements) => break (call_ns, movements),
                Err(error) if tries <= 1 => return Err(error.into()),
                Err(_) => tries -= 1,
            }
            sleep(LOOK_AGAIN).await;
        };
        let return_ns = client.bench.now_ns();
        for movement in movements {
            let mut output = Fields::new()
                .with("version", movement.version)
                .with("available", movement.available)
                .with("reserved", movement.reserved);
            for (name, amount) in [("shipped", movement.shipped), ("received", movement.received)] {
                if let Some(amount) = amount {
                    output.set(name, amount);
                }
            }
            let mut recorder = client.shared.recorder.borrow_mut();
            let (id, process) = (recorder.operation(), recorder.process());
            let operation = Operation {
                id,
                process,
                key: of_object.key.clone(),
                op: "movement".to_owned(),
                input: Fields::new(),
                call_ns,
                return_ns: Some(return_ns),
                outcome: Outcome::Ok,
                refused: None,
                output,
                note: format!("a row of the ledger, {}", ledger.request.as_ref()),
                idempotency_key: None,
            };
            recorder.write(&operation).map_err(WorkloadError::History)?;
        }
    }
    Ok(())
}

async fn once<W: Write>(client: &mut Client<'_, '_, W>, common: &Common) -> Result<(), WorkloadError> {
    let used: Vec<(String, usize)> =
        common.once.used.borrow().iter().map(|(key, object)| (key.clone(), *object)).collect();
    for (key, object) in used {
        for (role, look) in [("find", Look::Ids), ("effect", Look::Plain)] {
            if client.has(role) {
                let slots = Scope::default().with("idempotency_key", key.as_str()).with("body", 0);
                let key = Some(key.clone());
                client.insist(Intent { role, object, key, slots, is_kept: true, look, ..Intent::default() }).await?;
            }
        }
    }
    Ok(())
}

/// Waits until the queue is empty twice in a row, then asks for the effect of every job.
async fn queue<W: Write>(client: &mut Client<'_, '_, W>, common: &Common) -> Result<(), WorkloadError> {
    let drain_ms = client.shared.workload.setting("drain_ms").unwrap_or(DRAIN_MS);
    let until = Instant::now() + Duration::from_millis(drain_ms.unsigned_abs());
    let mut empty = 0;
    while empty < 2 && Instant::now() < until {
        let done = client.perform(Intent { role: "drained", is_kept: true, ..Intent::default() }).await?;
        let left = ["ready", "delayed", "reserved"].iter().filter_map(|name| done.integer(name)).sum::<i64>();
        empty = if done.is_ok() && left == 0 { empty + 1 } else { 0 };
        sleep(LOOK_AGAIN).await;
    }
    let jobs: Vec<String> = common.queueing.jobs.borrow().clone();
    for job in jobs {
        let intent = Intent {
            role: "effect",
            input: Fields::new().with("job", Value::from(job.as_str())),
            slots: Scope::default().with("job", job),
            is_kept: true,
            ..Intent::default()
        };
        client.insist(intent).await?;
    }
    Ok(())
}
