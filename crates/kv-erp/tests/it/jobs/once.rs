//! Every job has its effect once: whatever is flushed, killed and started anew in the middle.

use std::time::Duration;

use sandbox::testing::eventually;
use tokio_util::sync::CancellationToken;

use super::resp::{Operator, Reply};
use super::rig::{Rig, number};

const SOON: Duration = Duration::from_mins(2);
const CONFIRMED: &str = "select count(*) from order_confirmations";

/// Looks at a queue's list and at its order at one moment, again and again; gives how often, or what was wrong.
async fn watch_list(url: String, stop: CancellationToken) -> Result<u64, String> {
    let mut looks = 0;
    while !stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let Ok(mut operator) = Operator::of(&url).await else { continue };
        // Redis may go away at any time.
        while let Ok(reply) = look(&mut operator).await {
            let Reply::List(seen) = &reply else { continue };
            if seen.len() != 2 || seen[0] != seen[1] {
                return Err(format!("the list and the ready jobs differ: {seen:?}"));
            }
            looks += 1;
            if stop.is_cancelled() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    Ok(looks)
}

async fn look(operator: &mut Operator) -> std::io::Result<Reply> {
    operator.ask(&["MULTI"]).await?;
    operator.ask(&["LLEN", "queue:default"]).await?;
    operator.ask(&["ZCARD", "jobq:order:default"]).await?;
    operator.ask(&["EXEC"]).await
}

async fn broken_in_the_middle(orders: usize) {
    let mut rig = Rig::start().await;
    let shop = rig.shop("shop").await;
    let superuser = rig.superuser().await;
    let seen_enough = CancellationToken::new();
    let watching = tokio::spawn(watch_list(rig.redis.url(), seen_enough.clone()));
    let (first, second) = (rig.worker(&[]).await, rig.worker(&[]).await);
    let part = orders / 4;
    let confirmed = async |at_least: usize| {
        eventually(SOON, || async {
            (number(&superuser, CONFIRMED).await >= i64::try_from(at_least).unwrap()).then_some(())
        })
        .await;
    };
    // Each fault comes while jobs are ready and in hand.
    rig.order(shop, part).await;
    Operator::of(&rig.redis.url()).await.unwrap().ask(&["FLUSHALL"]).await.unwrap();
    rig.order(shop, part).await;
    first.kill().await;
    rig.order(shop, part).await;
    rig.redis.kill().await;
    rig.order(shop, orders - 3 * part).await;
    rig.redis.restart().await.unwrap();
    let third = rig.worker(&[]).await;
    confirmed(orders).await;
    let open = "select count(*) from jobs where tenant_id < 1000 and state <> 'done'";
    eventually(SOON, || async { (number(&superuser, open).await == 0).then_some(()) }).await;
    assert_eq!(number(&superuser, CONFIRMED).await, i64::try_from(orders).unwrap());
    // A second effect would have been refused by the key and counted as a failed attempt.
    let failed = "select count(*) from jobs where tenant_id < 1000 and (attempts > 0 or last_error is not null)";
    assert_eq!(number(&superuser, failed).await, 0);
    let own = "select count(*) from order_confirmations c join jobs j on (j.tenant_id, j.id) = (c.tenant_id, c.job_id)
        where j.payload->>'order_id' = c.order_id::text and c.recipient = 'ada@x.example'";
    assert_eq!(number(&superuser, own).await, i64::try_from(orders).unwrap());
    seen_enough.cancel();
    let looks = watching.await.unwrap().unwrap();
    assert!(looks > 20, "{looks} looks show nothing");
    for worker in [second, third] {
        assert_eq!(worker.terminate().await.code(), Some(0), "{}", worker.log_tail(20));
    }
}

#[tokio::test]
async fn a_job_has_its_effect_once_whatever_is_flushed_killed_and_restarted() {
    broken_in_the_middle(800).await;
}

#[tokio::test]
#[ignore = "ten thousand jobs take a minute"]
async fn ten_thousand_jobs_have_their_effect_once() {
    broken_in_the_middle(10_000).await;
}
