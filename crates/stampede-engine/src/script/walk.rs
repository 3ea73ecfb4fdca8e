//! A virtual user's way through its steps.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use rand::RngExt;
use stampede_model::scenario::{Body, Choice, Flow, Step, Task, Think};

use super::answer::Answer;
use super::person::{HasRows, Person, UserDice};
use super::prepared::{BODY_MAX, Ready};
use super::{Mode, Shared, tell};
use crate::load::scenario::{Attempt, BarrierId, Client, Halt, Mismatch, Outgoing, Received, StepId, Want};

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
    let (ready, _) = &shared.prepared.users[user];
    let started = steps(shared, (&shared.plan.users[user].start, ready), person, client).await;
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
    let Person { frame, copies, last_status, text, .. } = person;
    let request = match ready.copy {
        None => &ready.base,
        Some(number) => {
            let copy = copies[number].get_or_insert_with(|| ready.base.clone());
            let mut filler = Filler { shared, frame, text, dice: UserDice(client.rng()) };
            filler.fill(step, ready, copy).map_err(|why| Halt::Run(shared.plan.redact(&why)))?;
            &*copy
        }
    };
    let answer = Answer { plan: &shared.plan, step, ready };
    let (mut told, mut want) = (String::new(), ready.want);
    let is_told = matches!(shared.mode, Mode::Once(_));
    if is_told {
        tell::request(&mut told, &shared.plan, &shared.plan.series[step.series].name, request);
        want = Want { head: true, body_max: BODY_MAX, timeout: want.timeout };
    }
    let said = &mut told;
    let check = |received: &Received<'_>| {
        *last_status = Some(received.status);
        let judged = answer.judge(received, frame);
        if is_told {
            tell::answer(said, &shared.plan, received);
            if let Err(Mismatch::Content(why)) = &judged {
                tell::mismatch(said, why);
            }
        }
        judged
    };
    let attempt = client.attempt(StepId(step.series as u32), request, want, check).await?;
    if let (Mode::Once(tell), Attempt::Failed { kind, .. }) = (&shared.mode, &attempt) {
        tell::failure(&mut told, *kind);
        tell::say(shared, tell, frame, &told);
    } else if let Mode::Once(tell) = &shared.mode {
        tell::say(shared, tell, frame, &told);
    }
    match attempt {
        Attempt::Good(()) => Ok(()),
        Attempt::Failed { .. } => Err(Halt::Iteration),
    }
}

/// Fills the slots of a request.
struct Filler<'a> {
    shared: &'a Shared,
    frame: &'a stampede_model::scenario::Frame,
    text: &'a mut String,
    dice: UserDice<'a>,
}

impl Filler<'_> {
    fn fill(&mut self, step: &Step, ready: &Ready, request: &mut Outgoing) -> Result<(), String> {
        let name = || &self.shared.plan.series[step.series].name;
        if step.request.path.fixed().is_none() {
            self.render(&step.request.path);
            let origin = &self.shared.plan.origins[step.request.origin].url;
            let Some(with_slash) = path_at(origin, self.text) else {
                return Err(format!("step `{}` would go to `{}`, which is another server", name(), self.text));
            };
            request.set_path(&with_slash).map_err(|error| format!("step `{}`: {error}", name()))?;
        }
        for (header, value) in &ready.headers {
            self.render(value);
            let value = HeaderValue::from_str(self.text)
                .map_err(|_| format!("step `{}`: the value of header {header} cannot stand in a header", name()))?;
            request.headers_mut().insert(header, value);
        }
        if let Body::Text(body) = &step.request.body
            && body.fixed().is_none()
        {
            self.render(body);
            request.set_body(Bytes::copy_from_slice(self.text.as_bytes()));
        }
        Ok(())
    }

    fn render(&mut self, template: &stampede_model::scenario::Template) {
        self.text.clear();
        template.render(self.text, &self.shared.plan.feeds, self.frame, &mut self.dice);
    }
}

/// The path of `text`, which may begin with `origin` or without a slash; `None` when it leads to another server.
fn path_at(origin: &str, text: &str) -> Option<String> {
    // A port or a name that goes on is another server.
    let own = text.strip_prefix(origin).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    let path = own.unwrap_or(text);
    if path.starts_with('/') {
        return Some(path.to_owned());
    }
    let is_scheme = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let leads_away = path.split_once("://").is_some_and(|(word, _)| is_scheme(word));
    (!leads_away).then(|| format!("/{path}"))
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

#[cfg(test)]
mod tests {
    use super::path_at;

    #[test]
    fn a_url_of_the_same_server_is_its_path_and_a_longer_name_is_another_server() {
        let here = |text| path_at("http://shop.test:80", text);
        assert_eq!(here("http://shop.test:80/a?b=c").as_deref(), Some("/a?b=c"));
        assert_eq!(here("http://shop.test:80?b=c").as_deref(), Some("/?b=c"));
        assert_eq!(here("a?to=http://else.test/").as_deref(), Some("/a?to=http://else.test/"));
        assert_eq!(here("/a").as_deref(), Some("/a"));
        for elsewhere in ["http://shop.test:8080/a", "http://shop.test:80.evil/a", "https://shop.test/"] {
            assert_eq!(here(elsewhere), None, "{elsewhere}");
        }
    }
}
