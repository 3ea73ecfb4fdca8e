//! Configurations that were met, so that none is worked at twice.
//!
//! A configuration covers another at the same return when the same updates led both to the same state and it has observed at
//! least as much: whatever explains the rest after the other explains it after this one too. Only what nothing else covers is
//! kept.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::config::{Config, mixed};
use super::mask::Mask;

/// End of a chain.
const NONE: u32 = u32::MAX;
/// Where an entry stands that a later one covers: nowhere, so that it is never found.
const COVERED: u32 = u32::MAX;

/// What identifies a configuration beside its updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Nothing: the updates determine the state.
    Updates,
    /// The state.
    State,
}

/// Met configurations, each with the return at which it stood.
#[derive(Debug)]
pub(super) struct Table<B, S> {
    identity: Identity,
    index: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    entries: Vec<Entry<B, S>>,
}

#[derive(Debug)]
struct Entry<B, S> {
    at: u32,
    next: u32,
    config: Config<B, S>,
}

impl<B: Mask, S: Eq + Hash + Clone> Table<B, S> {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, index: HashMap::default(), entries: Vec::new() }
    }

    /// Whether one that covers `config` is here.
    pub(super) fn covers(&self, at: u32, config: &Config<B, S>) -> bool {
        let mut link = self.index.get(&self.hash(at, config)).copied().unwrap_or(NONE);
        while link != NONE {
            let entry = &self.entries[link as usize];
            if self.is_same(entry, at, config) && config.observed.is_within(entry.config.observed) {
                return true;
            }
            link = entry.next;
        }
        false
    }

    /// Adds `config` unless one that is here covers it; those that it covers are done with.
    pub(super) fn insert(&mut self, at: u32, config: Config<B, S>) {
        let hash = self.hash(at, &config);
        let head = self.index.get(&hash).copied().unwrap_or(NONE);
        let mut link = head;
        while link != NONE {
            let entry = &self.entries[link as usize];
            let (next, is_same) = (entry.next, self.is_same(entry, at, &config));
            if is_same && config.observed.is_within(entry.config.observed) {
                return;
            }
            if is_same && entry.config.observed.is_within(config.observed) {
                self.entries[link as usize].at = COVERED;
            }
            link = next;
        }
        self.index.insert(hash, self.entries.len() as u32);
        self.entries.push(Entry { at, next: head, config });
    }

    /// How many have come in, covered ones too.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The configuration that came in as number `position`, unless a later one covers it.
    pub(super) fn get(&self, position: usize) -> Option<&Config<B, S>> {
        self.entries.get(position).filter(|entry| entry.at != COVERED).map(|entry| &entry.config)
    }

    /// Those that nothing covers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Config<B, S>> {
        self.entries.iter().filter(|entry| entry.at != COVERED).map(|entry| &entry.config)
    }

    /// Forgets all, and keeps the room unless little of it was used: emptying a large index is work of its own.
    pub(super) fn clear(&mut self) {
        /// Below this an index is small.
        const SMALL: usize = 1_024;
        if self.index.capacity() > SMALL && self.entries.len() < self.index.capacity() / 8 {
            self.index = HashMap::default();
            self.entries = Vec::new();
        } else {
            self.index.clear();
            self.entries.clear();
        }
    }

    /// What the room takes.
    pub(super) fn bytes(&self) -> u64 {
        // A slot of the index has a byte of its own beside key and link, and one slot of eight stays free.
        let slot = size_of::<(u64, u32)>() + 1;
        (self.entries.capacity() * size_of::<Entry<B, S>>() + self.index.capacity() * slot * 8 / 7) as u64
    }

    fn hash(&self, at: u32, config: &Config<B, S>) -> u64 {
        match self.identity {
            Identity::Updates => mixed(&(at, config.updates)),
            Identity::State => mixed(&(at, config.updates, &config.state)),
        }
    }

    fn is_same(&self, entry: &Entry<B, S>, at: u32, config: &Config<B, S>) -> bool {
        entry.at == at
            && entry.config.updates == config.updates
            && (self.identity == Identity::Updates || entry.config.state == config.state)
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        // Never reached by a `u64`; any mixture is a hash.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(updates: u64, observed: u64, state: i32) -> Config<u64, i32> {
        Config { updates, observed, state }
    }

    #[test]
    fn only_what_nothing_covers_is_kept() {
        let mut table = Table::new(Identity::State);
        table.insert(1, config(1, 0b01, 7));
        table.insert(1, config(1, 0b01, 7));
        table.insert(1, config(1, 0b10, 7));
        assert_eq!(table.iter().count(), 2);
        table.insert(1, config(1, 0b111, 7));
        assert_eq!(table.iter().collect::<Vec<_>>(), [&config(1, 0b111, 7)]);
        assert_eq!((table.get(0), table.get(2)), (None, Some(&config(1, 0b111, 7))));
        assert!(table.covers(1, &config(1, 0b100, 7)) && !table.covers(1, &config(1, 0b1000, 7)));
        assert!(!table.covers(2, &config(1, 0b100, 7)) && !table.covers(1, &config(1, 0b100, 8)));
        assert!(!table.covers(1, &config(2, 0b100, 7)));
    }

    #[test]
    fn where_updates_determine_the_state_it_is_not_compared() {
        let mut table = Table::new(Identity::Updates);
        table.insert(1, config(1, 0, 7));
        assert!(table.covers(1, &config(1, 0, 8)));
        table.clear();
        assert!(table.len() == 0 && !table.covers(1, &config(1, 0, 7)));
    }
}
