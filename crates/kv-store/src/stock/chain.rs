//! The chain of a level's movements: each hash covers the movement and the hash before it, so that nothing in the middle can be
//! changed, taken out or put in without a trace. It costs no lock: the level's own already puts its movements in order.
//!
//! Invariant: the bytes that are hashed are fixed for good. A further column gets a further format with a tag of its own.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// SHA-256 of a movement and of all before it.
pub(crate) type Hash = [u8; 32];

/// Names the format of the bytes.
const TAG: &[u8] = b"kv-erp stock movement, format 1\n";

/// A movement as its row has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    pub(crate) tenant: i64,
    pub(crate) product: Uuid,
    pub(crate) warehouse: Uuid,
    pub(crate) version: i64,
    pub(crate) kind: &'a str,
    /// Of the available, held, shipped and received units.
    pub(crate) changes: [i64; 4],
    /// Available and held units afterwards.
    pub(crate) after: [i64; 2],
    /// Reservation, order, receipt, adjustment, transfer, actor.
    pub(crate) causes: [Option<Uuid>; 6],
    pub(crate) line: Option<i32>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) created_at: Timestamp,
}

impl Link<'_> {
    /// The hash of this movement behind another one, or as the first that has a hash.
    pub(crate) fn hash(&self, before: Option<&Hash>) -> Hash {
        let mut digest = Sha256::new();
        digest.update(TAG);
        optional(&mut digest, before.map(Hash::as_slice));
        digest.update(self.tenant.to_be_bytes());
        digest.update(self.product);
        digest.update(self.warehouse);
        digest.update(self.version.to_be_bytes());
        text(&mut digest, self.kind);
        for number in self.changes.into_iter().chain(self.after) {
            digest.update(number.to_be_bytes());
        }
        for cause in &self.causes {
            optional(&mut digest, cause.as_ref().map(|id| id.as_bytes().as_slice()));
        }
        optional(&mut digest, self.line.map(i32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
        match self.reason {
            None => digest.update([0]),
            Some(reason) => {
                digest.update([1]);
                text(&mut digest, reason);
            }
        }
        digest.update(self.created_at.as_microsecond().to_be_bytes());
        digest.finalize().into()
    }
}

/// Whether it is there, and it; of one length whenever it is.
fn optional(digest: &mut Sha256, bytes: Option<&[u8]>) {
    digest.update([u8::from(bytes.is_some())]);
    digest.update(bytes.unwrap_or_default());
}

fn text(digest: &mut Sha256, text: &str) {
    digest.update((text.len() as u64).to_be_bytes());
    digest.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link<'static> {
        Link {
            tenant: 1,
            product: Uuid::from_u128(2),
            warehouse: Uuid::from_u128(3),
            version: 4,
            kind: "adjusted",
            changes: [5, 0, 0, 5],
            after: [6, 7],
            causes: [None, None, None, Some(Uuid::from_u128(8)), None, Some(Uuid::from_u128(9))],
            line: Some(1),
            reason: Some("counted"),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// What was written once must be verified for ever.
    #[test]
    fn the_format_does_not_change() {
        let hex = |hash: Hash| Uuid::from_slice(&hash[..16]).unwrap().simple().to_string();
        let first = link().hash(None);
        assert_eq!(hex(first), "146aa588f8fc97affa9b22001b67dbb2");
        assert_eq!(hex(link().hash(Some(&first))), "ba85ce00399b5c21478ba1a19902d646");
    }

    #[test]
    fn whatever_differs_hashes_otherwise() {
        let it = link();
        let others = [
            Link { tenant: 2, ..it },
            Link { product: it.warehouse, warehouse: it.product, ..it },
            Link { version: 5, ..it },
            Link { kind: "received", ..it },
            Link { changes: [0, 5, 0, 5], ..it },
            Link { after: [7, 6], ..it },
            Link { causes: [None, None, None, None, Some(Uuid::from_u128(8)), Some(Uuid::from_u128(9))], ..it },
            Link { line: None, ..it },
            Link { reason: None, ..it },
            Link { reason: Some(""), ..it },
            Link { created_at: Timestamp::from_microsecond(1).unwrap(), ..it },
        ];
        let mut hashes: Vec<Hash> = others.iter().map(|other| other.hash(None)).collect();
        hashes.extend([it.hash(None), it.hash(Some(&[0; 32]))]);
        let wanted = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), wanted);
    }
}
