//! `stampede stress redis`.

use stampede_engine::stress::Form;
use stampede_engine::stress::redis::{BenchmarkCall, RedisOrder, run};
use stampede_model::stress::StressKind;

use super::args::RedisArgs;
use super::postgres::server;
use super::{report, save, thresholds, watch};
use crate::Failure;
use crate::exit::Exit;

pub(super) fn command(args: &RedisArgs) -> Result<Exit, Failure> {
    let implied = ["evicted<=0", "rejected<=0"];
    let limits = thresholds(StressKind::Redis, &args.thresholds, &implied).map_err(Failure::usage)?;
    save::check(&args.output)?;
    let order = RedisOrder {
        server: server(args.private, args.url.as_deref()),
        calls: calls(args),
        watch_lists: args.watch_list.clone(),
    };
    let result = watch::watched(&args.output, async |watcher| run(&order, &limits, watcher).await)?;
    report(result, &args.output)
}

fn calls(args: &RedisArgs) -> Vec<BenchmarkCall> {
    if !args.guide {
        return vec![BenchmarkCall {
            requests: Some(args.requests),
            clients: Some(args.clients),
            tests: args.tests.clone(),
            form: Form::Telling,
        }];
    }
    let call = |requests, clients, tests: &[&str]| BenchmarkCall {
        requests: Some(requests),
        clients,
        tests: tests.iter().map(|test| (*test).to_owned()).collect(),
        form: Form::Plain,
    };
    vec![call(100_000, Some(50), &[]), call(1_000_000, None, &["set", "get"])]
}
