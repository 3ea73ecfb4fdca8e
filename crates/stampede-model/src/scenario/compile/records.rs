//! What a run records: the history as a whole, and steps as its operations.

use serde_json::Value;

use super::Compiler;
use super::names::{Moment, Scope};
use super::texts::Into;
use crate::history::{Fields as Settings, Model};
use crate::scenario::keys::{HISTORY, MODELS, RECORD, REFUSAL};
use crate::scenario::mistake::{Place, did_you_mean};
use crate::scenario::plan::{Effect, Expect, Plan, Record, Recording, Statuses};
use crate::scenario::read::{Entry, Fields, Node};
use crate::scenario::template::{Slot, Template};
use crate::target::{Pointer, Refusal, Role, Roles};

/// What the file says of its history.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Said {
    #[default]
    Nothing,
    /// Something with mistakes.
    Wrong,
    Right(Recording),
}

impl Said {
    pub(super) fn right(self) -> Option<Recording> {
        match self {
            Self::Right(recording) => Some(recording),
            Self::Nothing | Self::Wrong => None,
        }
    }
}

/// What is there has mistakes, which are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mistaken;

/// The step of a record, as far as it was read.
pub(super) struct Recorded<'a> {
    pub(super) method: &'a str,
    /// What is known before its request is sent.
    pub(super) before: Scope,
    pub(super) expect: Option<&'a Expect>,
}

