//! Attempts of a call until there is an answer to go by, and what is said when there is none.
//!
//! Invariant: "refused" is said of a write only when nothing of it is under way any more. An attempt that was given up may arrive
//! behind the one that was refused, so its key is made void first.

use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::Error;
use crate::keys::KeyState;
use crate::problem::Problem;
use crate::retry;
use crate::send::{Answer, Call, Failed};

/// A call that has no good answer.
struct Ended {
    last: Last,
    /// Whether an attempt that was not answered may have had its effect, or have it yet.
    may_have_happened: bool,
}

enum Last {
    Refused(Box<Problem>),
    Silent(String),
}

impl Client {
    /// Reads, or does what may be done any number of times.
    pub(crate) async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.tried(&call, None).await.map_err(|ended| ended.last.told())?.json()
    }

    /// Writes, under the caller's key or a new one.
    pub(crate) async fn write<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.write_whole(call).await?.json()
    }

    /// Writes what has no answer's body.
    pub(crate) async fn write_silent(&self, call: Call) -> Result<(), Error> {
        self.write_whole(call).await.map(drop)
    }

    /// Takes what a repeat would not find again: asks once more only if nothing was sent.
    ///
    /// # Errors
    /// [`Error::Unknown`] when it may be taken.
    pub(crate) async fn take<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let answer = self.tried_while(&call, None, |failed| matches!(failed, Failed::NotSent(_) | Failed::Refused(_)));
        answer.await.map_err(|ended| ended.told(None))?.json()
    }

    /// Ends something that has no key. Once an attempt was not answered, a refusal with one of these codes says that it is over.
    ///
    /// # Errors
    /// [`Error::Unknown`] when it may be over.
    pub(crate) async fn end(&self, call: Call, over: &[&str]) -> Result<(), Error> {
        match self.tried(&call, None).await {
            Ok(_) => Ok(()),
            Err(Ended { last: Last::Refused(problem), may_have_happened: true })
                if over.contains(&problem.code.as_str()) =>
            {
                Ok(())
            }
            Err(ended) => Err(ended.told(None)),
        }
    }

    async fn write_whole(&self, call: Call) -> Result<Answer, Error> {
        if let Some(key) = &self.key {
            // It stays usable: whoever chose it may repeat the write under it later.
            return self.tried(&call, Some(key)).await.map_err(|ended| ended.told(Some(key)));
        }
        let key = uuid::Uuid::new_v4().to_string();
        match self.tried(&call, Some(&key)).await {
            Ok(answer) => Ok(answer),
            Err(Ended { last: Last::Refused(problem), may_have_happened: true }) => {
                self.settled(&call, &key, problem).await
            }
            Err(ended) => Err(ended.told(Some(&key))),
        }
    }

    /// After a refusal behind an attempt that was not answered: what became of that one.
    async fn settled(&self, call: &Call, key: &str, problem: Box<Problem>) -> Result<Answer, Error> {
        match self.keys().settle(key).await.map(|record| record.state) {
            Ok(KeyState::Void) => Err(Error::Refused(problem)),
            // Its answer is kept under the key.
            Ok(KeyState::Completed) => {
                self.tried(call, Some(key)).await.map_err(|ended| unknown(Some(key), ended.last.text()))
            }
            Ok(KeyState::InFlight) | Err(_) => Err(unknown(Some(key), problem.to_string())),
        }
    }

    async fn tried(&self, call: &Call, key: Option<&str>) -> Result<Answer, Ended> {
        self.tried_while(call, key, |_| true).await
    }

    /// # Cancel safety
    /// A dropped call may have had its effect.
    async fn tried_while(
        &self,
        call: &Call,
        key: Option<&str>,
        is_repeatable: impl Fn(&Failed) -> bool,
    ) -> Result<Answer, Ended> {
        let mut may_have_happened = false;
        let mut attempt = 0;
        loop {
            let failed = match self.attempt(call, key).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let is_last = attempt + 1 >= self.shared.attempts || !is_repeatable(&failed);
            let random = rand::random::<f64>();
            let (last, pause) = match failed {
                Failed::NotSent(why) => (Last::Silent(why), Some(retry::pause(attempt, random))),
                Failed::NotAnswered(why) => {
                    may_have_happened = true;
                    (Last::Silent(why), Some(retry::pause(attempt, random)))
                }
                Failed::Refused(problem) if retry::is_unknown(&problem) => {
                    may_have_happened = true;
                    (Last::Silent(problem.to_string()), Some(retry::pause(attempt, random)))
                }
                Failed::Refused(problem) => {
                    let pause = retry::after(&problem, attempt, random, call.patience);
                    (Last::Refused(problem), pause)
                }
            };
            let Some(pause) = pause.filter(|_| !is_last) else { return Err(Ended { last, may_have_happened }) };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }
}

impl Ended {
    fn told(self, key: Option<&str>) -> Error {
        match self.last {
            // With such a key no attempt has an effect, whenever it arrives.
            Last::Refused(problem) if is_of_key(&problem) => Error::Refused(problem),
            last if self.may_have_happened => unknown(key, last.text()),
            last => last.told(),
        }
    }
}

impl Last {
    fn text(self) -> String {
        match self {
            Self::Refused(problem) => problem.to_string(),
            Self::Silent(why) => why,
        }
    }

    fn told(self) -> Error {
        match self {
            Self::Refused(problem) => Error::Refused(problem),
            Self::Silent(why) => Error::Unreachable(why),
        }
    }
}

fn is_of_key(problem: &Problem) -> bool {
    matches!(problem.code.as_str(), "idempotency_key_void" | "idempotency_key_reused")
}

fn unknown(key: Option<&str>, last: String) -> Error {
    Error::Unknown { key: key.map(str::to_owned), last }
}
