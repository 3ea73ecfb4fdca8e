//! Two that must hold together, found in one sweep over the instants at which somebody surely begins to hold.
//!
//! A grant cannot have been given before the last one that must hold had ended, nor in a pause too short for a lease to be given
//! and lapse in it. So the lease is counted from there, and a grant for which no instant is left was granted twice.

use super::Rules;
use super::holds::{Grant, Holds};
use super::op::LockKey;
use super::pieces::{Piece, Pieces};
use crate::check::reading::End;
use crate::check::{Finding, Findings};
use crate::units::show_ns;

/// Somebody surely holds from here on.
struct Begin {
    at: u64,
    grant: u32,
    /// Its renewal, if it is not the acquire itself.
    renewal: Option<Renewal>,
}

#[derive(Clone, Copy)]
struct Renewal {
    id: u64,
    call: u64,
}

/// Pieces with no pause between them in which a lease could be given and lapse.
struct Run {
    start: u64,
    end: u64,
    /// Whose end it is.
    grant: u32,
}

/// A piece found, not yet set beside the others.
struct Waiting {
    begin: Begin,
    end: u64,
    is_impossible: bool,
}

struct Sweep<'a> {
    key: &'a str,
    grants: &'a [Grant],
    /// No lease of this lock is shorter.
    shortest_ns: u64,
    reentrant: bool,
    runs: Vec<Run>,
    /// Those that begin at the last instant: to each other they have no order yet.
    waiting: Vec<Waiting>,
    pieces: Vec<Piece>,
    /// The last piece of each grant.
    last: Vec<Option<usize>>,
}

/// When somebody must hold; whoever holds beside him is found on the way.
pub(super) fn must_hold(ops: &LockKey<'_>, holds: &Holds, rules: &Rules, findings: &mut Findings) -> Pieces {
    let mut sweep = Sweep {
        key: ops.key,
        grants: &holds.grants,
        shortest_ns: holds.grants.iter().map(|grant| grant.least_ns).min().unwrap_or(0),
        reentrant: rules.reentrant,
        runs: Vec::new(),
        waiting: Vec::new(),
        pieces: Vec::with_capacity(holds.grants.len()),
        last: vec![None; holds.grants.len()],
    };
    for begin in begins(holds) {
        sweep.take(begin, findings);
    }
    sweep.settle(findings);
    Pieces::new(sweep.pieces)
}

fn begins(holds: &Holds) -> Vec<Begin> {
    let mut begins = Vec::with_capacity(holds.grants.len());
    for (place, grant) in holds.grants.iter().enumerate().filter(|(_, grant)| grant.certain) {
        let place = place as u32;
        begins.push(Begin { at: grant.span.end, grant: place, renewal: None });
        if !grant.unique {
            continue;
        }
        for renewal in holds.renewals.of(grant.token).iter().filter(|one| one.end == End::Done && !one.foreign) {
            // One that was accepted after the lock had gone to another proves no holding; it is accused elsewhere.
            if grant.span.end <= renewal.span.call && holds.taken.after(grant.span, renewal.span.call).is_none() {
                let (id, call) = (renewal.span.id, renewal.span.call);
                begins.push(Begin { at: renewal.span.end, grant: place, renewal: Some(Renewal { id, call }) });
            }
        }
    }
    begins.sort_by_key(|begin| begin.at);
    begins
}

impl Sweep<'_> {
    fn take(&mut self, begin: Begin, findings: &mut Findings) {
        if self.waiting.first().is_some_and(|first| first.begin.at < begin.at) {
            self.settle(findings);
        }
        let grant = &self.grants[begin.grant as usize];
        let (counted_from, is_impossible) = match begin.renewal {
            Some(renewal) => (renewal.call, false),
            None => self.earliest(grant, findings),
        };
        let end = grant.released_from.min(counted_from.saturating_add(grant.least_ns));
        if begin.at < end {
            self.waiting.push(Waiting { begin, end, is_impossible });
        }
    }

    fn settle(&mut self, findings: &mut Findings) {
        for Waiting { begin, end, is_impossible } in std::mem::take(&mut self.waiting) {
            if !is_impossible && let Some(run) = self.runs.last() {
                self.check_beside(&begin, end, run, findings);
            }
            self.extend_runs(&begin, end);
            self.keep(Piece { start: begin.at, end, grant: begin.grant });
        }
    }

    /// Not earlier was it granted; and whether no instant is left for it at all.
    fn earliest(&self, grant: &Grant, findings: &mut Findings) -> (u64, bool) {
        let call = grant.span.call;
        let place = self.runs.partition_point(|run| run.end < call);
        let Some(run) = self.runs.get(place).filter(|_| !self.reentrant) else { return (call, false) };
        if run.start >= call.saturating_add(self.shortest_ns) {
            return (call, false);
        }
        if run.end <= grant.span.end {
            return (run.end, false);
        }
        let holder = &self.grants[run.grant as usize];
        let what = format!(
            "operation {} was granted the lock, called and answered while operation {} surely held it, for {} more",
            grant.span.id,
            holder.span.id,
            show_ns(run.end - grant.span.end)
        );
        findings.violation(
            Finding::new("granted-twice", self.key, what)
                .by(involved(grant, holder, None))
                .allowed("a grant after the first holder's release was sent or its lease had run out"),
        );
        (call, true)
    }

    fn check_beside(&self, begin: &Begin, end: u64, run: &Run, findings: &mut Findings) {
        let (grant, holder) = (&self.grants[begin.grant as usize], &self.grants[run.grant as usize]);
        let reenters = self.reentrant && grant.token == holder.token;
        if run.end <= begin.at || run.grant == begin.grant || reenters {
            return;
        }
        let what = format!(
            "operations {} and {} both surely held the lock, together for {}",
            holder.span.id,
            grant.span.id,
            show_ns(run.end.min(end) - begin.at)
        );
        findings.violation(
            Finding::new("granted-twice", self.key, what)
                .by(involved(grant, holder, begin.renewal))
                .allowed("one holder at a time, until it sends its release or its lease has run out"),
        );
    }

    fn extend_runs(&mut self, begin: &Begin, end: u64) {
        match self.runs.last_mut() {
            Some(run) if begin.at < run.end.saturating_add(self.shortest_ns) => {
                if end > run.end {
                    (run.end, run.grant) = (end, begin.grant);
                }
            }
            _ => self.runs.push(Run { start: begin.at, end, grant: begin.grant }),
        }
    }

    /// A renewal in time lengthens what was there.
    fn keep(&mut self, piece: Piece) {
        if let Some(last) = self.last[piece.grant as usize]
            && piece.start <= self.pieces[last].end
        {
            let known = &mut self.pieces[last].end;
            *known = piece.end.max(*known);
            return;
        }
        self.last[piece.grant as usize] = Some(self.pieces.len());
        self.pieces.push(piece);
    }
}

fn involved(grant: &Grant, holder: &Grant, renewal: Option<Renewal>) -> Vec<u64> {
    let mut ids = vec![grant.span.id, holder.span.id];
    ids.extend(renewal.map(|renewal| renewal.id));
    ids
}
