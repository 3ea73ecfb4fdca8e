//! A virtual user's way through its steps.

use std::time::Duration;

use rand::RngExt;
use stampede_model::scenario::{Choice, Flow, Step, Task, Think};

use super::answer::{Answer, Seen};
use super::fill::Filler;
use super::person::{HasRows, Person, UserDice};
use super::prepared::{BODY_MAX, Ready};
use super::record::{Ended, UnderWay};
use super::{Mode, Shared, tell};
use crate::load::scenario::{Attempt, BarrierId, Client, Halt, Mismatch, Received, StepId, Want};

/// Pause after a start that failed, for users without think time: a refused login takes microseconds, and a user who tries
/// again at once would only load the login.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Login and what else is done once.
pub(super) async fn start(
    shared: &Shared,
    flow: usize,
    person: &mut Person,
    client: &mut Client<'_>,
) -> Result<(), Halt> {
    let flow = &shared.plan.flows[flow];
    let Some(user) = flow.user else { return Ok(()) };
    if person.has_rows == HasRows::NotYet {
        draw(shared, &shared.plan.users[user].feeds, person, client)?;
        person.has_rows = HasRows::Yes;
    }
    person.last_status = None;
    let started = begin(shared, user, person, client).await;
    if started == Err(Halt::Iteration) {
        match flow.think {
            // Nobody is hurried who does everything once.
            _ if matches!(shared.mode, Mode::Once(_)) => return Err(Halt::User),
            Think::None => client.pause(START_PAUSE).await,
            Think::Pacing(every) => client.pause(every).await,
            Think::Pause { .. } => think(flow.think, person, client, 0).await,
        }
    }
    started
}

/// What a user does at its start; where a sort of users shares it, the first one does it and the others wait for what it took.
async fn begin(shared: &Shared, user: usize, person: &mut Person, client: &mut Client<'_>) -> Result<(), Halt> {
    let sort = &shared.plan.users[user];
    let (ready, _) = &shared.prepared.users[user];
    if !sort.shared {
        return steps(shared, (&sort.start, ready), person, client).await;
    }
    let first = async {
        steps(shared, (&sort.start, ready), person, client).await?;
        Ok(person.frame.variables.clone())
    };
    // One that fails or is stopped leaves its turn to the next.
    let taken = shared.starts[user].get_or_try_init(|| first).await?;
    person.frame.variables.clone_from(taken);
    Ok(())
}

/// One task, then the pause.
pub(super) async fn iterate(
    (shared, number): (&Shared, usize),
    person: &mut Person,
    client: &mut Client<'_>,
    iteration: u64,
) -> Result<(), Halt> {
    let flow = &shared.plan.flows[number];
    let began_ns = client.now_ns();
    person.frame.iteration = iteration;
    person.last_status = None;
    let chosen = match shared.mode {
        Mode::Load => choose(shared, flow, client)?,
        Mode::Once(_) => iteration as usize % flow.tasks.len(),
    };
    let task: &Task = &flow.tasks[chosen];
    draw(shared, &task.feeds, person, client)?;
    let done = steps(shared, (&task.steps, &shared.prepared.flows[number][chosen]), person, client).await;
    if matches!(done, Ok(()) | Err(Halt::Iteration)) {
        think(flow.think, person, client, began_ns).await;
    }
    done
}

/// What is done on leaving.
pub(super) async fn stop(shared: &Shared, flow: usize, person: &mut Person, client: &mut Client<'_>) {
    let Some(user) = shared.plan.flows[flow].user else { return };
    person.last_status = None;
    let (_, ready) = &shared.prepared.users[user];
    // A failure is counted, and there is nothing left to give up.
    let _left = steps(shared, (&shared.plan.users[user].stop, ready), person, client).await;
}

/// The task of this iteration.
fn choose(shared: &Shared, flow: &Flow, client: &mut Client<'_>) -> Result<usize, Halt> {
    if let Choice::Feed(feed) = flow.choice {
        return row(shared, feed, client);
    }
    if flow.tasks.len() == 1 {
        return Ok(0);
    }
    let whole: u64 = flow.tasks.iter().map(|task| u64::from(task.weight)).sum();
    let mut left = client.rng().random_range(0..whole);
    for (number, task) in flow.tasks.iter().enumerate() {
        let weight = u64::from(task.weight);
        if left < weight {
            return Ok(number);
        }
        left -= weight;
    }
    Ok(flow.tasks.len() - 1)
}

