//! A cluster's API, as far as faults need it: pods that are replaced, a number of replicas, policies, autoscalers, objects of Chaos Mesh.
//!
//! It speaks HTTP/1.1 on a thread per connection and keeps every request, so that a test sees what was asked and in which order.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::socket;

/// Looks at the pods until a new one is ready.
const LOOKS_UNTIL_READY: u32 = 2;

#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) pods: Vec<Pod>,
    pub(crate) replicas: BTreeMap<String, usize>,
    pub(crate) policies: BTreeMap<String, Value>,
    pub(crate) chaos: BTreeMap<String, Value>,
    pub(crate) autoscalers: Vec<Value>,
    pub(crate) has_mesh: bool,
    pub(crate) budget_says_no: bool,
    pub(crate) exec_fails: bool,
    /// `METHOD PATH BODY` of everything that was asked.
    pub(crate) asked: Vec<String>,
    born: u32,
}

#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) name: String,
    uid: String,
    app: String,
    pub(crate) looks_until_ready: u32,
}

/// The server, for as long as its test.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// Three pods of the service, one of something else.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut state = State::default();
        state.replicas.insert("kv-erp-api".to_owned(), 3);
        state.replicas.insert("other".to_owned(), 1);
        let fake = Self { address, state: Arc::new(Mutex::new(state)) };
        fake.with(State::settle);
        fake.with(|state| state.pods.iter_mut().for_each(|pod| pod.looks_until_ready = 0));
        let serving = fake.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(&stream));
            }
        });
        fake
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// What was asked but to look.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.with(|state| state.asked.iter().filter(|line| !line.starts_with("GET")).cloned().collect())
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = Request::read(&mut reader) {
            if let Some(key) = &request.socket_key {
                let fails = self.with(|state| {
                    state.asked.push(format!("EXEC {}", request.path));
                    state.exec_fails
                });
                socket::answer(stream, (key, request.protocol.as_deref()), fails);
                return;
            }
            let (status, body) = self.with(|state| state.answer(&request));
            let text = match &body {
                Value::String(text) => text.clone(),
                json => json.to_string(),
            };
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                text.len()
            );
            if (&mut &*stream).write_all(format!("{head}{text}").as_bytes()).is_err() {
                return;
            }
        }
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    body: Value,
    socket_key: Option<String>,
    protocol: Option<String>,
}

impl Request {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let (method, rest) = line.split_once(' ')?;
        let target = rest.split(' ').next()?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (mut length, mut socket_key, mut protocol) = (0, None, None);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "sec-websocket-key" => socket_key = Some(value.to_owned()),
                // The first that is offered is the newest.
                "sec-websocket-protocol" => {
                    protocol.get_or_insert_with(|| value.to_owned());
                }
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            body,
            socket_key,
            protocol,
        })
    }
}

fn refused(code: u16, why: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": why, "reason": "x", "code": code}),
    )
}

