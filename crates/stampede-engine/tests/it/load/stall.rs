//! The stall that closed-loop tools hide: a server frozen for a fifth of the run.

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_engine::load::Arrivals;
use stampede_model::run_trust::Trust;
use stampede_model::threshold::{Judgement, Threshold};

use super::server::{Habit, Server};
use super::{carried_out, closed, lasting, open};

const STALL: Habit = Habit::Freeze { from: Duration::from_secs(1), until: Duration::from_millis(1_500) };
const CONNECTIONS: u32 = 10;

fn limit(text: &str) -> Threshold {
    text.parse().unwrap()
}

#[test]
fn from_the_intent_the_stall_is_seen_and_from_the_send_it_is_not() {
    let server = Server::start(STALL);
    let mut plan = open(&server, 400.0, lasting(2_500));
    let Arrivals::Open { schedule, max_queue, .. } = plan.arrivals else { panic!("an open plan") };
    let max_in_flight = NonZeroU32::new(CONNECTIONS).unwrap();
    plan.arrivals = Arrivals::Open { schedule, max_in_flight, max_queue };
    let result = carried_out(&plan);
    assert_eq!((result.counts.asked, result.counts.succeeded), (1_000, 1_000));

    // 200 arrivals fall into the stall; the ten that come first in it, one in a hundred of all, wait 475 ms and more.
    let p99 = result.latency.intent.quantile(0.99).unwrap();
    assert!(p99.ns >= 400_000_000, "p99 from the intent is {p99:?}");
    assert_eq!(limit("p99<300ms").judge(&result).judgement, Judgement::Fail);
    assert!(
        Trust::of(&result, &[limit("p99<300ms").into()]).stands(),
        "the server's stall is not the generator's fault"
    );

    // Of 1,000 sends only the ten under way met the stall: what is measured from the send hides it at p95.
    let (service, intent) = (&result.latency.service, &result.latency.intent);
    let (service_p95, intent_p95) = (service.quantile(0.95).unwrap().ns, intent.quantile(0.95).unwrap().ns);
    assert!(service_p95 < intent_p95 / 2, "p95 from the send {service_p95}, from the intent {intent_p95}");
}

#[test]
fn a_closed_loop_hides_the_stall() {
    let server = Server::start(STALL);
    let result = carried_out(&closed(&server, CONNECTIONS, lasting(2_500)));
    let latency = &result.latency.intent;
    let (p95, max) = (latency.quantile(0.95).unwrap().ns, latency.max().unwrap().ns);
    assert!(max >= 400_000_000, "a request under way met the stall, the longest took {max}");
    assert!(p95 < max / 2, "p95 {p95} should hide the stall of {max}");
}