fn draw(shared: &Shared, feeds: &[usize], person: &mut Person, client: &mut Client<'_>) -> Result<(), Halt> {
    for feed in feeds {
        person.frame.rows[*feed] = row(shared, *feed, client)?;
    }
    Ok(())
}

fn row(shared: &Shared, feed: usize, client: &mut Client<'_>) -> Result<usize, Halt> {
    shared.cursors.draw(&shared.plan, feed, client.rng()).map_err(|name| {
        let rows = shared.plan.feeds[feed].rows.len();
        Halt::Run(format!(
            "feed `{name}` is used up: its {rows} rows are unique, and one more was needed; add rows, or set mode = \"circular\""
        ))
    })
}

async fn steps(
    shared: &Shared,
    (steps, ready): (&[Step], &[Ready]),
    person: &mut Person,
    client: &mut Client<'_>,
) -> Result<(), Halt> {
    for (step, ready) in steps.iter().zip(ready) {
        let wanted = step.if_status.as_ref();
        if wanted.is_some_and(|wanted| !person.last_status.is_some_and(|status| wanted.contains(status))) {
            continue;
        }
        for _ in 0..step.repeat {
            send((shared, step, ready), person, client).await?;
            think(step.think, person, client, 0).await;
        }
    }
    Ok(())
}

async fn send(
    (shared, step, ready): (&Shared, &Step, &Ready),
    person: &mut Person,
    client: &mut Client<'_>,
) -> Result<(), Halt> {
    if let Some(barrier) = step.barrier {
        client.meet(BarrierId(barrier as u32)).await;
    }
    let Person { frame, copies, last_status, text, process, .. } = person;
    let request = match ready.copy {
        None => &ready.base,
        Some(number) => {
            let copy = copies[number].get_or_insert_with(|| ready.base.clone());
            let mut filler = Filler { shared, frame, text, dice: UserDice(client.rng()) };
            filler.fill(step, ready, copy).map_err(|why| Halt::Run(shared.plan.redact(&why)))?;
            &*copy
        }
    };
    let under_way = UnderWay::begin((shared, step), (frame, process), request, client.now_ns());
    let answer = Answer { plan: &shared.plan, step, ready };
    let (mut told, mut want, mut seen) = (String::new(), ready.want, Seen::default());
    let is_told = matches!(shared.mode, Mode::Once(_));
    if is_told {
        tell::request(&mut told, &shared.plan, &shared.plan.series[step.series].name, request);
        want = Want { head: true, body_max: BODY_MAX, timeout: want.timeout };
    }
    let (said, noted) = (&mut told, &mut seen);
    let check = |received: &Received<'_>| {
        *last_status = Some(received.status);
        let judged = answer.judge(received, frame, noted);
        if is_told {
            tell::answer(said, &shared.plan, received);
            if let Err(Mismatch::Content(why)) = &judged {
                tell::mismatch(said, why);
            }
        }
        judged
    };
    let attempt = client.attempt(StepId(step.series as u32), request, want, check).await;
    if let Some(under_way) = under_way {
        let ended = Ended { exchange: client.last_exchange(), attempt: &attempt, seen: &seen };
        under_way.end(&ended, frame, process).map_err(|error| Halt::Run(error.to_string()))?;
    }
    let attempt = attempt?;
    if let (Mode::Once(tell), Attempt::Failed { kind, .. }) = (&shared.mode, &attempt) {
        tell::failure(&mut told, *kind);
        tell::say(shared, tell, frame, &told);
    } else if let Mode::Once(tell) = &shared.mode {
        tell::say(shared, tell, frame, &told);
    }
    match attempt {
        // What a refusal does not show, no later step can use.
        Attempt::Good(()) if seen.is_lacking => Err(Halt::Iteration),
        Attempt::Good(()) => Ok(()),
        Attempt::Failed { .. } => Err(Halt::Iteration),
    }
}

/// Pauses; with pacing until the next iteration is due, counted from the start of the first one.
async fn think(think: Think, person: &mut Person, client: &mut Client<'_>, began_ns: u64) {
    match think {
        Think::None => {}
        Think::Pause { from, to } => {
            let pause = if from == to { from } else { client.rng().random_range(from..=to) };
            client.pause(pause).await;
        }
        Think::Pacing(every) => {
            let every_ns = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
            let now_ns = client.now_ns();
            let due_ns = person.next_ns.unwrap_or(began_ns).saturating_add(every_ns);
            // An iteration that took too long is not made up for: the next one starts at once, and counts anew.
            person.next_ns = Some(due_ns.max(now_ns));
            client.pause(Duration::from_nanos(due_ns.saturating_sub(now_ns))).await;
        }
    }
}
