//! The flags of `stampede cluster`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

/// A described system in several replicas on this machine.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    pub(super) command: ClusterCommand,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Start it, and hold it until Ctrl-C or `down`.
    Up(UpArgs),
    /// Stop it.
    Down {
        #[command(flatten)]
        folder: FolderArgs,
    },
    /// Show its replicas, servers and links.
    Status {
        #[command(flatten)]
        folder: FolderArgs,
        /// Print all there is to know, as JSON; PostgreSQL's and Redis's URLs have their passwords
        #[arg(long)]
        json: bool,
    },
    /// Change the number of replicas; returns when new ones are ready and old ones are gone.
    Scale {
        /// Such as api=5
        #[arg(required = true, value_name = "SERVICE=N")]
        services: Vec<Wanted>,
        #[command(flatten)]
        folder: FolderArgs,
    },
    /// Print what replicas and servers have logged.
    Logs(LogsArgs),
    /// Stop and start a replica, a service one replica after the other, postgres, standby or redis.
    Restart {
        /// Such as api, api-2 or redis
        #[arg(required = true, value_name = "NAME")]
        on: Vec<String>,
        #[command(flatten)]
        folder: FolderArgs,
    },
}

/// Where the cluster's run folder is.
#[derive(Clone, Debug, Args)]
pub(crate) struct FolderArgs {
    /// The cluster's run folder: logs, control socket, journal of faults
    #[arg(long, env = "STAMPEDE_CLUSTER", value_name = "DIR", default_value = ".stampede/cluster")]
    pub(crate) dir: PathBuf,
}

/// How to start it.
#[derive(Debug, Args)]
pub(super) struct UpArgs {
    /// The target file with a [cluster]
    #[arg(value_name = "TARGET")]
    pub(super) target: PathBuf,
    #[command(flatten)]
    pub(super) folder: FolderArgs,
    /// Another number of replicas than the file's, as api=5; may be repeated
    #[arg(long, value_name = "SERVICE=N")]
    pub(super) replicas: Vec<Wanted>,
    /// Lead to places beyond this machine that the file's `allow` names; faults may then reach somebody else's system
    #[arg(long)]
    pub(super) allow_remote: bool,
    /// Return when it is ready, and leave it running
    #[arg(long)]
    pub(super) detach: bool,
    /// The child of `--detach`
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(super) detached: bool,
}

/// Which logs.
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// A replica, a service, postgres or redis; all when nothing is named
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// The last so many lines of each
    #[arg(long, value_name = "N", default_value = "50")]
    pub(super) tail: usize,
    /// Go on printing what is logged, until Ctrl-C
    #[arg(short, long)]
    pub(super) follow: bool,
    #[command(flatten)]
    pub(super) folder: FolderArgs,
}

/// A wished number of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) service: String,
    pub(super) replicas: u32,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = text.split_once('=').and_then(|(service, replicas)| Some((service, replicas.parse().ok()?)));
        match read {
            Some((service, replicas)) if replicas <= stampede_model::target::MAX_REPLICAS => {
                Ok(Self { service: service.to_owned(), replicas })
            }
            Some(_) => Err(format!("at most {} replicas run on one machine", stampede_model::target::MAX_REPLICAS)),
            None => Err(format!("`{text}` is no number of replicas: write it as api=5")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_replicas_has_a_service_and_a_bound() {
        assert_eq!("api=5".parse(), Ok(Wanted { service: "api".into(), replicas: 5 }));
        for (text, word) in [("api", "api=5"), ("api=many", "api=5"), ("api=65", "at most 64")] {
            assert!(text.parse::<Wanted>().unwrap_err().contains(word), "{text}");
        }
    }
}
