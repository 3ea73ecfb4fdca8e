//! A plan and its forecast in words.
//!
//! Invariant: what comes from the environment is shown as the file refers to it.

use std::time::Duration;

use stampede_model::scenario::{FeedMode, Flow, FlowForecast, Load, Plan, Think};
use stampede_model::units::{show_duration, thousands, trimmed};

use crate::print::Append;

/// The plan in words.
pub(crate) fn describe(plan: &Plan, assume: Duration) -> String {
    let forecast = plan.forecast(assume);
    let mut text = format!("{}: seed {}, time-out {}\n", plan.name, plan.seed, show_duration(plan.timeout));
    for origin in &plan.origins {
        text.append(format_args!("server      {}\n", plan.redact(&origin.shown)));
    }
    for feed in &plan.feeds {
        let mode = match feed.mode {
            FeedMode::Circular => "circular",
            FeedMode::Unique => "unique",
            FeedMode::Random => "random",
        };
        text.append(format_args!("feed        {}: {} rows, {mode}\n", feed.name, thousands(feed.rows.len() as u64)));
    }
    if let Some(history) = &plan.history {
        let mut recorded: Vec<&str> = plan.steps().filter_map(|step| Some(step.record.as_ref()?.op)).collect();
        recorded.sort_unstable();
        recorded.dedup();
        text.append(format_args!("history     {}: {}, with --history FILE\n", history.model, recorded.join(", ")));
    }
    for (flow, reckoned) in plan.flows.iter().zip(&forecast.flows) {
        text.push('\n');
        one_flow(&mut text, plan, flow, reckoned);
    }
    text.append(format_args!(
        "\nin all      {}/s at the busiest, answers taking {}; {}\n",
        round(forecast.requests_per_s),
        show_duration(assume),
        forecast
            .lasts
            .map_or("until all iterations are done".to_owned(), |lasts| format!("{} long", show_duration(lasts)))
    ));
    for rows in &forecast.rows {
        let (needed, there) = (thousands(rows.needed), thousands(rows.there));
        text.append(format_args!("rows        {}: about {needed} needed, {there} there\n", rows.feed));
    }
    let limits: Vec<String> = plan.limits.iter().map(ToString::to_string).collect();
    let limits =
        if limits.is_empty() { "none of its own: errors < 1% holds".to_owned() } else { limits.join("\n            ") };
    text.append(format_args!("thresholds  {limits}\n"));
    text
}

/// The plan in a line.
pub(crate) fn headline(plan: &Plan) -> String {
    plan.flows.iter().map(|flow| format!("{}: {}", flow.name, load(&flow.load))).collect::<Vec<_>>().join("; ")
}

fn one_flow(text: &mut String, plan: &Plan, flow: &Flow, reckoned: &FlowForecast) {
    let user = flow.user.map_or(String::new(), |user| format!(" as {}", plan.users[user].name));
    text.append(format_args!("scenario    {}{user}: {}{}\n", flow.name, load(&flow.load), think(flow.think)));
    let whole: u32 = flow.tasks.iter().map(|task| task.weight).sum();
    for task in flow.tasks.iter().take(TASKS) {
        let steps: Vec<&str> = task.steps.iter().map(|step| plan.series[step.series].name.as_str()).collect();
        let share = 100.0 * f64::from(task.weight) / f64::from(whole.max(1));
        text.append(format_args!("  {:>5} %   {}\n", round(share), steps.join(", ")));
    }
    if flow.tasks.len() > TASKS {
        text.append(format_args!("            and {} more\n", thousands((flow.tasks.len() - TASKS) as u64)));
    }
    text.append(format_args!(
        "  expected  {} iterations/s of {} with {} requests: {} requests/s\n",
        round(reckoned.iterations_per_s),
        show_duration(reckoned.iteration),
        round(reckoned.requests),
        round(reckoned.requests_per_s)
    ));
    text.append(format_args!(
        "            {} users at work, {} requests under way, at most {} connections\n",
        round(reckoned.users),
        round(reckoned.in_flight),
        thousands(reckoned.users_max.into())
    ));
    let after =
        if flow.start_after.is_zero() { String::new() } else { format!("from {} ", show_duration(flow.start_after)) };
    let lasts = flow.duration.map_or(String::new(), |lasts| format!("for {} ", show_duration(lasts)));
    let iterations =
        reckoned.iterations.map_or(String::new(), |count| format!("about {} iterations", thousands(count as u64)));
    text.append(format_args!("            {after}{lasts}{iterations}\n"));
}

/// Tasks that are shown: a list of URLs may have thousands.
const TASKS: usize = 20;

fn load(load: &Load) -> String {
    match load {
        Load::Users { stages, spawn_per_s } => {
            let way: Vec<String> = stages
                .iter()
                .map(|stage| match stage.over {
                    Duration::ZERO => format!("{} users", thousands(stage.to_users.into())),
                    over => format!("to {} users in {}", thousands(stage.to_users.into()), show_duration(over)),
                })
                .collect();
            let spawn = spawn_per_s.map_or(String::new(), |rate| format!(", {}/s starting", trimmed(rate)));
            format!("{}{spawn}", way.join(", "))
        }
        Load::Arrivals { schedule, max_in_flight, max_queue } => format!(
            "arrivals {schedule}, at most {} under way and {} waiting",
            thousands((*max_in_flight).into()),
            thousands((*max_queue).into())
        ),
    }
}

fn think(think: Think) -> String {
    match think {
        Think::None => String::new(),
        Think::Pause { from, to } if from == to => format!(", pausing {}", show_duration(from)),
        Think::Pause { from, to } => format!(", pausing {} to {}", show_duration(from), show_duration(to)),
        Think::Pacing(every) => format!(", every {}", show_duration(every)),
    }
}

fn round(value: f64) -> String {
    if value >= 100.0 { thousands(value.round() as u64) } else { format!("{value:.1}") }
}
