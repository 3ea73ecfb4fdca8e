//! Whether a cluster stays on this machine.
//!
//! Faults are made to break things, so whatever a cluster leads to beyond 127.0.0.1 takes two keys: the file names the place, and
//! whoever starts the cluster says that it is meant. Invariant: a name is never looked up; only what is written as loopback is.

use std::net::IpAddr;

use stampede_model::target::Target;

use super::ClusterError;
use crate::control::place::Place;

/// The second key, in the hand of who starts the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remote {
    /// Nothing beyond this machine.
    #[default]
    Refused,
    /// What the file allows.
    Allowed,
}

/// Refuses a target whose address or links leave this machine without both keys.
pub(super) fn check(target: &Target, place: &Place, remote: Remote) -> Result<(), ClusterError> {
    let allowed = target.cluster.as_ref().map(|cluster| cluster.allow.as_slice()).unwrap_or_default();
    let url = place.fill(target.start.url.as_ref())?;
    let mut places = vec![("target.url".to_owned(), authority(&url).to_owned())];
    for (name, link) in target.cluster.iter().flat_map(|cluster| &cluster.link) {
        places.push((format!("cluster.link.{name}"), place.fill(link.to.as_ref())?));
    }
    for (what, to) in places {
        if is_here(&to) {
            continue;
        }
        let missing = match (allowed.contains(&to), remote) {
            (true, Remote::Allowed) => continue,
            (false, Remote::Refused) => {
                format!("add allow = [\"{to}\"] to [cluster] of the file, and give --allow-remote")
            }
            (false, Remote::Allowed) => format!("add allow = [\"{to}\"] to [cluster] of the file"),
            (true, Remote::Refused) => "give --allow-remote".to_owned(),
        };
        return Err(ClusterError::Remote { what, to, missing });
    }
    Ok(())
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// `127.0.0.1:80`, `[::1]:80`, `localhost:80`, with or without a port.
fn is_here(place: &str) -> bool {
    let host = match place.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => place.rsplit_once(':').map_or(place, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use stampede_model::target::Scope;

    use super::*;

    fn target(url: &str, cluster: &str) -> Target {
        let text = format!(
            "[target]\nname = \"t\"\nurl = \"{url}\"\nready = {{ path = \"/\", status = 200, within = \"1s\" }}\n\
             [cluster]\n{cluster}\n[[cluster.service]]\nname = \"a\"\ncommand = [\"a\"]\n"
        );
        Target::parse("c.toml", &text).unwrap()
    }

    fn checked(target: &Target, remote: Remote) -> Result<(), String> {
        let place = Place::new(Path::new("/b"), None, &Scope::default());
        check(target, &place, remote).map_err(|error| error.to_string())
    }

    const HERE: &str = "http://127.0.0.1:80";

    #[test]
    fn what_is_written_as_this_machine_is_and_nothing_else() {
        for place in ["127.0.0.1:80", "127.8.9.1:1", "[::1]:80", "localhost:80", "localhost"] {
            assert!(is_here(place), "{place}");
        }
        for place in
            ["10.0.0.7:80", "0.0.0.0:80", "example.com:80", "127.0.0.1.example.com:80", "[::]:80", "", "localhost.x:1"]
        {
            assert!(!is_here(place), "{place}");
        }
    }

    #[test]
    fn a_place_elsewhere_takes_both_keys_and_the_missing_one_is_named() {
        let mail = "link.mail = { to = \"mail.example.com:25\" }";
        let both = format!("{mail}\nallow = [\"mail.example.com:25\"]");
        assert_eq!(checked(&target(HERE, ""), Remote::Refused), Ok(()));
        assert_eq!(checked(&target(HERE, "link.mail = { to = \"127.0.0.1:25\" }"), Remote::Refused), Ok(()));
        let refused = |cluster: &str, remote| checked(&target(HERE, cluster), remote).unwrap_err();
        let none = refused(mail, Remote::Refused);
        assert!(
            none.contains("cluster.link.mail") && none.contains("allow = [") && none.contains("--allow-remote"),
            "{none}"
        );
        let flag_alone = refused(mail, Remote::Allowed);
        assert!(flag_alone.contains("allow = [") && !flag_alone.contains("--allow-remote"), "{flag_alone}");
        let file_alone = refused(&both, Remote::Refused);
        assert!(file_alone.contains("--allow-remote") && !file_alone.contains("allow = ["), "{file_alone}");
        assert_eq!(checked(&target(HERE, &both), Remote::Allowed), Ok(()));
        let other = refused(
            "allow = [\"mail.example.com:25\"]\nlink.mail = { to = \"mail.example.com:2525\" }",
            Remote::Allowed,
        );
        assert!(other.contains("2525"), "{other}");
        let url = checked(&target("http://10.0.0.7:8080", ""), Remote::Allowed).unwrap_err();
        assert!(url.contains("target.url is 10.0.0.7:8080"), "{url}");
    }
}
