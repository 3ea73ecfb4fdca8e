//! Idempotency: the same key from several clients at once, again later, and with another body.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;

use rand::RngExt as _;
use stampede_model::history::Fields;
use stampede_model::target::Scope;

use super::super::WorkloadError;
use super::super::client::{Client, Intent};
use super::super::look::Look;

/// Clients that use one key at the same time.
const TOGETHER: u64 = 4;
/// How much a body that differs from the key's own is larger. Bodies begin with 1, so that they can be amounts.
const OTHER_BODY: i64 = 20;

/// Which keys were used, and with which object.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Once {
    asked: Rc<Cell<u64>>,
    pub(in super::super) used: Rc<RefCell<BTreeMap<String, usize>>>,
}

impl Once {
    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let turn = self.asked.get();
        self.asked.set(turn + 1);
        let group = turn / TOGETHER;
        // One in eight comes back to an older key.
        let number =
            if group > 0 && client.rng.random_range(0..8) == 0 { client.rng.random_range(0..group) } else { group };
        let run = client.caller.scope.get("run").and_then(serde_json::Value::as_str).unwrap_or_default();
        let tenant = client.tenant();
        let key = format!("once-{run}{tenant}-{number}");
        let object = (number as usize) % client.shared.objects.len().max(1);
        self.used.borrow_mut().insert(key.clone(), object);
        // One in ten says something else under a key that may have been used.
        let of_key = 1 + number as i64 % OTHER_BODY;
        let body = of_key + if client.rng.random_range(0..10) == 0 { OTHER_BODY } else { 0 };
        let intent = Intent {
            role: "create",
            object,
            key: Some(key.clone()),
            input: Fields::new().with("body", body),
            slots: Scope::default().with("idempotency_key", key).with("body", body),
            look: Look::Digest,
            ..Intent::default()
        };
        client.perform(intent).await?;
        Ok(())
    }
}
