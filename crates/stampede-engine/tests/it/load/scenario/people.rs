//! What the users of the tests do.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stampede_engine::load::scenario::{
    Attempt, BarrierId, BarrierSpec, Client, Halt, Mismatch, Outgoing, Received, Scenario, Seat, StepId, StepSpec, Want,
};
use stampede_model::failure::FailureKind;

use crate::load::server::Server;

const LOGIN: StepId = StepId(0);
const LIST: StepId = StepId(1);
const ORDER: StepId = StepId(2);

/// A user who logs in, lists, orders, and leaves; with notes of who did what.
pub(super) struct Shop {
    base: String,
    seen: Arc<Seen>,
    habit: Shopping,
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) seats: Mutex<Vec<Seat>>,
    pub(super) iterations: Mutex<Vec<u64>>,
    pub(super) started: AtomicU64,
    pub(super) stopped: AtomicU64,
    pub(super) bodies: Mutex<BTreeSet<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shopping {
    Plain,
    /// The list is never as expected, which ends the iteration.
    Particular,
    /// The same, but it goes on.
    Patient,
    /// Gives up the run in its third iteration.
    Quitter,
    /// Panics in its third iteration.
    Faulty,
    /// Meets as many others before each order.
    Together(u32),
    /// Thinks for an hour after the list.
    Thinker,
}

impl Shop {
    pub(super) fn new(server: &Server, habit: Shopping) -> (Self, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        (Self { base: server.url(""), seen: Arc::clone(&seen), habit }, seen)
    }

