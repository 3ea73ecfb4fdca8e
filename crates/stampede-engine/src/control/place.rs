//! Where a target lives during one run: its folder, its ports, the values of its slots.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sandbox::free_port;
use stampede_model::target::{Scope, Start, Target, Template};
use tempfile::TempDir;

use super::error::ControlError;

/// Looks up an environment variable.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The values of all `{env.NAME}` slots of a target, under the name `env.NAME`.
///
/// # Errors
/// [`ControlError::NoVariable`] names the first that is not set.
pub fn environment_of(target: &Target, environment: Environment<'_>) -> Result<Scope, ControlError> {
    let users = target.user.values().flat_map(|user| user.values().map(std::convert::AsRef::as_ref));
    let mut scope = Scope::default();
    for slot in templates(&target.start).chain(users).chain(cluster_templates(target)).flat_map(Template::slots) {
        let Some(name) = slot.strip_prefix("env.") else { continue };
        let value = environment(name).ok_or_else(|| ControlError::NoVariable { name: name.to_owned() })?;
        scope.set(slot, value);
    }
    Ok(scope)
}

/// The slots of one run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    scope: Scope,
}

impl Place {
    pub(crate) fn new(bin: &Path, folder: Option<&Path>, environment: &Scope) -> Self {
        let mut scope = environment.clone();
        scope.set("bin", bin.to_string_lossy());
        if let Some(folder) = folder {
            scope.set("dir", folder.to_string_lossy());
        }
        Self { scope }
    }

    pub(crate) fn urls(&mut self, postgres: Option<String>, redis: Option<String>) {
        // For programs that come as another role than the superuser in the URL.
        self.address("postgres_address", postgres.as_deref());
        for (slot, url) in [("postgres_url", postgres), ("redis_url", redis)] {
            if let Some(url) = url {
                self.scope.set(slot, url);
            }
        }
    }

    /// Where a PostgreSQL that follows is.
    pub(crate) fn standby(&mut self, url: Option<String>) {
        self.address("standby_address", url.as_deref());
        if let Some(url) = url {
            self.scope.set("standby_url", url);
        }
    }

    fn address(&mut self, slot: &str, url: Option<&str>) {
        if let Some(address) = url.and_then(|url| url.rsplit_once('@')?.1.split('/').next()) {
            self.scope.set(slot, address);
        }
    }

    /// Gives every `{port}` and `{port.NAME}` a port of its own that is free right now.
    pub(crate) fn choose_ports(&mut self, start: &Start) -> io::Result<()> {
        let slots: BTreeSet<&str> = templates(start).flat_map(Template::slots).filter(|slot| is_port(slot)).collect();
        let mut chosen = BTreeSet::new();
        for slot in slots {
            let mut port = free_port()?;
            while !chosen.insert(port) {
                port = free_port()?;
            }
            self.scope.set(slot, port);
        }
        Ok(())
    }

    /// Gives a slot a value.
    pub(crate) fn set(&mut self, slot: &str, value: &impl ToString) {
        self.scope.set(slot, value.to_string());
    }

    pub(crate) fn fill(&self, template: &Template) -> Result<String, ControlError> {
        Ok(template.render(&self.scope)?)
    }
}

/// The run's folder: open to be walked through, because a program started by root may go on as another user inside.
pub(crate) fn folder() -> Result<TempDir, ControlError> {
    let make = || {
        let folder = tempfile::Builder::new()
            .prefix("stampede-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in("/tmp")?;
        fs::create_dir(folder.path().join("log"))?;
        Ok(folder)
    };
    make().map_err(|source| ControlError::Folder { source })
}

/// The templates of a cluster's services and links.
pub(crate) fn cluster_templates(target: &Target) -> impl Iterator<Item = &Template> {
    let services = target.cluster.iter().flat_map(|cluster| &cluster.service);
    let texts =
        services.flat_map(|service| service.templates().chain(&service.listen)).map(std::convert::AsRef::as_ref);
    let links = target.cluster.iter().flat_map(|cluster| cluster.link.values()).map(|place| place.to.as_ref());
    texts.chain(links)
}

pub(crate) fn is_port(slot: &str) -> bool {
    slot == "port" || slot.starts_with("port.")
}

pub(crate) fn templates(start: &Start) -> impl Iterator<Item = &Template> {
    let commands = start.process.iter().flat_map(|process| process.command.as_ref().iter().chain(process.env.values()));
    let urls =
        std::iter::once(&start.url).chain(&start.replicas).chain(&start.gateway).map(std::convert::AsRef::as_ref);
    urls.chain(commands.map(std::convert::AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        let text = r#"
            [target]
            name = "t"
            url = "http://127.0.0.1:{port}"
            ready = { path = "/", status = 200, within = "1s" }
            [[target.process]]
            name = "p"
            command = ["{bin}/p", "{port}", "{port.admin}", "{dir}"]
            env = { KEY = "{env.SECRET}" }
        "#;
        Target::parse("t.toml", text).unwrap()
    }

    #[test]
    fn each_port_name_has_one_port_of_its_own() {
        let target = target();
        let environment = environment_of(&target, &|name| (name == "SECRET").then(|| "s".to_owned())).unwrap();
        let mut place = Place::new(Path::new("/b"), Some(Path::new("/d")), &environment);
        place.choose_ports(&target.start).unwrap();
        let process = &target.start.process[0];
        let filled: Vec<_> = process.command.as_ref().iter().map(|arg| place.fill(arg.as_ref()).unwrap()).collect();
        assert_eq!((filled[0].as_str(), filled[3].as_str()), ("/b/p", "/d"));
        assert_ne!(filled[1], filled[2]);
        assert!(place.fill(target.start.url.as_ref()).unwrap().ends_with(&filled[1]));
        assert_eq!(place.fill(process.env["KEY"].as_ref()).unwrap(), "s");
    }

    #[test]
    fn an_unset_variable_is_named() {
        let error = environment_of(&target(), &|_| None).unwrap_err();
        assert_eq!(error.to_string(), "the target uses {env.SECRET}, and SECRET is not set\nhint: export SECRET=...");
    }

    #[test]
    fn the_folder_can_be_walked_through_by_anybody() {
        let folder = folder().unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
