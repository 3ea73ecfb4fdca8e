//! Tenants: everybody makes things that carry a text of their own, looks at what is theirs, and asks for what is not.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::rc::Rc;

use rand::RngExt as _;
use serde_json::Value;
use stampede_model::history::Fields;
use stampede_model::target::Scope;

use super::super::WorkloadError;
use super::super::client::{Client, Intent};
use super::super::look::{CANARY, Look};

/// Things that are remembered per tenant.
const MAX_MADE: usize = 500;

/// One thing somebody made.
#[derive(Clone, Debug)]
struct Made {
    id: Value,
    canary: String,
}

/// Runs of a script before and after the rounds.
const BASELINES: u32 = 2;

/// What every tenant has made so far.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Tenancy {
    made: Rc<RefCell<BTreeMap<String, Vec<Made>>>>,
    /// One thing of each tenant that nobody else asks for.
    kept: Rc<RefCell<BTreeMap<String, Made>>>,
}

impl Tenancy {
    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let tenant = client.tenant();
        let (own, foreign) = {
            let made = self.made.borrow();
            let pick = |list: &Vec<Made>, client: &mut Client<'_, '_, W>| {
                (!list.is_empty()).then(|| list[client.rng.random_range(0..list.len())].clone())
            };
            let own = made.get(&tenant).and_then(|list| pick(list, client));
            let others: Vec<(String, Made)> = made
                .iter()
                .filter(|(owner, _)| **owner != tenant)
                .filter_map(|(owner, list)| Some((owner.clone(), pick(list, client)?)))
                .collect();
            let foreign = (!others.is_empty()).then(|| others[client.rng.random_range(0..others.len())].clone());
            (own, foreign)
        };
        let role = client.choose(|role| match role {
            "see" => own.is_some(),
            "foreign" => foreign.is_some(),
            "script" => self.kept.borrow().contains_key(&tenant),
            _ => true,
        });
        match (role, own, foreign) {
            (Some("see"), Some(own), _) => ask(client, ("see", &tenant), &tenant, &own).await,
            (Some("foreign"), _, Some((owner, theirs))) => ask(client, ("foreign", &tenant), &owner, &theirs).await,
            (Some("create"), ..) => self.create(client, &tenant).await,
            (Some("script"), ..) => self.script(client, (&tenant, "loaded")).await,
            _ => Ok(()),
        }
    }

    /// Runs each tenant's script while nobody else does anything: the first client of a tenant does it.
    pub(in super::super) async fn baseline<W: Write>(
        &mut self,
        client: &mut Client<'_, '_, W>,
        seen: &mut BTreeSet<String>,
    ) -> Result<(), WorkloadError> {
        let tenant = client.tenant();
        if !client.has("script") || !seen.insert(tenant.clone()) {
            return Ok(());
        }
        let is_new = !self.kept.borrow().contains_key(&tenant);
        if is_new && let Some(made) = self.make(client, &tenant).await? {
            self.kept.borrow_mut().insert(tenant.clone(), made);
        }
        for _ in 0..BASELINES {
            self.script(client, (&tenant, "baseline")).await?;
        }
        Ok(())
    }

    async fn script<W: Write>(
        &self,
        client: &mut Client<'_, '_, W>,
        (tenant, op): (&str, &'static str),
    ) -> Result<(), WorkloadError> {
        let Some(kept) = self.kept.borrow().get(tenant).cloned() else { return Ok(()) };
        let slots = Scope::default().with("id", kept.id).with("canary", kept.canary);
        let intent = Intent {
            role: "script",
            op: Some(op),
            key: Some(tenant.to_owned()),
            input: Fields::new().with("script", "own"),
            slots,
            is_kept: true,
            look: Look::Script,
            ..Intent::default()
        };
        client.perform(intent).await.map(drop)
    }

    async fn create<W: Write>(&mut self, client: &mut Client<'_, '_, W>, tenant: &str) -> Result<(), WorkloadError> {
        let Some(new) = self.make(client, tenant).await? else { return Ok(()) };
        let mut made = self.made.borrow_mut();
        let list = made.entry(tenant.to_owned()).or_default();
        if list.len() < MAX_MADE {
            list.push(new);
        }
        Ok(())
    }

    async fn make<W: Write>(
        &self,
        client: &mut Client<'_, '_, W>,
        tenant: &str,
    ) -> Result<Option<Made>, WorkloadError> {
        let canary = format!("{CANARY}{tenant}-{:08x}", client.rng.random::<u32>());
        let intent = Intent {
            role: "create",
            key: Some(tenant.to_owned()),
            input: Fields::new().with("canary", canary.as_str()),
            slots: Scope::default().with("canary", canary.as_str()),
            is_kept: true,
            ..Intent::default()
        };
        let done = client.perform(intent).await?;
        let id = done.taken.get("id").filter(|_| done.is_ok());
        Ok(id.map(|id| Made { id: id.clone(), canary }))
    }
}

async fn ask<W: Write>(
    client: &mut Client<'_, '_, W>,
    (role, tenant): (&'static str, &str),
    owner: &str,
    made: &Made,
) -> Result<(), WorkloadError> {
    let slots = Scope::default().with("id", made.id.clone()).with("canary", made.canary.as_str());
    let intent = Intent {
        role,
        key: Some(tenant.to_owned()),
        input: Fields::new().with("owner", owner),
        slots,
        is_kept: true,
        look: Look::Canaries,
        ..Intent::default()
    };
    client.perform(intent).await?;
    Ok(())
}
