use stampede_model::check::models::counter::{Counter, CounterOp};
use stampede_model::check::models::register::{Register, RegisterOp};
use stampede_model::check::search::*;
fn main() {
    for method in [Method::Deep, Method::Frontier, Method::Raced] {
        let mut calls: Vec<Call<CounterOp>> = (0..40_u32).map(|c| Call { id: c.into(), call_ns: 0, return_ns: 100, duty: Duty::Must, op: CounterOp::Add { by: 2 << c, seen: None } }).collect();
        calls.push(Call { id: 1000, call_ns: 1, return_ns: 99, duty: Duty::Must, op: CounterOp::Read(1) });
        let t = std::time::Instant::now();
        let s = solve(&Counter::default(), calls, Settings { facts: Facts::ALL, method, budget: Budget::default() });
        println!("counter {method:?} {:?} {:?} {:?}", s.outcome, s.spent, t.elapsed());
        let mut calls: Vec<Call<RegisterOp>> = (0..24_u32).map(|c| Call { id: c.into(), call_ns: 0, return_ns: 100, duty: Duty::Must, op: RegisterOp::Write(c + 1) }).collect();
        calls.push(Call { id: 1000, call_ns: 1, return_ns: 99, duty: Duty::Must, op: RegisterOp::Read(99) });
        let t = std::time::Instant::now();
        let s = solve(&Register::default(), calls, Settings { facts: Facts::ALL, method, budget: Budget::default() });
        println!("register {method:?} {:?} {:?} {:?}", s.outcome, s.spent, t.elapsed());
    }
}
