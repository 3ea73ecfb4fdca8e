//! The operations of each model: what the runner gives their requests, what their answers must show, what a refusal says.

use crate::history::Model;

/// One operation of a model.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Its name in `bind`, and in histories unless `recorded_as` says otherwise.
    pub name: &'static str,
    /// What histories call it: for their checkers, making something is one more way of being shown it, and a snapshot is one of
    /// however many keys.
    pub recorded_as: Option<&'static str>,
    /// What it is, for messages.
    pub doc: &'static str,
    /// Whether a workload of the model makes sense without it.
    pub is_required: bool,
    /// Slots that its request may use beside the session's and the set-up's.
    pub gives: &'static [&'static str],
    /// What its answer must show.
    pub must_take: &'static [&'static str],
    /// What a refusal says of the state; without one its request need not name a refusing status.
    pub refused: Option<&'static str>,
    /// How often it is chosen unless the workload says otherwise; 0 for what the runner does at its own times.
    pub weight: u32,
    /// What must not be done before it: its slots come from such an answer.
    pub after: Option<&'static str>,
}

const NOTHING: Role = Role {
    name: "",
    recorded_as: None,
    doc: "",
    is_required: false,
    gives: &[],
    must_take: &[],
    refused: None,
    weight: 0,
    after: None,
};

impl Role {
    /// Its word in histories.
    pub fn word(&self) -> &'static str {
        self.recorded_as.unwrap_or(self.name)
    }

    /// Whether it only makes trouble: nothing of it is judged, so nothing of it is recorded.
    pub fn is_trouble(&self) -> bool {
        matches!(self.name, "trouble" | "other")
    }
}

/// The operations of one model.
#[derive(Clone, Copy, Debug)]
pub struct Roles(&'static [Role]);

impl Roles {
    /// Those of `model`.
    pub fn of(model: Model) -> Self {
        Self(match model {
            Model::Stock => &STOCK,
            Model::Lock => &LOCK,
            Model::Register => &REGISTER,
            Model::Counter => &COUNTER,
            Model::RateLimit => &RATE_LIMIT,
            Model::Tenants => &TENANTS,
            Model::Idempotency => &IDEMPOTENCY,
            Model::Queue => &QUEUE,
            Model::Transactions => &TRANSACTIONS,
        })
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = &'static Role> {
        self.0.iter()
    }

    /// One by its name.
    pub fn get(self, name: &str) -> Option<&'static Role> {
        self.0.iter().find(|role| role.name == name)
    }
}

static STOCK: [Role; 6] = [
    Role {
        name: "reserve",
        doc: "takes units from the available ones",
        is_required: true,
        gives: &["units"],
        refused: Some("insufficient"),
        weight: 6,
        ..NOTHING
    },
    Role {
        name: "release",
        doc: "gives a reservation's units back",
        gives: &["reservation", "units"],
        refused: Some("gone"),
        weight: 2,
        after: Some("reserve"),
        ..NOTHING
    },
    Role {
        name: "confirm",
        doc: "ships a reservation's units",
        gives: &["reservation", "units"],
        refused: Some("gone"),
        weight: 1,
        after: Some("reserve"),
        ..NOTHING
    },
    Role { name: "receive", doc: "adds units", gives: &["units"], weight: 1, ..NOTHING },
    Role {
        name: "adjust",
        doc: "adds or takes units without a reservation",
        gives: &["delta"],
        refused: Some("insufficient"),
        weight: 1,
        ..NOTHING
    },
    Role { name: "read", doc: "shows the level", is_required: true, must_take: &["available"], weight: 2, ..NOTHING },
];

static LOCK: [Role; 6] = [
    Role {
        name: "acquire",
        doc: "takes the lock",
        is_required: true,
        gives: &["wait_ms", "ttl_ms"],
        refused: Some("busy"),
        weight: 1,
        ..NOTHING
    },
    Role {
        name: "release",
        doc: "gives it back",
        is_required: true,
        gives: &["token", "fence"],
        refused: Some("not-owner"),
        after: Some("acquire"),
        ..NOTHING
    },
    Role {
        name: "renew",
        doc: "starts its lease anew",
        gives: &["token", "fence", "ttl_ms"],
        refused: Some("not-owner"),
        after: Some("acquire"),
        ..NOTHING
    },
    Role { name: "exists", doc: "says whether it is held", must_take: &["held"], ..NOTHING },
    Role {
        name: "write",
        doc: "changes what the lock guards",
        gives: &["token", "fence", "value"],
        refused: Some("stale-fence"),
        after: Some("acquire"),
        ..NOTHING
    },
    Role { name: "read-guarded", doc: "shows what the lock guards", must_take: &["value"], ..NOTHING },
];

