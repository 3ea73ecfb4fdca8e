//! What is reckoned beforehand, against sums done by hand.

use std::time::Duration;

use super::*;

fn forecast(text: &str) -> Forecast {
    sound(&with_target(text)).forecast(Duration::from_millis(50))
}

fn near(value: f64, expected: f64) -> bool {
    (value - expected).abs() <= expected.abs() * 0.01 + 1e-9
}

#[test]
fn users_who_think_make_few_requests() {
    // 100 users, one request of 50 ms and a pause of 2 s on average.
    let told =
        forecast("[[scenario]]\nusers = 100\nthink = \"1s..3s\"\nduration = \"60s\"\nsteps = [{ get = \"/\" }]\n");
    let flow = &told.flows[0];
    assert!(near(flow.requests_per_s, 100.0 / 2.05), "{flow:?}");
    assert!(near(flow.in_flight, 100.0 / 2.05 * 0.05), "{flow:?}");
    assert!(near(flow.iterations.unwrap(), 6_000.0 / 2.05), "{flow:?}");
    assert_eq!(told.lasts, Some(Duration::from_mins(1)));
    assert_eq!(told.warnings, Vec::<String>::new());
}

#[test]
fn weights_repeats_and_pauses_are_counted() {
    let told = forecast(
        "[[scenario]]\nusers = 10\ntask = [{ weight = 3, steps = [{ get = \"/a\" }] }, { weight = 1, steps = [{ get = \"/b\", repeat = 4, think = \"100ms\" }, { get = \"/c\" }] }]\n",
    );
    // (3 x 1 + 1 x 5) / 4 requests, of which a quarter pauses 400 ms.
    let flow = &told.flows[0];
    assert!(near(flow.requests, 2.0) && near(flow.iteration.as_secs_f64(), 0.2), "{flow:?}");
}

#[test]
fn ramps_count_by_their_area() {
    let told = forecast(
        "[[scenario]]\nstages = [[\"10s\", 100], [\"10s\", 100], [\"10s\", 0]]\nthink = { pacing = \"1s\" }\nsteps = [{ get = \"/\" }]\n[[scenario]]\nname = \"o\"\narrivals = { curve = [[\"10s\", 100], [\"10s\", 100]] }\nsteps = [{ get = \"/o\" }]\n",
    );
    assert!(near(told.flows[0].iterations.unwrap(), 2_000.0), "{told:?}");
    assert!(near(told.flows[1].iterations.unwrap(), 1_500.0), "{told:?}");
    assert_eq!(told.lasts, Some(Duration::from_secs(30)));
}

#[test]
fn what_can_only_come_out_one_way_is_told() {
    let text = "timeout = \"1s\"\n[feed.f]\nrows = [1, 2, 3]\nmode = \"unique\"\n[feed.u]\nrows = [1, 2, 3]\nmode = \"unique\"\n[user.a]\nheaders = { x = \"{u.value}\" }\n[[scenario]]\nas = \"a\"\nusers = 3\niterations = 5\nsteps = [{ get = \"/{f.value}\" }]\n[[scenario]]\nname = \"o\"\narrivals = { rate = 1000, max_in_flight = 20 }\nsteps = [{ get = \"/o\", expect = { max_time = \"2s\" } }]\n[thresholds]\nall = [\"errors<=100%\", \"errors<0%\", \"p95<2s\", \"rps>2000\", \"rps>500\", \"p95<500ms\"]\n\"GET /o\" = [\"rps>=1k\"]\n";
    let plan = sound(&with_target(text));
    let told = plan.forecast(Duration::from_millis(50));
    insta::assert_snapshot!("warnings", told.warnings.join("\n"));
    let rows: Vec<(u64, u64)> = told.rows.iter().map(|rows| (rows.needed, rows.there)).collect();
    assert_eq!(rows, [(5, 3), (3, 3)], "one row for each iteration of f, one for each user of u");
}
