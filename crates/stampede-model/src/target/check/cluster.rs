//! The check of a `[cluster]`: names that can be told apart, slots that have a value, programs that can be several.

use std::collections::BTreeSet;

use super::{Check, Checker};
use crate::target::cluster::{Balance, Cluster, MAX_REPLICAS, Service};

/// Names that stand for something else where faults are aimed.
const TAKEN: [&str; 4] = ["client", "postgres", "standby", "redis"];

impl Checker<'_> {
    pub(super) fn cluster(&self, cluster: &Cluster) -> Check {
        let mut names = BTreeSet::new();
        for service in &cluster.service {
            let name = service.name.as_ref().as_str();
            if !is_name(name) {
                let message = format!("service name `{name}` is not made of small letters, digits and `-`");
                return Err(self.source.error(service.name.span(), message, "write it as name = \"api\""));
            }
            if TAKEN.contains(&name) || !names.insert(name) {
                let message = format!("the name `{name}` is taken");
                let hint =
                    "client, postgres, standby and redis are ends of links; each service needs a name of its own";
                return Err(self.source.error(service.name.span(), message, hint));
            }
            self.service(cluster, service)?;
        }
        for (name, place) in &cluster.link {
            if !is_name(name) || TAKEN.contains(&name.as_str()) {
                let message = format!("a link cannot be called `{name}`");
                let hint = "use small letters, digits and `-`; postgres, standby and redis have their links already";
                return Err(self.source.error(place.to.span(), message, hint));
            }
            self.place_slots(place.to.as_ref(), place.to.span())?;
        }
        if let Some(stays) = self.target.start.process.iter().find(|process| !process.once) {
            let message = format!("process `{}` stays, and a cluster has services for that", stays.name);
            let hint = "make it a [[cluster.service]], or add once = true if it ends by itself";
            return Err(self.source.error(stays.command.span(), message, hint));
        }
        Ok(())
    }

    fn service(&self, cluster: &Cluster, service: &Service) -> Check {
        let name = service.name.as_ref();
        if service.command.as_ref().is_empty() {
            let hint = "give the program and its arguments, as [\"{bin}/server\", \"--port\", \"{self.port}\"]";
            return Err(self.source.error(service.command.span(), format!("service `{name}` has no command"), hint));
        }
        let replicas = *service.replicas.as_ref();
        if replicas > MAX_REPLICAS {
            let message = format!("service `{name}` wants {replicas} replicas");
            let hint = format!("at most {MAX_REPLICAS} run on one machine");
            return Err(self.source.error(service.replicas.span(), message, hint));
        }
        let has_port = service.templates().any(|template| template.as_ref().slots().any(|slot| slot == "self.port"));
        if service.listen.is_none() && service.balance != Balance::Connections {
            let message = format!("service `{name}` says how requests are balanced, and has no balancer");
            let hint = "add listen = \"127.0.0.1:{port}\", or remove balance";
            return Err(self.source.error(service.name.span(), message, hint));
        }
        if let Some(listen) = &service.listen {
            self.place_slots(listen.as_ref(), listen.span())?;
            if !has_port {
                let message = format!("service `{name}` is to be called, and its command does not use {{self.port}}");
                let hint = "tell the program where to listen, as \"--listen\", \"127.0.0.1:{self.port}\"";
                return Err(self.source.error(service.command.span(), message, hint));
            }
        }
        if let Some(ready) = &service.ready
            && (!has_port || !ready.path.starts_with('/'))
        {
            let message = format!("service `{name}` cannot be asked whether it is ready");
            let hint = "its command must use {self.port}, and ready.path must start with `/`";
            return Err(self.source.error(service.command.span(), message, hint));
        }
        for template in service.templates() {
            for slot in template.as_ref().slots() {
                match (slot, slot.strip_prefix("link.")) {
                    ("self.port" | "self.name" | "self.number", _) => {}
                    (_, Some(link)) if cluster.link.contains_key(link) => {}
                    (_, Some(link)) => {
                        let hint = format!("add [cluster.link.{link}] with to = \"host:port\"");
                        return Err(self.source.error(template.span(), format!("no link is called `{link}`"), hint));
                    }
                    _ => self.place_slot(slot, template.span())?,
                }
            }
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        && !text.ends_with('-')
        && text.len() <= 40
}

#[cfg(test)]
mod tests {
    use crate::target::Target;

    fn file(cluster: &str) -> String {
        format!(
            "[target]\nname = \"t\"\nurl = \"http://127.0.0.1:{{port}}\"\n\
             ready = {{ path = \"/\", status = 200, within = \"1s\" }}\n[target.redis]\n{cluster}"
        )
    }

    fn fault(cluster: &str) -> String {
        Target::parse("c.toml", &file(cluster)).unwrap_err().to_string()
    }

    #[test]
    fn services_know_their_links() {
        let text = file(
            "[cluster.link.mail]\nto = \"127.0.0.1:25\"\n[[cluster.service]]\nname = \"api\"\nreplicas = 3\n\
             listen = \"127.0.0.1:{port}\"\ncommand = [\"a\", \"{self.port}\", \"{redis_url}\", \"{link.mail}\"]\n",
        );
        let target = Target::parse("c.toml", &text).unwrap();
        let cluster = target.cluster.unwrap();
        assert_eq!(cluster.service[0].links(), ["mail", "redis"]);
        assert_eq!(*cluster.service[0].replicas.as_ref(), 3);
    }

    #[test]
    fn each_fault_names_its_line_and_what_to_do() {
        let service = |rest: &str| format!("[[cluster.service]]\n{rest}\n");
        for (cluster, place, word) in [
            (service("name = \"Api\"\ncommand = [\"a\"]"), "c.toml:7:8", "small letters"),
            (service("name = \"redis\"\ncommand = [\"a\"]"), "c.toml:7:8", "taken"),
            (service("name = \"a\"\ncommand = []"), "c.toml:8:11", "no command"),
            (service("name = \"a\"\ncommand = [\"a\"]\nlisten = \"127.0.0.1:{port}\""), "c.toml:8:11", "{self.port}"),
            (service("name = \"a\"\nbalance = \"requests\"\ncommand = [\"a\"]"), "c.toml:7:8", "has no balancer"),
            (service("name = \"a\"\ncommand = [\"{link.x}\"]"), "c.toml:8:12", "no link is called `x`"),
            (service("name = \"a\"\ncommand = [\"{postgres_url}\"]"), "c.toml:8:12", "no value here"),
            (service("name = \"a\"\ncommand = [\"{standby_url}\"]"), "c.toml:8:12", "standby ="),
            (service("name = \"a\"\ncommand = [\"a\"]\nreplicas = 65"), "c.toml:9:12", "at most 64"),
            (service("name = \"a\"\ncomand = [\"a\"]"), "c.toml:8:1", "unknown field"),
        ] {
            let fault = fault(&cluster);
            assert!(fault.starts_with(place) && fault.contains(word) && fault.contains("hint:"), "{cluster}: {fault}");
        }
    }
}
