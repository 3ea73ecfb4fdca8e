use stampede_model::schedule::Spacing;

use super::*;

fn request(url: &str) -> RequestPlan {
    RequestPlan::get(url).unwrap()
}

fn open(rate: f64, stop: Stop) -> LoadPlan {
    LoadPlan::open(request("http://x/"), Schedule::new(rate, Spacing::Uniform, 0).unwrap(), stop)
}

#[test]
fn contradictions_are_named() {
    let for_1s = Stop { requests: None, duration: Some(Duration::from_secs(1)) };
    assert_eq!(open(5.0, for_1s).check(), Ok(()));
    assert_eq!(open(5.0, Stop::default()).check(), Err(BadPlan::Endless));
    assert_eq!(open(5.0, Stop { requests: Some(0), duration: None }).check(), Err(BadPlan::Empty));
    let mut plan = open(5.0, for_1s);
    plan.requests.push(request("http://y/"));
    assert!(matches!(plan.check(), Err(BadPlan::Hosts { .. })));
    plan.requests.clear();
    assert_eq!(plan.check(), Err(BadPlan::NoRequest));
    let mut plan = open(5.0, for_1s);
    plan.timeout = Duration::ZERO;
    assert_eq!(plan.check(), Err(BadPlan::ZeroTimeout));
}

#[test]
fn what_is_asked_is_known_beforehand() {
    let for_30s = Stop { requests: None, duration: Some(Duration::from_secs(30)) };
    assert_eq!(open(1_000.0, for_30s).asked_at_most(), Some(30_000));
    let either = Stop { requests: Some(10), duration: Some(Duration::from_secs(30)) };
    assert_eq!(open(1_000.0, either).asked_at_most(), Some(10));
}

#[test]
fn successes_are_what_was_expected() {
    assert!(Expect::Below400.admits(304) && !Expect::Below400.admits(400));
    let only = Expect::Only(vec![409]);
    assert!(only.admits(409) && !only.admits(200));
    assert!(Expect::Any.admits(500));
}
