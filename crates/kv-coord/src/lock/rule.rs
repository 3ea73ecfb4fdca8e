//! The rule as a value, so that a model checker can drive [`LockState`] itself and not a copy of it.
//!
//! Invariants: every answer is the rule's own; a clone is another future of the same lock; two rules whose [`View`]s are equal
//! behave alike from there on. Time is counted from the making of the rule.
//! Absent on purpose: a rule of its own, and everything around the rule (timers, connections, the Redis scripts).

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::{Claimant, LockState, Try, Wake};
use crate::lock::bounds::{Ttl, Wait};
use crate::lock::error::LockLost;
use crate::lock::fence::{Epoch, Fence, Mint};
use crate::lock::grant::{Grant, ReleaseOutcome, RenewOutcome};
use crate::lock::token::Token;

/// One lock of one incarnation of its server.
#[derive(Debug)]
pub struct LockRule {
    state: LockState<Bell>,
    mint: Mint,
    begin: Instant,
}

impl Clone for LockRule {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), mint: self.mint.fork(), begin: self.begin }
    }
}

/// When a call is made, and which waiters' processes would not take delivery then.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Counted from the making of the rule; calls are made in the order of time.
    pub at: Duration,
    /// The deaf.
    pub gone: &'a [Token],
}

/// A grant as it leaves for its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Granted {
    /// Whose it is.
    pub token: Token,
    /// Its number.
    pub fence: Fence,
    /// Until when its holder may believe in it, if it asked at the moment of the call.
    pub believed_until: Duration,
}

/// What a call answered, and what it set going.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// The answer.
    pub answer: T,
    /// Grants on their way to waiters, in the order of being made.
    pub handed: Vec<Granted>,
}

/// What came of asking for the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The lock is the asker's.
    Granted(Granted),
    /// The asker waits.
    InLine,
    /// The line or the numbers are at their end.
    Refused,
}

/// All that decides what happens next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Who holds the lock; also one whose time is over, as long as nobody looked.
    pub holder: Option<Held>,
    /// Who waits, and how much longer; `None` when too long already.
    pub line: Vec<(Token, Option<Duration>)>,
    /// How many fences were minted in this epoch.
    pub minted: u64,
}

/// The holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Who.
    pub token: Token,
    /// Under which number.
    pub fence: Fence,
    /// How much longer unless renewed; zero when the time is over.
    pub left: Duration,
}

impl LockRule {
    /// A free lock whose fences are of `epoch`.
    pub fn new(epoch: Epoch) -> Self {
        Self { state: LockState::default(), mint: Mint::new(epoch), begin: Instant::now() }
    }

    /// Takes the lock or joins the line, as the in-process locks do.
    pub fn ask(&mut self, call: Call<'_>, token: Token, (ttl, wait): (Ttl, Wait)) -> Done<Asked> {
        let begin = self.begin;
        self.call(call, |state, now, mint| {
            let claimant = Claimant { token, ttl };
            match state.try_acquire(now, claimant, mint) {
                Try::Granted(grant) => Asked::Granted(Granted::of(&grant, begin)),
                Try::FencesUsedUp => Asked::Refused,
                Try::Held { .. } => match state.join(claimant, now + wait.get(), Bell) {
                    Ok(()) => Asked::InLine,
                    Err(_) => Asked::Refused,
                },
            }
        })
    }

    /// Ends a grant whose time is over and serves the line, as a waiter's timer does.
    pub fn look(&mut self, call: Call<'_>) -> Done<()> {
        self.call(call, |state, now, mint| {
            state.settle(now, mint);
        })
    }

    /// Gives the lock back.
    pub fn release(&mut self, call: Call<'_>, token: Token) -> Done<ReleaseOutcome> {
        self.call(call, |state, now, mint| state.release(now, token, mint))
    }

    /// Starts the holder's lifetime anew; gives until when the holder may believe in it, if it asked at the moment of the call.
    pub fn renew(&mut self, call: Call<'_>, token: Token, ttl: Ttl) -> Done<Result<Duration, LockLost>> {
        self.call(call, |state, now, mint| match state.renew(now, token, ttl, mint) {
            RenewOutcome::Renewed => Ok(call.at + ttl.believed()),
            RenewOutcome::Expired => Err(LockLost::Expired),
            RenewOutcome::NotOwner => Err(LockLost::NotOwner),
        })
    }

    /// Leaves the line, or gives back a grant nobody took delivery of.
    pub fn cancel(&mut self, call: Call<'_>, token: Token) -> Done<()> {
        self.call(call, |state, now, mint| state.cancel(now, token, mint))
    }

    /// The lock as it stands; changes nothing.
    pub fn view(&self, at: Duration) -> View {
        let now = self.begin + at;
        let holder = self.state.holder.as_ref().map(|holder| Held {
            token: holder.token,
            fence: holder.fence,
            left: holder.until.saturating_duration_since(now),
        });
        let line = self.state.line.iter();
        let line = line.map(|waiter| (waiter.claimant.token, waiter.deadline.checked_duration_since(now))).collect();
        View { holder, line, minted: self.mint.minted() }
    }

    fn call<T>(&mut self, call: Call<'_>, change: impl FnOnce(&mut LockState<Bell>, Instant, &Mint) -> T) -> Done<T> {
        POST.set(Post { gone: call.gone.to_vec(), grants: Vec::new() });
        let answer = change(&mut self.state, self.begin + call.at, &self.mint);
        let handed = POST.take().grants.iter().map(|grant| Granted::of(grant, self.begin)).collect();
        Done { answer, handed }
    }
}

impl Granted {
    fn of(grant: &Grant, begin: Instant) -> Self {
        let believed_until = grant.believed_until.saturating_duration_since(begin);
        Self { token: grant.token, fence: grant.fence, believed_until }
    }
}

/// A waiter's bell. It rings in the call's [`Post`], since a bell that held a channel could not be copied with its lock.
#[derive(Clone, Copy, Debug)]
struct Bell;

#[derive(Default)]
struct Post {
    gone: Vec<Token>,
    grants: Vec<Grant>,
}

thread_local! {
    static POST: RefCell<Post> = RefCell::default();
}

impl Wake for Bell {
    fn deliver(self, grant: Grant) -> bool {
        POST.with_borrow_mut(|post| {
            if post.gone.contains(&grant.token) {
                return false;
            }
            post.grants.push(grant);
            true
        })
    }
}
