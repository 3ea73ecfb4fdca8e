//! The autoscaler beside the worked examples of Kubernetes' own documentation, and what holds for all numbers.

mod examples;
mod files;
mod judging;
mod laws;
mod queues;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

const S: u64 = 1_000_000_000;

/// One metric of each replica with this target, between these bounds, with Kubernetes' own behaviour.
fn scaler(average: f64, (min, max): (u32, u32)) -> Autoscaler {
    Autoscaler {
        name: "web".into(),
        namespace: None,
        target: ScaleTarget { kind: "Deployment".into(), name: "web".into() },
        min,
        max,
        metrics: vec![Metric::Pods { name: "load".into(), average: Amount::of(average) }],
        up: Rules::up(),
        down: Rules::down(),
    }
}

/// The same, asking an outside value that is exactly the replicas wanted, as `value / 1` each.
fn told((min, max): (u32, u32), up: Rules, down: Rules) -> Autoscaler {
    let metric = Metric::ExternalAverage { name: "told".into(), labels: BTreeMap::new(), average: Amount::of(1.0) };
    // Without tolerance every number that is told is a recommendation.
    let exact = |rules: Rules| Rules { tolerance_milli: Some(0), ..rules };
    Autoscaler { metrics: vec![metric], up: exact(up), down: exact(down), ..scaler(1.0, (min, max)) }
}

fn seen(current: u32, reading: Reading) -> Seen {
    Seen { current, readings: vec![reading] }
}

fn ready(values: &[f64]) -> Reading {
    Reading::Each(values.iter().map(|value| ReplicaReading::Ready(*value)).collect())
}

/// What is recommended of these readings alone.
fn recommended(scaler: &Autoscaler, current: u32, reading: Reading) -> Option<u32> {
    scaler.decide(&mut Memory::default(), &seen(current, reading), 0).recommended
}

/// Replicas after each recommendation, one every `every_s`.
fn follow(scaler: &Autoscaler, first: u32, every_s: u64, told: &[u32]) -> Vec<u32> {
    let (mut memory, mut current) = (Memory::default(), first);
    let steps = told.iter().zip(0_u64..);
    steps
        .map(|(wanted, step)| {
            let reading = Reading::Whole(f64::from(*wanted), current);
            current = scaler.decide(&mut memory, &seen(current, reading), step * every_s * S).desired;
            current
        })
        .collect()
}

fn rules(stabilization_s: u64, select: Select, policies: &[(PolicyKind, u32, u64)]) -> Rules {
    let policy = |(kind, value, period_s): &(PolicyKind, u32, u64)| Policy {
        kind: *kind,
        value: *value,
        period: Duration::from_secs(*period_s),
    };
    Rules {
        stabilization: Duration::from_secs(stabilization_s),
        select,
        policies: policies.iter().map(policy).collect(),
        tolerance_milli: None,
    }
}
