//! Every table of a scenario file and its keys: what the reader accepts and what the schema for editors says.
//!
//! Invariant: one description serves both, so an accepted key cannot be missing from the schema.

mod history;

pub(super) use history::{HISTORY, MODELS, RECORD, REFUSAL};

/// One sort of table.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name in the schema and in messages.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key of a table.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// What it means, in a line.
    pub(super) doc: &'static str,
}

/// What may stand behind a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Text with slots.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    Truth,
    /// A whole number from 0.
    Count,
    /// Text with a unit: `500ms`.
    Duration,
    /// Text or number: `200/s`.
    Rate,
    /// 200, "2xx", or a list of them.
    Statuses,
    /// Anything that JSON can say.
    Json,
    /// A table.
    Table(&'static Kind),
    /// A table whose keys are names.
    Map(&'static Shape),
    List(&'static Shape),
    /// A list of exactly two.
    Pair(&'static Shape, &'static Shape),
    /// One of several.
    Any(&'static [Shape]),
}

const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, doc }
}

/// The file as a whole.
pub(super) static FILE: Kind = Kind {
    name: "scenario file",
    doc: "A load test: who does what, how often, and what must hold.",
    keys: &[
        key("target", Shape::Table(&TARGET), "Where requests go."),
        key("include", Shape::List(&Shape::Text), "Further files, relative to this one, read as if they stood here."),
        key("vars", Shape::Map(&Shape::Json), "Constants for slots; --var NAME=VALUE replaces them."),
        key("seed", Shape::Count, "Seed of everything random; the same seed gives the same choices."),
        key("timeout", Shape::Duration, "Time one request may take; 30s unless said otherwise."),
        key("feed", Shape::Map(&Shape::Table(&FEED)), "Rows of data, by name."),
        key(
            "user",
            Shape::Map(&Shape::Table(&USER)),
            "Sorts of users, by name: how they log in, which headers they send.",
        ),
        key("scenario", Shape::List(&Shape::Table(&SCENARIO)), "What users do; all of them run at the same time."),
        key("history", Shape::Table(&HISTORY), "What `record` makes a history of, with --history FILE."),
        key(
            "thresholds",
            Shape::Map(&Shape::List(&LIMIT)),
            "What must hold: under `all` for the run, under a step's name for it.",
        ),
    ],
};

static LIMIT: Shape = Shape::Any(&[Shape::Text, Shape::Table(&LIMIT_TABLE)]);

pub(super) static LIMIT_TABLE: Kind = Kind {
    name: "limit",
    doc: "A limit that may end the run.",
    keys: &[
        key("limit", Shape::Text, "The limit, such as errors<5%."),
        key("abort_after", Shape::Duration, "The run ends when the limit is broken after this time."),
    ],
};

pub(super) static TARGET: Kind = Kind {
    name: "target",
    doc: "Where requests go.",
    keys: &[
        key("url", Shape::Text, "Scheme, host and port, and a path that all others begin with; often ${env:NAME}."),
        key("insecure", Shape::Truth, "Do not check the server's certificate."),
        key("cacert", Shape::Text, "File with the certificates to trust, PEM."),
        key("http2", Shape::Truth, "Speak HTTP/2."),
    ],
};

pub(super) static FEED: Kind = Kind {
    name: "feed",
    doc: "Rows of data. A feed that a user's login or headers use gives each user one row, any other one row per iteration.",
    keys: &[
        key("csv", Shape::Text, "A file with a line of column names and a line per row."),
        key("json", Shape::Text, "A file with a list of objects, or of plain values (column `value`)."),
        key("urls", Shape::Text, "A list of URLs as siege reads it (columns `url`, `path`, `method`, `body`)."),
        key(
            "rows",
            Shape::List(&Shape::Json),
            "The rows themselves: a list of tables, or of plain values (column `value`).",
        ),
        key(
            "mode",
            Shape::Word(&["circular", "unique", "random"]),
            "circular begins anew at the end, unique ends the run there, random draws by the seed.",
        ),
        key("numbers", Shape::List(&Shape::Text), "Columns of a csv file that are numbers."),
    ],
};

pub(super) static USER: Kind = Kind {
    name: "user",
    doc: "A sort of user.",
    keys: &[
        key("login", Shape::Table(&STEP), "Once per virtual user, before anything else."),
        key("on_start", Shape::List(&Shape::Table(&STEP)), "Once per virtual user, after the login."),
        key("on_stop", Shape::List(&Shape::Table(&STEP)), "Once per virtual user, when it leaves in good order."),
        key(
            "headers",
            Shape::Map(&Shape::Text),
            "Headers of every request; during login and on_start those whose values are known by then.",
        ),
        key(
            "shared",
            Shape::Truth,
            "One login for all: the first virtual user does login and on_start, the others take over what it took.",
        ),
    ],
};

pub(super) static SCENARIO: Kind = Kind {
    name: "scenario",
    doc: "What users do. An iteration is one task from its first step to its last.",
    keys: &[
        key("name", Shape::Text, "Its name in the summary."),
        key("as", Shape::Text, "The sort of user who does it."),
        key("steps", Shape::List(&Shape::Table(&STEP)), "The steps of every iteration."),
        key(
            "task",
            Shape::List(&Shape::Table(&TASK)),
            "Several lists of steps; each iteration does one, drawn by weight.",
        ),
        key("steps_from", Shape::Text, "A feed of URLs; each iteration sends one of them."),
        key("think", THINK, "Pause between two iterations of a user."),
        key("users", Shape::Count, "Virtual users, each of whom begins anew when it is done (closed model)."),
        key("spawn_rate", Shape::Rate, "How many users start per second; all at once unless said."),
        key(
            "stages",
            Shape::List(&Shape::Pair(&Shape::Duration, &Shape::Count)),
            "Users over time: during this long, up or down to so many.",
        ),
        key(
            "arrivals",
            Shape::Table(&ARRIVALS),
            "Iterations start on a schedule whatever the server does (open model).",
        ),
        key("duration", Shape::Duration, "How long it issues."),
        key("iterations", Shape::Count, "Iterations in all, over all users."),
        key("start_after", Shape::Duration, "How long after the start of the run it begins."),
    ],
};

pub(super) static TASK: Kind = Kind {
    name: "task",
    doc: "One of several things that a user may do in an iteration.",
    keys: &[
        key("name", Shape::Text, "Its name."),
        key("weight", Shape::Count, "How often it is drawn, against the others; 1 unless said."),
        key("steps", Shape::List(&Shape::Table(&STEP)), "Its steps."),
    ],
};

pub(super) static ARRIVALS: Kind = Kind {
    name: "arrivals",
    doc: "When iterations start.",
    keys: &[
        key("rate", Shape::Rate, "Iterations per second."),
        key(
            "curve",
            Shape::List(&Shape::Pair(&Shape::Duration, &Shape::Rate)),
            "Rate over time: during this long, up or down to this rate, from 0.",
        ),
        key("spacing", Shape::Word(&["uniform", "poisson"]), "Equal gaps, or gaps as independent users make them."),
        key("max_in_flight", Shape::Count, "Most iterations under way at once; 512 unless said."),
        key("max_queue", Shape::Count, "Most arrivals that wait; more are counted as not sent; 100,000 unless said."),
    ],
};

static THINK: Shape = Shape::Any(&[Shape::Text, Shape::Table(&THINK_TABLE)]);

pub(super) static THINK_TABLE: Kind = Kind {
    name: "think",
    doc: "A pause that evens out: one of the two.",
    keys: &[
        key("pacing", Shape::Duration, "A user starts an iteration every so often, if the last one is done."),
        key("throughput", Shape::Rate, "The same as iterations per second of one user."),
    ],
};

pub(super) static STEP: Kind = Kind {
    name: "step",
    doc: "One request and what is made of its answer.",
    keys: &[
        key("name", Shape::Text, "Its series in the result; method and path template unless said."),
        key("get", Shape::Text, "A GET of this path."),
        key("post", Shape::Text, "A POST to this path."),
        key("put", Shape::Text, "A PUT to this path."),
        key("patch", Shape::Text, "A PATCH of this path."),
        key("delete", Shape::Text, "A DELETE of this path."),
        key("head", Shape::Text, "A HEAD of this path."),
        key("options", Shape::Text, "An OPTIONS of this path."),
        key("query", Shape::Map(&Shape::Json), "Query parameters, added to the path."),
        key("headers", Shape::Map(&Shape::Text), "Headers; they replace the user's of the same name."),
        key("json", Shape::Json, "Body as JSON; a string that is one slot takes the value with its type."),
        key("form", Shape::Map(&Shape::Json), "Body as a web form."),
        key("body", Shape::Text, "Body as text."),
        key("body_file", Shape::Text, "Body from a file, sent as it is."),
        key("expect", Shape::Table(&EXPECT), "What a good answer is; a status below 400 unless said."),
        key("take", Shape::Map(&TAKE), "Variables taken from the answer, for later steps."),
        key("record", Shape::Table(&RECORD), "What the request was, as an operation of the history."),
        key("tags", Shape::Map(&Shape::Text), "Words that stand with the series in the result."),
        key("repeat", Shape::Count, "How often it is sent, one after the other."),
        key("if_status", Shape::Statuses, "Only sent when the last answer had one of these statuses."),
        key("think", THINK_STEP, "Pause after it."),
        key("together", Shape::Count, "Waits until so many users are here; all leave on one instant."),
        key("timeout", Shape::Duration, "Time this request may take, at most the scenario's."),
    ],
};

static THINK_STEP: Shape = Shape::Text;

pub(super) static EXPECT: Kind = Kind {
    name: "expect",
    doc: "What a good answer is; anything else is a counted failure and ends the iteration.",
    keys: &[
        key("status", Shape::Statuses, "Good statuses."),
        key("json", Shape::Map(&Shape::Json), "JSONPath and the value that stands there."),
        key("body_contains", Shape::Any(&[Shape::Text, Shape::List(&Shape::Text)]), "Text that stands in the body."),
        key("header", Shape::Map(&Shape::Text), "Header and the text that stands in it."),
        key("max_time", Shape::Duration, "Time from the send to the last byte, at most."),
    ],
};

static TAKE: Shape = Shape::Any(&[Shape::Text, Shape::Table(&TAKE_TABLE)]);

pub(super) static TAKE_TABLE: Kind = Kind {
    name: "take",
    doc: "Where in the answer a value stands: one of json, header, regex.",
    keys: &[
        key("json", Shape::Text, "JSONPath of the value; the first match counts."),
        key("header", Shape::Text, "Header whose value it is."),
        key("regex", Shape::Text, "Regular expression over the body."),
        key(
            "group",
            Shape::Any(&[Shape::Count, Shape::Text]),
            "Group of the expression, by number or name; 1 if there is one, else 0, the whole match.",
        ),
        key("default", Shape::Json, "Value when there is none; without it the answer is then not a good one."),
    ],
};

/// Every kind of table.
pub(super) static ALL: [&Kind; 15] = [
    &FILE,
    &TARGET,
    &FEED,
    &USER,
    &SCENARIO,
    &TASK,
    &ARRIVALS,
    &THINK_TABLE,
    &STEP,
    &EXPECT,
    &TAKE_TABLE,
    &LIMIT_TABLE,
    &HISTORY,
    &RECORD,
    &REFUSAL,
];
