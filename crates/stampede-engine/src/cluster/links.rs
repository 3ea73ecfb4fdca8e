//! All links of a cluster, found by their own name or by the name of their sort.
//!
//! Invariants: a link that is disturbed is not disturbed again before it is calm; a link made while its sort is disturbed is
//! disturbed as well: a new replica is on the same broken network.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::link::{Link, LinkState};

/// The links.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    all: Vec<Arc<Link>>,
    groups: BTreeMap<String, LinkState>,
}

impl Links {
    /// Makes a link.
    pub(super) fn make(&self, name: String, group: String) -> Arc<Link> {
        let mut inner = self.lock();
        let state = inner.groups.get(&group).copied().unwrap_or_default();
        let link = Arc::new(Link::new(name, group, state));
        inner.all.push(Arc::clone(&link));
        link
    }

    /// Forgets a link whose ends are gone.
    pub(super) fn forget(&self, link: &Arc<Link>) {
        self.lock().all.retain(|other| !Arc::ptr_eq(other, link));
    }

    /// Disturbs what is called so.
    pub(super) fn disturb(&self, name: &str, state: LinkState) -> Result<(), String> {
        let mut inner = self.lock();
        let meant = inner.called(name)?;
        if let Some(disturbed) = meant.iter().find(|link| !link.state().is_calm()) {
            return Err(format!("the link {} is disturbed already; heal it first", disturbed.name));
        }
        if meant.iter().any(|link| link.group == name) {
            inner.groups.insert(name.to_owned(), state);
        }
        for link in &meant {
            link.set(state);
        }
        Ok(())
    }

    /// Makes calm what is called so; a name that nothing has any more is calm.
    pub(super) fn heal(&self, name: &str) {
        let mut inner = self.lock();
        inner.groups.remove(name);
        for link in inner.all.iter().filter(|link| link.is_called(name)) {
            link.set(LinkState::default());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn called(&self, name: &str) -> Result<Vec<Arc<Link>>, String> {
        let meant: Vec<Arc<Link>> = self.all.iter().filter(|link| link.is_called(name)).map(Arc::clone).collect();
        if meant.is_empty() {
            let mut groups: Vec<&str> = self.all.iter().map(|link| link.group.as_str()).collect();
            groups.sort_unstable();
            groups.dedup();
            return Err(format!(
                "no link is called `{name}`\nhint: there are {} and each replica's own",
                groups.join(", ")
            ));
        }
        Ok(meant)
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::Gate;
    use super::*;

    #[test]
    fn a_sort_is_disturbed_as_one_and_new_links_with_it() {
        let links = Links::default();
        let make = |number: u32| links.make(format!("api-{number}-redis"), "api-redis".to_owned());
        let (first, second) = (make(1), make(2));
        let cut = LinkState { gate: Gate::Refuse, ..LinkState::default() };
        links.disturb("api-redis", cut).unwrap();
        let third = make(3);
        assert!([&first, &second, &third].iter().all(|link| link.state() == cut));
        assert!(links.disturb("api-1-redis", cut).unwrap_err().contains("already"));
        links.heal("api-redis");
        assert!([&first, &second, &third, &make(4)].iter().all(|link| link.state().is_calm()));
        links.disturb("api-2-redis", cut).unwrap();
        assert!(first.state().is_calm() && !second.state().is_calm());
        assert!(links.disturb("api-mail", cut).unwrap_err().contains("api-redis"));
    }
}
