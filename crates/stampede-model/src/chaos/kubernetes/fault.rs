//! The words of faults in a cluster. They are those of a cluster on one machine wherever the same thing happens to clients.

use std::time::Duration;

use crate::chaos::BadFault;
use crate::target::nearest;
use crate::units::{parse_duration, parse_share, show_duration};

/// Kinds of faults, by the words that name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubernetesKind {
    /// A pod is deleted without grace.
    Kill,
    /// A pod is deleted with its grace.
    Restart,
    /// A pod is evicted, as a drained node does.
    Evict,
    /// A workload has another number of pods for a while.
    Scale,
    /// A command in a pod.
    Exec,
    /// Nothing gets in or out of a service's pods.
    Cut,
    /// Packets of a service's pods are late.
    Latency,
    /// Packets of a service's pods are lost.
    PacketLoss,
}

impl KubernetesKind {
    /// Every kind.
    pub const ALL: [Self; 8] =
        [Self::Kill, Self::Restart, Self::Evict, Self::Scale, Self::Exec, Self::Cut, Self::Latency, Self::PacketLoss];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Evict => "evict",
            Self::Scale => "scale",
            Self::Exec => "exec",
            Self::Cut => "cut",
            Self::Latency => "latency",
            Self::PacketLoss => "packet-loss",
        }
    }

    /// What it does.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Kill => "a pod is deleted without grace; the seed draws which",
            Self::Restart => "a pod is deleted with its grace: SIGTERM, and another comes",
            Self::Evict => "a pod is evicted as a drained node does, unless its disruption budget says no",
            Self::Scale => "--replicas N: the workload has so many pods for the fault's time",
            Self::Exec => "-- COMMAND ..: runs in a pod's first container",
            Self::Cut => "network policies let nothing in or out of the service's pods",
            Self::Latency => "--latency [--jitter]: packets to and from its pods are late; needs Chaos Mesh",
            Self::PacketLoss => "--loss SHARE: packets to and from its pods are lost; needs Chaos Mesh",
        }
    }

    /// Whether it is over as soon as it is done.
    pub const fn is_an_instant(self) -> bool {
        matches!(self, Self::Kill | Self::Restart | Self::Evict | Self::Exec)
    }
}

/// A whole fault, but for when and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubernetesFault {
    /// See [`KubernetesKind::Kill`].
    Kill,
    /// See [`KubernetesKind::Restart`].
    Restart,
    /// See [`KubernetesKind::Evict`].
    Evict,
    /// See [`KubernetesKind::Scale`].
    Scale(u32),
    /// See [`KubernetesKind::Exec`].
    Exec(Vec<String>),
    /// See [`KubernetesKind::Cut`].
    Cut,
    /// See [`KubernetesKind::Latency`].
    Latency {
        /// How late.
        latency_ms: u64,
        /// How much later at most.
        jitter_ms: u64,
    },
    /// See [`KubernetesKind::PacketLoss`]; hundredths of a per cent.
    PacketLoss(u32),
}

impl KubernetesFault {
    /// Its kind.
    pub const fn kind(&self) -> KubernetesKind {
        match self {
            Self::Kill => KubernetesKind::Kill,
            Self::Restart => KubernetesKind::Restart,
            Self::Evict => KubernetesKind::Evict,
            Self::Scale(_) => KubernetesKind::Scale,
            Self::Exec(_) => KubernetesKind::Exec,
            Self::Cut => KubernetesKind::Cut,
            Self::Latency { .. } => KubernetesKind::Latency,
            Self::PacketLoss(_) => KubernetesKind::PacketLoss,
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        let kind = self.kind().word();
        match self {
            Self::Scale(replicas) => format!("{kind} to {replicas}"),
            Self::Exec(command) => format!("{kind} {}", command.join(" ")),
            Self::Latency { latency_ms, jitter_ms: 0 } => {
                format!("{kind} {}", show_duration(Duration::from_millis(*latency_ms)))
            }
            Self::Latency { latency_ms, jitter_ms } => {
                let [latency, jitter] = [latency_ms, jitter_ms].map(|ms| show_duration(Duration::from_millis(*ms)));
                format!("{kind} {latency} jitter {jitter}")
            }
            Self::PacketLoss(hundredths) => format!("{kind} {}%", f64::from(*hundredths) / 100.0),
            _ => kind.to_owned(),
        }
    }
}

/// A fault as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawKubernetesFault {
    /// Which.
    pub kind: String,
    /// How many pods.
    pub replicas: Option<u32>,
    /// How late packets are.
    pub latency: Option<String>,
    /// How much later at most.
    pub jitter: Option<String>,
    /// What share is lost.
    pub loss: Option<String>,
    /// A command.
    pub command: Vec<String>,
}

