//! Stretches of time in which a grant must hold, asked for by time.

/// In which a grant surely held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Which of the lock's grants.
    pub(super) grant: u32,
}

/// Pieces by start, with the two of different grants that reach furthest up to each.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    starts: Vec<u64>,
    furthest: Vec<[Option<Piece>; 2]>,
}

impl Pieces {
    pub(super) fn new(mut pieces: Vec<Piece>) -> Self {
        pieces.sort_by_key(|piece| piece.start);
        let mut best: [Option<Piece>; 2] = [None, None];
        let mut furthest = Vec::with_capacity(pieces.len());
        for &piece in &pieces {
            best = with(best, piece);
            furthest.push(best);
        }
        Self { starts: pieces.iter().map(|piece| piece.start).collect(), furthest }
    }

    /// A piece of another grant than `except` that covers all of the time from `from` to `to` and more at both ends: what happened
    /// at one instant has no order.
    pub(super) fn covering(&self, from: u64, to: u64, except: Option<u32>) -> Option<Piece> {
        self.reaching(from.checked_sub(1)?, to.checked_add(1)?, except)
    }

    /// A piece of another grant than `except` that has an instant between `from` and `to`.
    pub(super) fn touching(&self, from: u64, to: u64, except: Option<u32>) -> Option<Piece> {
        self.reaching(to, from, except)
    }

    /// One that began by `started` and ends at `reaches` or later.
    fn reaching(&self, started: u64, reaches: u64, except: Option<u32>) -> Option<Piece> {
        let known = self.starts.partition_point(|&start| start <= started);
        let best = self.furthest.get(known.checked_sub(1)?)?;
        best.iter().flatten().find(|piece| Some(piece.grant) != except && piece.end >= reaches).copied()
    }
}

fn with(best: [Option<Piece>; 2], piece: Piece) -> [Option<Piece>; 2] {
    let reaches = |place: Option<Piece>| place.is_none_or(|other| piece.end > other.end);
    let is_first = best[0].is_some_and(|first| first.grant == piece.grant);
    if reaches(best[0]) {
        if is_first { [Some(piece), best[1]] } else { [Some(piece), best[0]] }
    } else if !is_first && reaches(best[1]) {
        [best[0], Some(piece)]
    } else {
        best
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_found_agrees_with_looking_at_all(
            raw in prop::collection::vec((0_u64..60, 0_u64..20, 0_u32..4), 0..12),
            asked in (0_u64..80, 0_u64..20),
            except in prop::option::of(0_u32..4),
        ) {
            let all: Vec<Piece> =
                raw.into_iter().map(|(start, length, grant)| Piece { start, end: start + length, grant }).collect();
            let pieces = Pieces::new(all.clone());
            let (from, to) = (asked.0, asked.0 + asked.1);
            let others = || all.iter().filter(|piece| Some(piece.grant) != except);
            let covers = others().any(|piece| piece.start < from && to < piece.end);
            let touches = others().any(|piece| piece.start <= to && from <= piece.end);
            prop_assert_eq!(pieces.covering(from, to, except).is_some(), covers);
            prop_assert_eq!(pieces.touching(from, to, except).is_some(), touches);
        }
    }
}
