//! Looking before loading: the plan in words (`--dry-run`), one request with its answer (`--once`).

use std::time::Duration;

use http::HeaderMap;
use stampede_engine::http::once::{FullAnswer, once as send_once};
use stampede_engine::load::{Arrivals, LoadPlan, RequestPlan, Reuse};
use stampede_model::schedule::{Spacing, UserStage};
use stampede_model::units::{show_duration, show_ns, thousands, trimmed};

use super::order::Order;
use crate::exit::Exit;
use crate::print::Append;
use crate::{Failure, print};

/// Headers whose values are not shown.
const SECRET: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];

/// The plan in words.
pub(super) fn plan(order: &Order) -> String {
    let plan = &order.plan;
    let mut text = request_lines(&plan.requests[0]);
    let mut row = |name: &str, value: String| {
        text.append(format_args!("{name:<12}{value}\n"));
    };
    row("model", arrivals(plan));
    row("stop", stop(plan));
    let time_out = show_duration(plan.timeout);
    row("time-out", format!("{time_out} per request, {} for the last ones to finish", show_duration(plan.drain)));
    row(
        "connections",
        match plan.reuse {
            Reuse::KeepAlive => "kept alive".to_owned(),
            Reuse::PerRequest => "a new one for every request".to_owned(),
        },
    );
    row("transport", plan.requests[0].transport().to_string());
    row("threads", plan.threads.to_string());
    let limits: Vec<String> = order.thresholds.iter().map(ToString::to_string).collect();
    row("thresholds", if limits.is_empty() { "none".to_owned() } else { limits.join(", ") });
    if let Some(asked) = plan.asked_at_most() {
        row("requests", format!("{} at most", thousands(asked)));
    }
    text
}

/// When requests leave, in words.
pub(super) fn arrivals(plan: &LoadPlan) -> String {
    match &plan.arrivals {
        Arrivals::Closed { connections } => format!("closed, {} connections", thousands(connections.get().into())),
        Arrivals::Users { curve } => {
            let stages: Vec<String> = curve.stages().iter().map(stage).collect();
            let spawn = curve
                .spawn_per_s()
                .map_or(String::new(), |rate| format!(", at most {} new ones a second", trimmed(rate)));
            format!("closed, connections {}{spawn}", stages.join(", "))
        }
        Arrivals::Open { schedule, max_in_flight, max_queue } => {
            let spacing = match schedule.spacing() {
                Spacing::Uniform => "uniform".to_owned(),
                Spacing::Poisson => format!("poisson (seed {})", schedule.seed()),
            };
            format!(
                "open, {schedule} {spacing}, at most {} in flight and {} waiting",
                thousands(max_in_flight.get().into()),
                thousands((*max_queue).into())
            )
        }
    }
}

fn stage(stage: &UserStage) -> String {
    match stage.over {
        Duration::ZERO => format!("at once {}", thousands(stage.to_users.into())),
        over => format!("{} to {}", show_duration(over), thousands(stage.to_users.into())),
    }
}

fn stop(plan: &LoadPlan) -> String {
    let requests = plan.stop.requests.map(|count| format!("after {} requests", thousands(count)));
    let duration = plan.stop.duration.map(|time| format!("after {}", show_duration(time)));
    [requests, duration].into_iter().flatten().collect::<Vec<_>>().join(" or ")
}

/// Sends one request and prints it with its answer.
pub(super) fn once(order: &Order) -> Result<Exit, Failure> {
    let answer = exchange(&order.plan.requests[0], order.plan.timeout)?;
    let wanted = order.plan.expect.admits(answer.status);
    Ok(if wanted { Exit::Pass } else { Exit::ThresholdFailed })
}

/// Sends `request` once, prints it with its answer, and returns the answer.
pub(crate) fn exchange(request: &RequestPlan, wait: Duration) -> Result<FullAnswer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::tool)?;
    let answer = runtime.block_on(send_once(request, wait)).map_err(Failure::tool)?;
    print::result(&format!("{}\n{}", request_lines(request), answer_lines(&answer)));
    Ok(answer)
}

fn request_lines(request: &RequestPlan) -> String {
    let endpoint = request.endpoint();
    let mut text = format!("{} {} to {}\n", request.method(), endpoint.path(), endpoint.authority());
    text.push_str(&header_lines(request.headers()));
    if request.body_len() > 0 {
        text.append(format_args!("  ({} bytes of body)\n", thousands(request.body_len() as u64)));
    }
    text
}

fn answer_lines(answer: &FullAnswer) -> String {
    let mut text = format!("{:?} {}\n{}\n", answer.version, answer.status, header_lines(&answer.headers));
    let body = String::from_utf8_lossy(&answer.body);
    text.push_str(&body);
    if !body.ends_with('\n') {
        text.push('\n');
    }
    let kept = answer.body.len() as u64;
    if answer.body_bytes > kept {
        text.append(format_args!("({} more bytes not shown)\n", thousands(answer.body_bytes - kept)));
    }
    let FullAnswer { connect_ns, first_byte_ns, service_ns, .. } = *answer;
    text.append(format_args!(
        "\nconnect {}, first byte {}, whole answer {}\n",
        show_ns(connect_ns),
        show_ns(first_byte_ns),
        show_ns(service_ns)
    ));
    text
}

fn header_lines(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        let secret = SECRET.contains(&name.as_str());
        let shown = if secret { "(not shown)".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        text.append(format_args!("  {name}: {shown}\n"));
    }
    text
}