static REGISTER: [Role; 3] = [
    Role { name: "read", doc: "shows the value", is_required: true, must_take: &["value"], weight: 3, ..NOTHING },
    Role {
        name: "write",
        doc: "sets the value; {value_text} is it as a text",
        is_required: true,
        gives: &["value", "value_text"],
        weight: 2,
        ..NOTHING
    },
    Role {
        name: "cas",
        doc: "sets the value if it is what was read",
        gives: &["from", "to", "version"],
        refused: Some("conflict"),
        weight: 2,
        after: Some("read"),
        ..NOTHING
    },
];

static COUNTER: [Role; 2] = [
    Role { name: "increment", doc: "adds to the number", is_required: true, gives: &["by"], weight: 4, ..NOTHING },
    Role { name: "read", doc: "shows the number", is_required: true, must_take: &["value"], weight: 1, ..NOTHING },
];

static RATE_LIMIT: [Role; 1] = [Role {
    name: "call",
    doc: "is counted by the limit",
    is_required: true,
    refused: Some("limited"),
    weight: 1,
    ..NOTHING
}];

static TENANTS: [Role; 4] = [
    Role {
        name: "create",
        recorded_as: Some("see"),
        doc: "makes something that carries the text in {canary}",
        is_required: true,
        gives: &["canary"],
        must_take: &["id"],
        weight: 2,
        ..NOTHING
    },
    Role {
        name: "see",
        doc: "shows what the tenant has; {id} and {canary} are its own",
        is_required: true,
        gives: &["id", "canary"],
        weight: 3,
        after: Some("create"),
        ..NOTHING
    },
    Role {
        name: "foreign",
        doc: "asks for {id} of another tenant",
        is_required: true,
        gives: &["id", "canary"],
        refused: Some("absent"),
        weight: 3,
        after: Some("create"),
        ..NOTHING
    },
    Role {
        name: "script",
        doc: "shows the same whatever others do; {id} and {canary} are a thing of its tenant that nobody touches",
        gives: &["id", "canary"],
        weight: 1,
        after: Some("create"),
        ..NOTHING
    },
];

static IDEMPOTENCY: [Role; 4] = [
    Role {
        name: "create",
        doc: "makes something once for {idempotency_key}; {body} varies its body",
        is_required: true,
        gives: &["idempotency_key", "body"],
        must_take: &["id"],
        refused: Some("conflict"),
        weight: 1,
        ..NOTHING
    },
    Role {
        name: "find",
        doc: "lists what exists for {idempotency_key}, at the end",
        gives: &["idempotency_key", "body"],
        must_take: &["found"],
        ..NOTHING
    },
    Role {
        name: "effect",
        doc: "shows the effect's units, at the end",
        gives: &["idempotency_key", "body"],
        must_take: &["units"],
        ..NOTHING
    },
    Role { name: "other", doc: "makes trouble meanwhile", weight: 0, ..NOTHING },
];

static QUEUE: [Role; 4] = [
    Role { name: "enqueue", doc: "adds {job}", is_required: true, gives: &["job"], weight: 20, ..NOTHING },
    Role {
        name: "effect",
        doc: "shows how often {job} took effect, at the end",
        is_required: true,
        gives: &["job"],
        must_take: &["times"],
        ..NOTHING
    },
    Role {
        name: "drained",
        doc: "shows what is left, at the end",
        is_required: true,
        must_take: &["ready", "reserved"],
        ..NOTHING
    },
    Role { name: "trouble", doc: "breaks a worker or the queue's memory", weight: 1, ..NOTHING },
];

static TRANSACTIONS: [Role; 3] = [
    Role {
        name: "order",
        doc: "changes {key_a} and {key_b} together, {units} of each; its `items` name the keys and their versions",
        is_required: true,
        gives: &["key_a", "key_b", "units"],
        must_take: &["items"],
        refused: Some("insufficient"),
        weight: 3,
        ..NOTHING
    },
    Role { name: "snapshot", doc: "shows one key", must_take: &["version"], weight: 1, ..NOTHING },
    Role {
        name: "snapshot-of-two",
        recorded_as: Some("snapshot"),
        doc: "shows {key_a} and {key_b} as they are at one instant; its `items` name the keys and their versions",
        gives: &["key_a", "key_b"],
        must_take: &["items"],
        weight: 2,
        ..NOTHING
    },
];
