//! What a plan will do, reckoned beforehand: requests per second, users at work, rows needed, time; and thresholds that
//! can only come out one way.
//!
//! The reckoning: a user's iteration takes its requests times the assumed answer time, plus its pauses; iterations per
//! second are users over that time (Little's law), in the open model what was asked for.
//! Invariant: everything here follows from the plan and the assumption; nothing is measured.

use std::time::Duration;

use super::plan::{Choice, FeedMode, Flow, Load, Plan, Step, Task, Think};
use crate::threshold::Limit;
use crate::units::{show_duration, thousands, trimmed};

/// What a plan will do.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The time that an answer is assumed to take.
    pub assumed: Duration,
    /// Each scenario.
    pub flows: Vec<FlowForecast>,
    /// Requests per second of all scenarios at their busiest.
    pub requests_per_s: f64,
    /// When the last scenario stops starting iterations; `None` when iterations alone end one.
    pub lasts: Option<Duration>,
    /// Rows that unique feeds must have.
    pub rows: Vec<RowsNeeded>,
    /// What looks wrong.
    pub warnings: Vec<String>,
}

/// What one scenario will do at its busiest.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowForecast {
    /// Its name.
    pub name: String,
    /// Requests of an average iteration.
    pub requests: f64,
    /// Time of an average iteration with its pauses.
    pub iteration: Duration,
    /// Iterations per second.
    pub iterations_per_s: f64,
    /// Requests per second.
    pub requests_per_s: f64,
    /// Users at work on average: in an iteration, pauses included.
    pub users: f64,
    /// Requests under way on average.
    pub in_flight: f64,
    /// Most users, as the plan bounds them.
    pub users_max: u32,
    /// When it stops starting iterations, from the start of the run.
    pub ends: Option<Duration>,
    /// Iterations in all.
    pub iterations: Option<f64>,
}

/// Rows that a unique feed must have.
#[derive(Clone, Debug, PartialEq)]
pub struct RowsNeeded {
    /// The feed.
    pub feed: String,
    /// Rows needed.
    pub needed: u64,
    /// Rows there.
    pub there: u64,
}

impl Plan {
    /// Reckons what the plan will do when an answer takes `assumed`.
    pub fn forecast(&self, assumed: Duration) -> Forecast {
        let flows: Vec<FlowForecast> = self.flows.iter().map(|flow| of_flow(flow, assumed)).collect();
        let ends: Option<Vec<Duration>> = flows.iter().map(|flow| flow.ends).collect();
        let mut forecast = Forecast {
            assumed,
            requests_per_s: flows.iter().map(|flow| flow.requests_per_s).sum(),
            lasts: ends.map(|ends| ends.into_iter().max().unwrap_or_default()),
            rows: self.rows_needed(&flows),
            flows,
            warnings: Vec::new(),
        };
        self.warn_of_limits(&mut forecast);
        self.warn_of_amounts(&mut forecast);
        forecast
    }

    fn rows_needed(&self, flows: &[FlowForecast]) -> Vec<RowsNeeded> {
        let unique = self.feeds.iter().enumerate().filter(|(_, feed)| feed.mode == FeedMode::Unique);
        let needed = unique.map(|(number, feed)| {
            let rows = self.flows.iter().zip(flows).map(|(flow, forecast)| self.rows_of(flow, forecast, number));
            RowsNeeded {
                feed: feed.name.clone(),
                needed: rows.sum::<f64>().ceil() as u64,
                there: feed.rows.len() as u64,
            }
        });
        needed.collect()
    }

    /// Rows of a feed that one scenario draws.
    fn rows_of(&self, flow: &Flow, forecast: &FlowForecast, feed: usize) -> f64 {
        let by_users = flow.user.is_some_and(|user| self.users[user].feeds.contains(&feed));
        let iterations = forecast.iterations.unwrap_or(0.0);
        if by_users {
            // In the open model there are as many users as work at the same time.
            return match flow.load {
                Load::Users { .. } => f64::from(forecast.users_max),
                Load::Arrivals { .. } => forecast.users.ceil().clamp(1.0, f64::from(forecast.users_max)),
            };
        }
        if flow.choice == Choice::Feed(feed) {
            return iterations;
        }
        weighted(flow, |task| f64::from(u8::from(task.feeds.contains(&feed)))) * iterations
    }

    fn warn_of_limits(&self, forecast: &mut Forecast) {
        let mut warn = |text: String| forecast.warnings.push(text);
        for limit in &self.limits {
            let Limit { threshold, .. } = limit;
            if threshold.always_holds() {
                warn(format!("threshold `{limit}` can never fail"));
            }
            if threshold.never_holds() {
                warn(format!("threshold `{limit}` can never be kept"));
            }
            if threshold.latency_at_most().is_some_and(|most| most > self.timeout) {
                let timeout = show_duration(self.timeout);
                warn(format!(
                    "threshold `{limit}` is above the time-out of {timeout}: no answer can take that long, it fails as an error first"
                ));
            }
            let Some(least) = threshold.rate_at_least() else { continue };
            let asked = self.rate_of(limit, &forecast.flows);
            if least > asked {
                let asked = trimmed(asked);
                warn(format!(
                    "threshold `{limit}` can hardly be kept: about {asked}/s are sent when an answer takes {}",
                    show_duration(forecast.assumed)
                ));
            }
        }
    }

