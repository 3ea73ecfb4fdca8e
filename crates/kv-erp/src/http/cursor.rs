//! The cursor of a list: where a page ended, signed, so that it leads on in the same list with the same filters in the same order,
//! for the same tenant, and nowhere else.
//!
//! It is base64url of a format's number, the keys of the last row shown, and HMAC-SHA-256 over all that it belongs to. It is opaque
//! but not secret: it names a row that its holder has seen. The secret is the database's ([`kv_store::access::CursorSecret`]), so
//! that every replica takes what another one gave, also after a restart.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use kv_store::access::CursorSecret;
use kv_store::lists::{Ask, Key, Kind, Position, Value};
use kv_types::TenantId;
use sha2::Sha256;
use uuid::Uuid;

/// The number of the format.
const FORMAT: u8 = 1;
/// How much of the code is kept: nobody tries 2^128 of them.
const MAC_BYTES: usize = 16;
/// More than the longest text of a key makes of it.
pub const MAX_CHARACTERS: usize = 1_200;

/// What cursors of one tenant, list, order and set of filters are signed with.
pub struct Seal(Hmac<Sha256>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    /// The seal of what is asked, whatever its page.
    pub fn of(secret: &CursorSecret, tenant: TenantId, ask: &Ask) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(b"kv-erp cursor\0");
        mac.update(&[FORMAT]);
        mac.update(&tenant.get().to_be_bytes());
        mac.update(&ask.fingerprint());
        Self(mac)
    }

    /// The cursor of a position.
    pub fn close(&self, position: &Position) -> String {
        let mut bytes = vec![FORMAT];
        for value in position {
            write(value, &mut bytes);
        }
        let code = self.0.clone().chain_update(&bytes[1..]).finalize().into_bytes();
        bytes.extend_from_slice(&code[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position of a cursor with these keys; `None` when it was not given for what is asked.
    pub fn open(&self, raw: &str, keys: &[Key]) -> Option<Position> {
        let bytes = decode(raw)?;
        let (payload, code) = bytes[1..].split_at(bytes.len() - 1 - MAC_BYTES);
        self.0.clone().chain_update(payload).verify_truncated_left(code).ok()?;
        let mut rest = payload;
        let position = keys.iter().map(|key| read(key.kind, &mut rest)).collect::<Option<_>>()?;
        rest.is_empty().then_some(position)
    }
}

/// Whether a text looks like a cursor of some list.
pub fn has_form(raw: &str) -> bool {
    decode(raw).is_some()
}

fn decode(raw: &str) -> Option<Vec<u8>> {
    if raw.len() > MAX_CHARACTERS {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(raw).ok()?;
    (bytes.len() > 1 + MAC_BYTES && bytes[0] == FORMAT).then_some(bytes)
}

fn write(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Id(id) => bytes.extend_from_slice(id.as_bytes()),
        Value::Whole(number) => bytes.extend_from_slice(&number.to_be_bytes()),
        Value::Instant(instant) => bytes.extend_from_slice(&instant.as_microsecond().to_be_bytes()),
        Value::Boolean(is) => bytes.push(u8::from(*is)),
        Value::Text(text) => {
            let length = u16::try_from(text.len()).expect("a key is a name or a code, which are short");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Value::Ids(_) => unreachable!("no order has a set of ids for its key"),
    }
}

fn read(kind: Kind, rest: &mut &[u8]) -> Option<Value> {
    Some(match kind {
        Kind::Id => Value::Id(Uuid::from_bytes(take(rest)?)),
        Kind::Whole(..) => Value::Whole(i64::from_be_bytes(take(rest)?)),
        Kind::Instant => Value::Instant(Timestamp::from_microsecond(i64::from_be_bytes(take(rest)?)).ok()?),
        Kind::Boolean => Value::Boolean(take::<1>(rest)? != [0]),
        Kind::Text(_) | Kind::Search(_) | Kind::Word(_) | Kind::Currency => {
            let length = usize::from(u16::from_be_bytes(take(rest)?));
            let (text, behind) = rest.split_at_checked(length)?;
            *rest = behind;
            Value::Text(std::str::from_utf8(text).ok()?.to_owned())
        }
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}