    fn request(&self, path: &str) -> Outgoing {
        Outgoing::get(&format!("{}{path}", self.base)).unwrap()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a check may refuse")]
fn any(_: &Received<'_>) -> Result<(), Mismatch> {
    Ok(())
}

impl Scenario for Shop {
    type User = (Seat, Outgoing);

    fn steps(&self) -> Vec<StepSpec> {
        ["POST login", "GET /products", "POST order"].map(|name| StepSpec::new("GET", name)).into()
    }

    fn origins(&self) -> Vec<Outgoing> {
        vec![self.request("/")]
    }

    fn barriers(&self) -> Vec<BarrierSpec> {
        match self.habit {
            Shopping::Together(users) => vec![BarrierSpec { name: "all order".to_owned(), users }],
            _ => Vec::new(),
        }
    }

    fn first_step(&self, _iteration: u64) -> StepId {
        LIST
    }

    fn new_user(&self, seat: Seat) -> Self::User {
        self.seen.seats.lock().unwrap().push(seat);
        (seat, self.request("/order"))
    }

    async fn start(&self, _user: &mut Self::User, client: &mut Client<'_>) -> Result<(), Halt> {
        self.seen.started.fetch_add(1, Ordering::SeqCst);
        client.send(LOGIN, &self.request("/login"), Want::STATUS, any).await
    }

    async fn iterate(&self, user: &mut Self::User, client: &mut Client<'_>, iteration: u64) -> Result<(), Halt> {
        self.seen.iterations.lock().unwrap().push(iteration);
        let list = self.request("/products");
        match self.habit {
            Shopping::Particular => {
                let check = |_: &Received<'_>| Err::<(), _>(Mismatch::Content("no products".to_owned()));
                client.send(LIST, &list, Want::ALL, check).await?;
            }
            Shopping::Patient => {
                let check = |_: &Received<'_>| Err::<(), _>(Mismatch::Content("no products".to_owned()));
                let attempt = client.attempt(LIST, &list, Want::ALL, check).await?;
                assert_eq!(attempt, Attempt::Failed { kind: FailureKind::ContentUnexpected, status: Some(200) });
            }
            Shopping::Quitter if self.seen.iterations.lock().unwrap().len() >= 3 => {
                return Err(Halt::Run("the feeder `skus` is used up".to_owned()));
            }
            Shopping::Faulty if iteration >= 2 => panic!("no product left in basket {iteration}"),
            _ => {
                let body = client
                    .send(LIST, &list, Want::ALL, |received| {
                        assert_eq!(received.headers["server"], "toy");
                        Ok(received.body.to_vec())
                    })
                    .await?;
                self.seen.bodies.lock().unwrap().insert(body);
            }
        }
        match self.habit {
            Shopping::Together(_) => client.meet(BarrierId(0)).await,
            Shopping::Thinker => client.pause(Duration::from_hours(1)).await,
            _ => {}
        }
        user.1.set_path(&format!("/order/{iteration}")).unwrap();
        client.send(ORDER, &user.1, Want::STATUS, any).await
    }

    async fn stop(&self, _user: &mut Self::User, _client: &mut Client<'_>) {
        self.seen.stopped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Sends two requests.
pub(super) struct Two(pub(super) String);

impl Scenario for Two {
    type User = ();
    fn steps(&self) -> Vec<StepSpec> {
        vec![StepSpec::new("GET", "first"), StepSpec::new("GET", "second")]
    }
    fn origins(&self) -> Vec<Outgoing> {
        vec![Outgoing::get(&self.0).unwrap()]
    }
    fn new_user(&self, _seat: Seat) {}
    async fn iterate(&self, _user: &mut (), client: &mut Client<'_>, _iteration: u64) -> Result<(), Halt> {
        let request = Outgoing::get(&self.0).unwrap();
        client.send(StepId(0), &request, Want::STATUS, any).await?;
        client.send(StepId(1), &request, Want::STATUS, any).await
    }
}

/// Sends one request and leaves; the eighth iteration gives up before it.
pub(super) struct Weary(pub(super) String);

impl Scenario for Weary {
    type User = ();
    fn steps(&self) -> Vec<StepSpec> {
        vec![StepSpec::new("GET", "only")]
    }
    fn origins(&self) -> Vec<Outgoing> {
        vec![Outgoing::get(&self.0).unwrap()]
    }
    fn new_user(&self, _seat: Seat) {}
    async fn iterate(&self, _user: &mut (), client: &mut Client<'_>, iteration: u64) -> Result<(), Halt> {
        if iteration == 7 {
            return Err(Halt::Iteration);
        }
        client.send(StepId(0), &Outgoing::get(&self.0).unwrap(), Want::STATUS, any).await?;
        Err(Halt::User)
    }
}

/// Finds nothing to do.
pub(super) struct Idler(pub(super) String);

impl Scenario for Idler {
    type User = ();
    fn steps(&self) -> Vec<StepSpec> {
        vec![StepSpec::new("GET", "never")]
    }
    fn origins(&self) -> Vec<Outgoing> {
        vec![Outgoing::get(&self.0).unwrap()]
    }
    fn new_user(&self, _seat: Seat) {}
    async fn iterate(&self, _user: &mut (), _client: &mut Client<'_>, _iteration: u64) -> Result<(), Halt> {
        Ok(())
    }
}

/// Logs in at a server of its own before it sends anything.
pub(super) struct Locked {
    pub(super) door: String,
    pub(super) shop: String,
}

impl Scenario for Locked {
    type User = ();
    fn steps(&self) -> Vec<StepSpec> {
        vec![StepSpec::new("GET", "login"), StepSpec::new("GET", "work")]
    }
    fn origins(&self) -> Vec<Outgoing> {
        [&self.door, &self.shop].map(|url| Outgoing::get(url).unwrap()).into()
    }
    fn first_step(&self, _iteration: u64) -> StepId {
        StepId(1)
    }
    fn new_user(&self, _seat: Seat) {}
    async fn start(&self, _user: &mut (), client: &mut Client<'_>) -> Result<(), Halt> {
        client.send(StepId(0), &Outgoing::get(&self.door).unwrap(), Want::STATUS, any).await
    }
    async fn iterate(&self, _user: &mut (), client: &mut Client<'_>, _iteration: u64) -> Result<(), Halt> {
        client.send(StepId(1), &Outgoing::get(&self.shop).unwrap(), Want::STATUS, any).await
    }
}

/// Loses patience with one server and goes to another.
pub(super) struct Hasty {
    pub(super) slow: String,
    pub(super) quick: String,
}

impl Scenario for Hasty {
    type User = ();
    fn steps(&self) -> Vec<StepSpec> {
        vec![StepSpec::new("GET", "slow"), StepSpec::new("GET", "quick")]
    }
    fn origins(&self) -> Vec<Outgoing> {
        [&self.slow, &self.quick].map(|url| Outgoing::get(url).unwrap()).into()
    }
    fn new_user(&self, _seat: Seat) {}
    async fn iterate(&self, _user: &mut (), client: &mut Client<'_>, _iteration: u64) -> Result<(), Halt> {
        let slow = Outgoing::get(&self.slow).unwrap();
        let sent = client.send(StepId(0), &slow, Want::STATUS, any);
        assert!(tokio::time::timeout(Duration::from_millis(20), sent).await.is_err(), "nobody answers there");
        client.send(StepId(1), &Outgoing::get(&self.quick).unwrap(), Want::STATUS, any).await
    }
}

/// Comes to a meeting, thinks better of it, and comes again.
pub(super) struct Waverer(pub(super) String);

impl Scenario for Waverer {
    type User = ();
    fn steps(&self) -> Vec<StepSpec> {
        vec![StepSpec::new("GET", "only")]
    }
    fn origins(&self) -> Vec<Outgoing> {
        vec![Outgoing::get(&self.0).unwrap()]
    }
    fn barriers(&self) -> Vec<BarrierSpec> {
        vec![BarrierSpec { name: "two".to_owned(), users: 2 }]
    }
    fn new_user(&self, _seat: Seat) {}
    async fn iterate(&self, _user: &mut (), client: &mut Client<'_>, _iteration: u64) -> Result<(), Halt> {
        let waiting = client.meet(BarrierId(0));
        assert!(tokio::time::timeout(Duration::from_millis(10), waiting).await.is_err(), "nobody else comes");
        client.meet(BarrierId(0)).await;
        client.send(StepId(0), &Outgoing::get(&self.0).unwrap(), Want::STATUS, any).await
    }
}