impl RawKubernetesFault {
    /// Reads the whole; a word that does not belong to its kind is refused.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn fault(&self) -> Result<KubernetesFault, BadFault> {
        let kind = self.kind()?;
        self.belongs(kind)?;
        Ok(match kind {
            KubernetesKind::Kill => KubernetesFault::Kill,
            KubernetesKind::Restart => KubernetesFault::Restart,
            KubernetesKind::Evict => KubernetesFault::Evict,
            KubernetesKind::Cut => KubernetesFault::Cut,
            KubernetesKind::Scale => match self.replicas {
                // More than that is no fault any more but somebody's bill.
                Some(replicas @ 0..=100) => KubernetesFault::Scale(replicas),
                Some(_) => return Err(bad("replicas", "--replicas: at most 100".to_owned())),
                None => return Err(bad("replicas", "`scale` needs --replicas\nhint: --replicas 1".to_owned())),
            },
            KubernetesKind::Exec if self.command.is_empty() => {
                return Err(bad(
                    "command",
                    "`exec` needs a command\nhint: write it behind --, as -- pg_ctl stop -m fast".to_owned(),
                ));
            }
            KubernetesKind::Exec => KubernetesFault::Exec(self.command.clone()),
            KubernetesKind::Latency => KubernetesFault::Latency {
                latency_ms: time_ms("latency", self.latency.as_deref(), true)?,
                jitter_ms: time_ms("jitter", self.jitter.as_deref(), false)?,
            },
            KubernetesKind::PacketLoss => {
                let text = self.loss.as_deref();
                let text = text.ok_or_else(|| bad("loss", "`packet-loss` needs --loss\nhint: --loss 1%".to_owned()))?;
                let share = parse_share(text).map_err(|error| bad("loss", format!("--loss: {error}")))?;
                if !(0.0001..=1.0).contains(&share) {
                    return Err(bad("loss", format!("--loss: {text} is not between 0.01% and 100%")));
                }
                KubernetesFault::PacketLoss((share * 10_000.0).round() as u32)
            }
        })
    }

    fn kind(&self) -> Result<KubernetesKind, BadFault> {
        let words = KubernetesKind::ALL.map(KubernetesKind::word);
        if let Some(kind) = KubernetesKind::ALL.into_iter().find(|kind| kind.word() == self.kind) {
            return Ok(kind);
        }
        let hint = match nearest(&self.kind, words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", words.join(", ")),
        };
        Err(bad("kind", format!("no fault in a cluster is called `{}`\nhint: {hint}", self.kind)))
    }

    fn belongs(&self, kind: KubernetesKind) -> Result<(), BadFault> {
        let words = [
            ("replicas", self.replicas.is_some(), KubernetesKind::Scale),
            ("latency", self.latency.is_some(), KubernetesKind::Latency),
            ("jitter", self.jitter.is_some(), KubernetesKind::Latency),
            ("loss", self.loss.is_some(), KubernetesKind::PacketLoss),
            ("command", !self.command.is_empty(), KubernetesKind::Exec),
        ];
        let stranger = words.iter().find(|(_, given, of)| *given && *of != kind);
        stranger.map_or(Ok(()), |(field, _, of)| {
            let text = format!("{field} means nothing to `{}`\nhint: it belongs to {}", kind.word(), of.word());
            Err(bad(field, text))
        })
    }
}

fn time_ms(field: &'static str, text: Option<&str>, needed: bool) -> Result<u64, BadFault> {
    let Some(text) = text else {
        if needed {
            return Err(bad(field, format!("`latency` needs --{field}\nhint: --{field} 100ms")));
        }
        return Ok(0);
    };
    let time = parse_duration(text).map_err(|error| bad(field, format!("--{field}: {error}")))?;
    match u64::try_from(time.as_millis()) {
        Ok(ms) if ms <= 60_000 => Ok(ms),
        _ => Err(bad(field, format!("--{field}: at most 1m"))),
    }
}

fn bad(field: &'static str, text: String) -> BadFault {
    BadFault { field, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(kind: &str) -> RawKubernetesFault {
        RawKubernetesFault { kind: kind.to_owned(), ..RawKubernetesFault::default() }
    }

    #[test]
    fn every_kind_is_read_from_its_words_and_told_in_words() {
        for kind in KubernetesKind::ALL {
            let mut raw = raw(kind.word());
            match kind {
                KubernetesKind::Scale => raw.replicas = Some(1),
                KubernetesKind::Exec => raw.command = vec!["true".into()],
                KubernetesKind::Latency => raw.latency = Some("100ms".into()),
                KubernetesKind::PacketLoss => raw.loss = Some("1.5%".into()),
                _ => {}
            }
            let fault = raw.fault().unwrap();
            assert_eq!(fault.kind(), kind);
            assert!(fault.words().starts_with(kind.word()), "{}", fault.words());
        }
        let loss = RawKubernetesFault { loss: Some("1.5%".into()), ..raw("packet-loss") };
        assert_eq!(loss.fault().unwrap().words(), "packet-loss 1.5%");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (raw, field, word) in [
            (raw("kil"), "kind", "did you mean `kill`"),
            (raw("scale"), "replicas", "--replicas 1"),
            (RawKubernetesFault { replicas: Some(1_000), ..raw("scale") }, "replicas", "at most 100"),
            (raw("exec"), "command", "behind --"),
            (RawKubernetesFault { command: vec!["x".into()], ..raw("kill") }, "command", "belongs to exec"),
            (raw("latency"), "latency", "100ms"),
            (RawKubernetesFault { latency: Some("100".into()), ..raw("latency") }, "latency", "unit"),
            (RawKubernetesFault { loss: Some("200%".into()), ..raw("packet-loss") }, "loss", "share"),
        ] {
            let error = raw.fault().unwrap_err();
            assert!(error.field == field && error.text.contains(word), "{raw:?}: {error:?}");
        }
    }
}
