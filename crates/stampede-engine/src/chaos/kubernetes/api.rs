//! One cluster's API, asked within one namespace.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use http::{Request, header};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Error};
use serde_json::Value;
use stampede_model::chaos::ClusterReach;
use tokio::time::timeout;

use super::{Call, MOST};

/// How long one call may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A cluster.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
    pub(super) namespace: String,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// The cluster said no, with this status.
    Refused { code: u16, why: String },
    /// It did not answer, or not so that it could be read.
    Unanswered(String),
}

impl CallError {
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { code, why } => write!(f, "the cluster answered {code}: {why}"),
            Self::Unanswered(why) => write!(f, "the cluster did not answer: {why}"),
        }
    }
}

impl From<CallError> for String {
    fn from(error: CallError) -> Self {
        error.to_string()
    }
}

impl Api {
    /// Reads the kubeconfig, or takes the pod's own account.
    pub(super) async fn connect(reach: &ClusterReach) -> Result<Self, String> {
        let options = KubeConfigOptions { context: reach.context.clone(), ..KubeConfigOptions::default() };
        let config = match (&reach.kubeconfig, &reach.context) {
            (Some(file), _) => {
                let read = Kubeconfig::read_from(Path::new(file)).map_err(|error| format!("{file}: {error}"))?;
                Config::from_custom_kubeconfig(read, &options).await.map_err(|error| format!("{file}: {error}"))
            }
            (None, Some(context)) => {
                Config::from_kubeconfig(&options).await.map_err(|error| format!("context {context}: {error}"))
            }
            (None, None) => Config::infer().await.map_err(|error| {
                format!(
                    "{}\nhint: --kubeconfig FILE, KUBECONFIG, or a pod with a service account",
                    crate::chaos::words(&error)
                )
            }),
        };
        let mut config = config?;
        // A fault that is sent twice is two faults, and a refusal is an answer.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| crate::chaos::words(&error))?;
        Ok(Self { client, namespace: reach.namespace.clone() })
    }

    /// The client, for what is no plain call.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The path of a kind's objects in the namespace; `group` is as `/api/v1` or `/apis/apps/v1`.
    pub(super) fn path(&self, group: &str, kind: &str) -> String {
        path(&self.namespace, group, kind)
    }

    /// Sends a call and reads its answer.
    pub(super) async fn send(&self, call: &Call) -> Result<Value, CallError> {
        let text = self.text(call).await?;
        serde_json::from_str(&text)
            .map_err(|error| CallError::Unanswered(format!("{} {}: {error}", call.method, call.path)))
    }

    /// Sends a call whose answer is text.
    pub(super) async fn text(&self, call: &Call) -> Result<String, CallError> {
        let unanswered = |why: String| CallError::Unanswered(format!("{} {}: {why}", call.method, call.path));
        let content = if call.method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = call.body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder().method(call.method).uri(&call.path).header(header::CONTENT_TYPE, content);
        let request = request.body(body).map_err(|error| unanswered(error.to_string()))?;
        let answer = timeout(ANSWER_WITHIN, self.client.request_text(request)).await;
        match answer.map_err(|_| unanswered(format!("nothing came within {} s", ANSWER_WITHIN.as_secs())))? {
            Ok(text) => Ok(text),
            Err(Error::Api(status)) => Err(CallError::Refused { code: status.code, why: status.message.clone() }),
            Err(error) => Err(unanswered(crate::chaos::words(&error))),
        }
    }

    /// An object, or nothing when it is not there.
    pub(super) async fn find(&self, path: &str) -> Result<Option<Value>, CallError> {
        match self.send(&Call::get(path.to_owned())).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The items of a list; more than can be overlooked are refused.
    pub(super) async fn list(&self, path: &str, labels: Option<&str>) -> Result<Vec<Value>, CallError> {
        let selector = labels.map(|labels| format!("&labelSelector={}", encoded(labels))).unwrap_or_default();
        let mut answer = self.send(&Call::get(format!("{path}?limit={MOST}{selector}"))).await?;
        let more = answer.pointer("/metadata/continue").and_then(Value::as_str).is_some_and(|more| !more.is_empty());
        if more {
            return Err(CallError::Unanswered(format!("{path} has more than {MOST} objects")));
        }
        match answer.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(CallError::Unanswered(format!("{path} is no list"))),
        }
    }
}

/// See [`Api::path`].
pub(super) fn path(namespace: &str, group: &str, kind: &str) -> String {
    format!("{group}/namespaces/{namespace}/{kind}")
}

/// Percent-encodes what a selector may have that a query may not.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(encoded, "%{byte:02X}").ok();
        }
    }
    encoded
}