fn list(items: &[Value]) -> (u16, Value) {
    (200, json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
}

impl State {
    fn answer(&mut self, request: &Request) -> (u16, Value) {
        let body = if request.body.is_null() { String::new() } else { format!(" {}", request.body) };
        self.asked.push(format!("{} {}{body}", request.method, request.path));
        if request.path == "/apis/chaos-mesh.org/v1alpha1" {
            return if self.has_mesh { (200, json!({"kind": "APIResourceList"})) } else { refused(404, "not found") };
        }
        let Some((group, rest)) = request.path.split_once("/namespaces/staging/") else {
            return refused(403, "another namespace");
        };
        let parts: Vec<&str> = rest.split('/').collect();
        match (group, parts.as_slice()) {
            ("/api/v1", ["pods", rest @ ..]) => self.pods(request, rest),
            ("/apis/apps/v1", ["deployments", name, "scale"]) => self.scale(request, name),
            ("/apis/autoscaling/v2", ["horizontalpodautoscalers"]) => list(&self.autoscalers),
            ("/apis/networking.k8s.io/v1", ["networkpolicies", rest @ ..]) => {
                objects(&mut self.policies, request, rest)
            }
            ("/apis/chaos-mesh.org/v1alpha1", ["networkchaos", rest @ ..]) if self.has_mesh => {
                objects(&mut self.chaos, request, rest)
            }
            ("/apis/metrics.k8s.io/v1beta1", ["pods"]) => {
                let usage = json!({"cpu": "250m", "memory": "128Mi"});
                let of = |pod: &Pod| json!({"metadata": {"name": pod.name}, "containers": [{"name": "kv-erp", "usage": usage}]});
                list(&self.pods.iter().map(of).collect::<Vec<_>>())
            }
            _ => refused(404, "not found"),
        }
    }

    fn pods(&mut self, request: &Request, rest: &[&str]) -> (u16, Value) {
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                let app = request.query.split_once("labelSelector=app%3D").map(|(_, app)| app.to_owned());
                let meant = |pod: &&mut Pod| app.as_ref().is_none_or(|app| *app == pod.app);
                let shown = self.pods.iter_mut().filter(meant).map(|pod| {
                    pod.looks_until_ready = pod.looks_until_ready.saturating_sub(1);
                    pod.shown()
                });
                list(&shown.collect::<Vec<_>>())
            }
            ("GET", [name, "log"]) => (200, Value::String(format!("INFO {name} started\nERROR {name} id=7 broke\n"))),
            ("DELETE", [name]) => self.end(name, request.body.pointer("/preconditions/uid")),
            ("POST", [_, "eviction"]) if self.budget_says_no => {
                refused(429, "Cannot evict pod as it would violate the pod's disruption budget.")
            }
            ("POST", [name, "eviction"]) => self.end(name, request.body.pointer("/deleteOptions/preconditions/uid")),
            _ => refused(405, "not here"),
        }
    }

    fn end(&mut self, name: &str, uid: Option<&Value>) -> (u16, Value) {
        let Some(place) = self.pods.iter().position(|pod| pod.name == name) else { return refused(404, "no such pod") };
        if uid.and_then(Value::as_str) != Some(self.pods[place].uid.as_str()) {
            return refused(409, "another pod has this name now");
        }
        self.pods.remove(place);
        self.settle();
        (200, json!({"kind": "Status", "status": "Success"}))
    }

    fn scale(&mut self, request: &Request, name: &str) -> (u16, Value) {
        if request.method == "PATCH" {
            let wanted = request.body.pointer("/spec/replicas").and_then(Value::as_u64).unwrap();
            self.replicas.insert(name.to_owned(), wanted as usize);
            self.settle();
        }
        match self.replicas.get(name) {
            Some(replicas) => {
                (200, json!({"kind": "Scale", "metadata": {"name": name}, "spec": {"replicas": replicas}}))
            }
            None => refused(404, "no such deployment"),
        }
    }

    /// As the controllers do: pods that are missing come, pods that are too many go.
    pub(crate) fn settle(&mut self) {
        for (app, wanted) in self.replicas.clone() {
            while self.pods.iter().filter(|pod| pod.app == app).count() > wanted {
                let last = self.pods.iter().rposition(|pod| pod.app == app).unwrap();
                self.pods.remove(last);
            }
            while self.pods.iter().filter(|pod| pod.app == app).count() < wanted {
                self.born += 1;
                let (name, uid) = (format!("{app}-{}", self.born), format!("uid-{}", self.born));
                self.pods.push(Pod { name, uid, app: app.clone(), looks_until_ready: LOOKS_UNTIL_READY });
            }
        }
    }
}

impl Pod {
    fn shown(&self) -> Value {
        let ready = if self.looks_until_ready == 0 { "True" } else { "False" };
        json!({
            "metadata": {"name": self.name, "uid": self.uid, "labels": {"app": self.app}},
            "spec": {"nodeName": "node-1", "containers": [{"name": "kv-erp"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}], "containerStatuses": [{"restartCount": 2}]},
        })
    }
}

/// Objects of a kind: listed, made, read, merged, deleted.
fn objects(all: &mut BTreeMap<String, Value>, request: &Request, rest: &[&str]) -> (u16, Value) {
    match (request.method.as_str(), rest) {
        ("GET", []) => {
            let only_ours = request.query.contains("labelSelector=app.kubernetes.io%2Fmanaged-by%3Dstampede");
            let is_ours = |object: &&Value| {
                !only_ours || object["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "stampede"
            };
            list(&all.values().filter(is_ours).cloned().collect::<Vec<_>>())
        }
        ("POST", []) => {
            let name = request.body["metadata"]["name"].as_str().unwrap().to_owned();
            all.insert(name, request.body.clone());
            (201, request.body.clone())
        }
        ("GET", [name]) => all.get(*name).map_or_else(|| refused(404, "not found"), |object| (200, object.clone())),
        ("PATCH", [name]) => match all.get_mut(*name) {
            Some(object) => {
                merge(object, &request.body);
                (200, object.clone())
            }
            None => refused(404, "not found"),
        },
        ("DELETE", [name]) => match all.remove(*name) {
            Some(_) => (200, json!({"kind": "Status", "status": "Success"})),
            None => refused(404, "not found"),
        },
        _ => refused(405, "not here"),
    }
}

/// RFC 7386.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut object[key], value);
        }
    }
}
