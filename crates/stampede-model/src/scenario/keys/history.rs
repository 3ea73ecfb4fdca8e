//! The tables of a history that is recorded while load is sent.

use super::{Kind, Shape, key};

/// The models' names, in the order of [`crate::history::Model::ALL`].
pub(in crate::scenario) static MODELS: [&str; 9] =
    ["stock", "lock", "register", "counter", "rate-limit", "tenants", "idempotency", "queue", "transactions"];

pub(in crate::scenario) static HISTORY: Kind = Kind {
    name: "history",
    doc: "What is recorded of a run, so that it can be judged.",
    keys: &[
        key("model", Shape::Word(&MODELS), "What the keys of the history are."),
        key(
            "settings",
            Shape::Map(&Shape::Json),
            "What the checker must know, such as `initial` or `limit`; as in a workload of a target file.",
        ),
    ],
};

pub(in crate::scenario) static RECORD: Kind = Kind {
    name: "record",
    doc: "An operation of the history: what the request asked, and what its answer showed.",
    keys: &[
        key("op", Shape::Text, "An operation of the model, such as reserve or read."),
        key("key", Shape::Text, "The object that it touches."),
        key("in", Shape::Map(&Shape::Json), "What is asked, as the model names it: { units = 1 }."),
        key(
            "out",
            Shape::Map(&Shape::Json),
            "What the answer shows, from what this step takes: { version = \"{version}\" }; what it does not show is left out.",
        ),
        key("refuse", Shape::Statuses, "Statuses that mean: declined, and surely nothing happened."),
        key("refusal", Shape::Table(&REFUSAL), "What tells a refusal from other answers of these statuses."),
        key("refused", Shape::Text, "What a refusal says of the state; the model's own word unless said."),
    ],
};

pub(in crate::scenario) static REFUSAL: Kind = Kind {
    name: "refusal",
    doc: "The field that makes an answer a refusal.",
    keys: &[
        key("at", Shape::Text, "Its JSON pointer, such as /code."),
        key("is", Shape::List(&Shape::Text), "What it says when it is one."),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Model;

    #[test]
    fn every_model_can_be_named() {
        assert_eq!(Model::ALL.map(Model::as_str), MODELS);
    }
}