impl Compiler<'_> {
    /// What is recorded; needed before the first step is read.
    pub(super) fn read_history(&mut self, node: Option<Node<'_>>) {
        let Some(node) = node else { return };
        self.history = self.read_recording(node).map_or(Said::Wrong, Said::Right);
    }

    fn read_recording(&mut self, node: Node<'_>) -> Option<Recording> {
        let fields = node.fields(&HISTORY, &mut self.findings)?;
        let mut settings = Vec::new();
        for entry in fields.get("settings").map_or(Vec::new(), |node| node.map(&mut self.findings)) {
            let before = Scope { moment: Moment::Before, ..Scope::default() };
            let value = self.json_template(entry.node, &before)?;
            settings.push((entry.key, serde_json::from_str::<Value>(value.fixed()?).ok()?));
        }
        let Some(model) = fields.get("model") else {
            let hint = format!("write model = \"stock\", or one of {}", MODELS[1..].join(", "));
            self.findings.add(node.place, "a history is of a model, and here stands none", hint);
            return None;
        };
        let model = Model::ALL[model.word(&MODELS, &mut self.findings)?];
        Some(Recording { model, settings: Settings::of_settings(settings) })
    }

    /// A history of which nothing is written.
    pub(super) fn warn_unrecorded(&mut self, history: Option<Node<'_>>, plan: &Plan) {
        if let (Some(node), false) = (history, plan.has_records()) {
            self.warnings.add(node.place, "no step is recorded", "give a step record = { op = .., key = .. }");
        }
    }

    pub(super) fn read_record(&mut self, entry: &Entry<'_>, step: &Fields<'_>, of: &Recorded<'_>) -> Option<Record> {
        let fields = entry.node.fields(&RECORD, &mut self.findings)?;
        let role = self.read_op(entry.place, &fields);
        let key = self.read_key(&fields, &of.before);
        let input = self.read_values(fields.get("in"), &of.before);
        let after = self.with_own(step, &of.before);
        let output = self.read_values(fields.get("out"), &after);
        let refuse = fields.get("refuse").map(|node| self.read_statuses(node).ok_or(Mistaken)).transpose();
        let refusal = fields.get("refusal").map(|node| self.read_refusal(node).ok_or(Mistaken)).transpose();
        if let Ok(refuse) = &refuse {
            self.check_expected(step, of.expect, refuse.as_ref());
        }
        for about in fields.present(&["refusal", "refused"]) {
            if refuse == Ok(None) {
                let message = format!("`{}` without `refuse`", about.key);
                self.findings.add(about.place, message, "name the statuses that decline, as refuse = [409]");
            }
        }
        let (model, role) = role?;
        let refused = self.read_refused(&fields, role);
        // A call is counted by its limit, whatever its method.
        let is_look = model != Model::RateLimit && matches!(of.method, "get" | "head" | "options");
        Some(Record {
            op: role.word(),
            effect: if is_look { Effect::None } else { Effect::Perhaps },
            key: key?,
            input: input?,
            output: output?,
            refuse: refuse.ok()?,
            refusal: refusal.ok()?,
            refused: refused.ok()?,
        })
    }

    /// The operation, by a name of the model.
    fn read_op(&mut self, place: Place, fields: &Fields<'_>) -> Option<(Model, &'static Role)> {
        let model = match &self.history {
            Said::Right(recording) => Some(recording.model),
            Said::Wrong => None,
            Said::Nothing => {
                let hint = "say once per file what is recorded: [history] and below it model = \"stock\"";
                self.findings.add(place, "`record` without a [history]", hint);
                None
            }
        };
        let Some(op) = fields.get("op") else {
            self.findings.add(place, "a record says what was done", "add op = \"..\", an operation of the model");
            return None;
        };
        let (name, model) = (op.text(&mut self.findings)?, model?);
        let roles = || Roles::of(model).iter().filter(|role| !role.is_trouble());
        let found = roles().find(|role| role.name == name);
        if found.is_none() {
            let hint = did_you_mean(name, roles().map(|role| role.name), "");
            self.findings.add(op.place, format!("the model {model} has no operation `{name}`"), hint);
        }
        found.map(|role| (model, role))
    }

    fn read_key(&mut self, fields: &Fields<'_>, before: &Scope) -> Option<Template> {
        let Some(key) = fields.get("key") else {
            let hint = "add key = \"..\", the object that the request touches";
            self.findings.add(fields.place, "a record says what was touched", hint);
            return None;
        };
        let template = self.template(key, before, Into::Plain)?;
        self.check_lasting(&template, key.place).then_some(template)
    }

    fn read_values(&mut self, node: Option<Node<'_>>, scope: &Scope) -> Option<Vec<(String, Template)>> {
        let mut values = Vec::new();
        let mut sound = true;
        for entry in node.map_or(Vec::new(), |node| node.map(&mut self.findings)) {
            let value = self.json_template(entry.node, scope).map(Template::recorded);
            match value.filter(|value| self.check_lasting(value, entry.node.place)) {
                Some(value) => values.push((entry.key.to_owned(), value)),
                None => sound = false,
            }
        }
        sound.then_some(values)
    }

    /// Whether the value is still the one that was sent when it is written down.
    fn check_lasting(&mut self, template: &Template, place: Place) -> bool {
        let is_drawn = |slot| matches!(slot, Slot::Uuid | Slot::NowMs | Slot::Random { .. });
        let lasts = !template.slots().any(is_drawn);
        if !lasts {
            let hint = "use a column of a feed (mode = \"random\" draws one), or {user}-{iteration}";
            self.findings.add(place, "a value that is drawn anew each time is not the one that was sent", hint);
        }
        lasts
    }

    /// What is known when the answer is there: also what this step takes from it.
    fn with_own(&mut self, step: &Fields<'_>, before: &Scope) -> Scope {
        let mut scope = before.clone();
        for entry in step.get("take").map_or(Vec::new(), |node| node.map(&mut self.findings)) {
            scope.known.extend(self.variables.iter().position(|(name, _)| name == entry.key));
        }
        scope
    }

    /// An answer of an expected status is recorded as done, so it must not mean two things.
    fn check_expected(&mut self, step: &Fields<'_>, expect: Option<&Expect>, refuse: Option<&Statuses>) {
        let (Some(node), Some(statuses)) = (step.get("expect"), expect.and_then(|expect| expect.status.as_ref()))
        else {
            return;
        };
        if !(100..400).any(|status| statuses.contains(status)) {
            return;
        }
        if let Some(status) = statuses.first_error_beside(refuse) {
            let message = format!("{status} is expected like a success, and would be recorded as one");
            let hint = format!("name it in record too, as refuse = [{status}]; or do not expect it");
            self.findings.add(node.place, message, hint);
        }
    }

    fn read_refusal(&mut self, node: Node<'_>) -> Option<Refusal> {
        let fields = node.fields(&REFUSAL, &mut self.findings)?;
        let (Some(at), Some(is)) = (fields.get("at"), fields.get("is")) else {
            let hint = "as refusal = { at = \"/code\", is = [\"sold_out\"] }";
            self.findings.add(node.place, "a refusal has a place and the words that stand there", hint);
            return None;
        };
        let at = match Pointer::try_from(at.text(&mut self.findings)?.to_owned()) {
            Ok(pointer) => pointer,
            Err(why) => {
                self.findings.add(at.place, why, "such as /code (RFC 6901)");
                return None;
            }
        };
        let words = is.list(&mut self.findings);
        let words: Vec<String> =
            words.iter().filter_map(|word| word.text(&mut self.findings).map(ToOwned::to_owned)).collect();
        Some(Refusal { at, is: words })
    }

    /// The word of a refusal, which only says something when the checker knows it.
    fn read_refused(&mut self, fields: &Fields<'_>, role: &Role) -> Result<Option<String>, Mistaken> {
        let usual = role.refused.map(ToOwned::to_owned);
        let Some(node) = fields.get("refused") else { return Ok(usual) };
        let word = node.text(&mut self.findings).ok_or(Mistaken)?;
        if role.refused == Some(word) {
            return Ok(usual);
        }
        let hint = match role.refused {
            Some(known) => format!("write refused = \"{known}\", or leave it out"),
            None => "leave it out".to_owned(),
        };
        self.findings.add(node.place, format!("no checker knows `{word}` as a refusal of `{}`", role.name), hint);
        Err(Mistaken)
    }
}
