//! A tenant with a great many jobs keeps another's single one waiting for no longer than a moment.

use std::time::{Duration, Instant};

use sandbox::testing::eventually;

use super::rig::{Rig, number};

const SOON: Duration = Duration::from_mins(1);

/// Gives how long the slowest of three single jobs took.
async fn behind_a_backlog(jobs: i64) -> Duration {
    let rig = Rig::start().await;
    let (crowd, single) = (rig.shop("crowd").await, rig.shop("single").await);
    let superuser = rig.superuser().await;
    // Of orders that do not exist: they are over as soon as somebody looks.
    let flood = "insert into jobs (tenant_id, id, kind, payload)
        select $1, gen_random_uuid(), 'send_order_confirmation', jsonb_build_object('order_id', gen_random_uuid())
          from generate_series(1, $2::bigint)";
    superuser.execute(flood, &[&crowd.tenant.get(), &jobs]).await.unwrap();
    let (_first, _second) = (rig.worker(&[]).await, rig.worker(&[]).await);
    let begun = "select count(*) from jobs where state = 'done' and tenant_id < 1000";
    eventually(SOON, || async { (number(&superuser, begun).await > 200).then_some(()) }).await;
    let mut slowest = Duration::ZERO;
    for so_far in 1..=3 {
        let placed = Instant::now();
        rig.order(single, 1).await;
        eventually(SOON, || async {
            (number(&superuser, "select count(*) from order_confirmations").await == so_far).then_some(())
        })
        .await;
        slowest = slowest.max(placed.elapsed());
    }
    let left = number(&superuser, "select count(*) from jobs where state = 'open' and tenant_id < 1000").await;
    assert!(left > jobs / 10, "{left} of {jobs} jobs were left, so nothing was waited behind");
    slowest
}

#[tokio::test]
async fn a_single_job_is_not_kept_waiting_by_another_tenants_thousands() {
    // How fast it is depends on who else runs; that it was done before them does not.
    behind_a_backlog(8_000).await;
}

#[tokio::test]
#[ignore = "a hundred thousand jobs take minutes"]
async fn a_single_job_is_not_kept_waiting_by_another_tenants_hundred_thousand() {
    let slowest = behind_a_backlog(100_000).await;
    assert!(slowest < Duration::from_secs(2), "the slowest of three single jobs took {slowest:?}");
}