    /// Requests per second of the run, or of the step a limit is about.
    fn rate_of(&self, limit: &Limit, flows: &[FlowForecast]) -> f64 {
        let of_step = |flow: &Flow| {
            weighted(flow, |task| {
                let ours = |step: &&Step| limit.step.as_ref().is_none_or(|name| self.series[step.series].name == *name);
                task.steps.iter().filter(ours).map(|step| f64::from(step.repeat)).sum()
            })
        };
        self.flows.iter().zip(flows).map(|(flow, forecast)| of_step(flow) * forecast.iterations_per_s).sum()
    }

    fn warn_of_amounts(&self, forecast: &mut Forecast) {
        for rows in &forecast.rows {
            if rows.needed > rows.there {
                let (needed, there) = (thousands(rows.needed), thousands(rows.there));
                forecast.warnings.push(format!(
                    "feed `{}` has {there} rows and about {needed} are needed: a unique feed that is used up ends the run",
                    rows.feed
                ));
            }
        }
        for flow in &forecast.flows {
            if flow.users > f64::from(flow.users_max) * 1.001 {
                let (users, most) = (trimmed(flow.users.ceil()), thousands(flow.users_max.into()));
                forecast.warnings.push(format!(
                    "scenario `{}` needs about {users} users at once and may have {most}: arrivals will wait (raise max_in_flight)",
                    flow.name
                ));
            }
            if flow.iterations.is_some_and(|iterations| iterations < 1.0) {
                forecast.warnings.push(format!("scenario `{}` starts no iteration in its time", flow.name));
            }
        }
        for step in self.steps() {
            if let (Some(most), timeout) = (step.expect.max_time, step.timeout.unwrap_or(self.timeout))
                && most >= timeout
            {
                let name = &self.series[step.series].name;
                forecast
                    .warnings
                    .push(format!("`{name}`: expect.max_time is not below the time-out of {}", show_duration(timeout)));
            }
        }
    }
}

fn of_flow(flow: &Flow, assumed: Duration) -> FlowForecast {
    let requests = weighted(flow, |task| task.steps.iter().map(|step| f64::from(step.repeat)).sum());
    let paused =
        weighted(flow, |task| task.steps.iter().map(|step| mean_pause(step.think) * f64::from(step.repeat)).sum());
    let busy_s = requests * assumed.as_secs_f64() + paused;
    let iteration_s = match flow.think {
        Think::Pacing(every) => busy_s.max(every.as_secs_f64()),
        think => busy_s + mean_pause(think),
    }
    .max(1e-9);
    let users_max = flow.load.users_max();
    let ends = flow.duration.map(|lasts| flow.start_after.saturating_add(lasts));
    let (iterations_per_s, by_time) = match &flow.load {
        Load::Users { stages, spawn_per_s } => {
            let per_s = f64::from(users_max) / iteration_s;
            let users_s = flow.duration.map(|lasts| user_seconds(stages, *spawn_per_s, lasts));
            (per_s, users_s.map(|users_s| users_s / iteration_s))
        }
        Load::Arrivals { schedule, .. } => {
            let ns = |lasts: Duration| u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
            (schedule.rate_per_s(), flow.duration.map(|lasts| schedule.expected_before(ns(lasts))))
        }
    };
    let asked = flow.iterations.map(|asked| asked as f64);
    FlowForecast {
        name: flow.name.clone(),
        requests,
        iteration: Duration::try_from_secs_f64(iteration_s).unwrap_or(Duration::MAX),
        iterations_per_s,
        requests_per_s: iterations_per_s * requests,
        users: iterations_per_s * iteration_s,
        in_flight: iterations_per_s * requests * assumed.as_secs_f64(),
        users_max,
        ends,
        iterations: match (asked, by_time) {
            (Some(asked), Some(by_time)) => Some(asked.min(by_time)),
            (asked, by_time) => asked.or(by_time),
        },
    }
}

/// The integral of the users over the time of a scenario.
fn user_seconds(stages: &[crate::schedule::UserStage], spawn_per_s: Option<f64>, lasts: Duration) -> f64 {
    /// Slices in which the number of users is looked at.
    const SLICES: u32 = 1_000;
    let Ok(curve) = crate::schedule::UserCurve::new(stages.to_vec(), spawn_per_s) else { return 0.0 };
    let slice = lasts / SLICES;
    let at = |number: u32| u64::try_from((slice * number + slice / 2).as_nanos()).unwrap_or(u64::MAX);
    (0..SLICES).map(|number| f64::from(curve.users_at(at(number))) * slice.as_secs_f64()).sum()
}

/// The mean of `what` over the tasks of a flow, as they are drawn.
fn weighted(flow: &Flow, what: impl Fn(&Task) -> f64) -> f64 {
    let weight = |task: &Task| f64::from(if flow.choice == Choice::Weight { task.weight } else { 1 });
    let whole: f64 = flow.tasks.iter().map(weight).sum();
    flow.tasks.iter().map(|task| weight(task) * what(task)).sum::<f64>() / whole.max(1.0)
}

fn mean_pause(think: Think) -> f64 {
    match think {
        Think::None | Think::Pacing(_) => 0.0,
        Think::Pause { from, to } => f64::midpoint(from.as_secs_f64(), to.as_secs_f64()),
    }
}
