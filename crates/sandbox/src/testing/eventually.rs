//! Waiting for a condition instead of sleeping for a guess.

use std::fmt::Debug;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

const ASK_EVERY: Duration = Duration::from_millis(10);

/// What a probe may answer: `bool`, `Option` or `Result`.
pub trait Probe {
    /// What a probe that holds carries.
    type Found;

    /// What was found, or why nothing is there yet.
    fn found(self) -> Result<Self::Found, String>;
}

impl Probe for bool {
    type Found = ();

    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".to_owned()) }
    }
}

impl<T> Probe for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "None".to_owned())
    }
}

impl<T, E: Debug> Probe for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Asks until the answer holds (`true`, `Some`, `Ok`) and returns what it carries; the first question is asked at once.
///
/// # Panics
/// When the answer does not hold `within` the given time, with the place of the call and the last answer. A probe that is asked
/// when the time ends is let finish.
#[track_caller]
pub fn eventually<P, F, Fut>(within: Duration, mut ask: F) -> impl Future<Output = P::Found>
where
    P: Probe,
    F: FnMut() -> Fut,
    Fut: Future<Output = P>,
{
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + within;
        loop {
            match ask().await.found() {
                Ok(found) => return found,
                Err(last) if Instant::now() >= deadline => {
                    panic!("{caller}: not within {within:?}; the last answer was {last}");
                }
                Err(_) => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_answer_that_holds_is_returned() {
        let mut asked = 0;
        let found = eventually(Duration::from_secs(5), || {
            asked += 1;
            let answer = (asked == 3).then_some(asked);
            async move { answer }
        });
        assert_eq!(found.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "the last answer was \"no such row\"")]
    async fn the_last_answer_is_shown() {
        eventually(Duration::from_millis(20), || async { Err::<(), _>("no such row") }).await;
    }
}
