//! Registers and counters: read, write what nobody wrote before, compare and set, add.

use std::io::Write;

use serde_json::Value;
use stampede_model::history::Fields;
use stampede_model::target::Scope;

use super::super::WorkloadError;
use super::super::client::{Client, Intent};

/// What a client read last.
#[derive(Debug, Default)]
pub(in super::super) struct Counting {
    read: Option<(usize, Value, Option<Value>)>,
    written: i64,
}

impl Counting {
    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let has_read = self.read.is_some();
        match client.choose(|role| has_read || role != "cas") {
            Some("cas") => self.compare_and_set(client).await,
            Some("write") => {
                let (object, value) = (client.any_object(), self.fresh(client));
                let given = |fields: Fields| fields.with("value", value);
                let slots = Scope::default().with("value", value).with("value_text", value.to_string());
                act(client, "write", object, (given(Fields::new()), slots)).await
            }
            Some("increment") => {
                let object = client.any_object();
                act(client, "increment", object, (Fields::new().with("by", 1), Scope::default().with("by", 1))).await
            }
            Some(_) => self.read(client).await,
            None => Ok(()),
        }
    }

    async fn read<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let object = client.any_object();
        let done = client.perform(Intent { role: "read", object, ..Intent::default() }).await?;
        if done.is_ok()
            && let Some(value) = done.taken.get("value")
        {
            self.read = Some((object, value.clone(), done.taken.get("version").cloned()));
        }
        Ok(())
    }

    async fn compare_and_set<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let Some((object, from, version)) = self.read.take() else { return Ok(()) };
        let to = self.fresh(client);
        let mut slots = Scope::default().with("from", from.clone()).with("to", to);
        let mut input = Fields::new().with("from", from).with("to", to);
        if let Some(version) = version {
            slots.set("version", version.clone());
            input.set("version", version);
        }
        act(client, "cas", object, (input, slots)).await
    }

    /// A value that nobody else writes, so that a read says which write it saw.
    fn fresh<W: Write>(&mut self, client: &Client<'_, '_, W>) -> i64 {
        self.written += 1;
        (client.number as i64 + 1) * 1_000_000 + self.written
    }
}

async fn act<W: Write>(
    client: &mut Client<'_, '_, W>,
    role: &'static str,
    object: usize,
    (input, slots): (Fields, Scope),
) -> Result<(), WorkloadError> {
    client.perform(Intent { role, object, input, slots, ..Intent::default() }).await?;
    Ok(())
}
