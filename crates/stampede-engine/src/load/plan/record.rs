//! The plan as it stands in a run file: what was asked, without what is nobody's business.

use stampede_model::run::{ArrivalsRecord, FlowRecord, PlanRecord};

use super::{LoadPlan, Reuse, nanos};
use crate::load::flow::{Flow, FlowLoad};

impl LoadPlan {
    /// The plan as it stands in a run file.
    ///
    /// # Panics
    /// When the plan holds no request; [`LoadPlan::check`] says so first.
    pub fn record(&self) -> PlanRecord {
        let sample = self.flows.first().and_then(|flow| flow.origins().into_iter().next());
        let request = sample.as_ref().unwrap_or_else(|| &self.requests[0]);
        PlanRecord {
            method: request.method().to_string(),
            url: request.endpoint().to_string(),
            header_names: request.headers().keys().map(ToString::to_string).collect(),
            body_bytes: request.body_len() as u64,
            arrivals: record_of(self.resolved().first().map(|flow| &flow.load)),
            requests: self.stop.requests,
            duration_ns: self.stop.duration.map(nanos),
            timeout_ns: nanos(self.timeout),
            keep_alive: self.reuse == Reuse::KeepAlive,
            threads: self.threads.get(),
            scenario: None,
            flows: self.flows.iter().map(flow_record).collect(),
        }
    }
}

fn flow_record(flow: &Flow) -> FlowRecord {
    FlowRecord { name: flow.name.clone(), arrivals: record_of(Some(&flow.load)), users: flow.users_max() }
}

fn record_of(load: Option<&FlowLoad>) -> ArrivalsRecord {
    match load {
        None => ArrivalsRecord::Closed { connections: 0 },
        Some(FlowLoad::Connections { connections }) => ArrivalsRecord::Closed { connections: connections.get() },
        Some(FlowLoad::Users { curve }) => ArrivalsRecord::Closed { connections: curve.peak_users() },
        Some(FlowLoad::Arrivals { schedule, max_in_flight, max_queue }) => ArrivalsRecord::Open {
            schedule: schedule.clone(),
            max_in_flight: max_in_flight.get(),
            max_queue: *max_queue,
        },
    }
}
