//! Plan, schedule, histogram, verdict: the pure half of the bench.
