//! Thresholds: of the run and of its steps.

use toml::de::DeValue;

use super::Compiler;
use super::documents::Document;
use crate::scenario::keys::LIMIT_TABLE;
use crate::scenario::mistake::did_you_mean;
use crate::scenario::read::Node;
use crate::threshold::{AbortAfter, Limit};

impl Compiler<'_> {
    pub(super) fn read_limits(&mut self, documents: &[Document<'_>]) -> Vec<Limit> {
        let mut limits = Vec::new();
        for entry in self.named(documents, "thresholds", "list of threshold") {
            let step = (entry.key != "all").then(|| entry.key.to_owned());
            if let Some(step) = &step
                && !self.series.iter().any(|series| series.name == *step)
            {
                let names = self.series.iter().map(|series| series.name.as_str()).chain(["all"]);
                let hint = did_you_mean(step, names, "");
                self.findings.add(entry.place, format!("no step is called `{step}`"), hint);
            }
            for item in entry.node.list(&mut self.findings) {
                if let Some(limit) = self.read_limit(item, step.clone()) {
                    limits.push(limit);
                }
            }
        }
        limits
    }

    fn read_limit(&mut self, node: Node<'_>, step: Option<String>) -> Option<Limit> {
        let (text, abort) = match node.value {
            DeValue::Table(_) => {
                let fields = node.fields(&LIMIT_TABLE, &mut self.findings)?;
                let Some(limit) = fields.get("limit") else {
                    self.findings.add(
                        node.place,
                        "here stands no limit",
                        "{ limit = \"errors<5%\", abort_after = \"10s\" }",
                    );
                    return None;
                };
                let after = fields.get("abort_after").and_then(|node| node.duration(&mut self.findings));
                (limit, after.map(AbortAfter))
            }
            _ => (node, None),
        };
        match text.text(&mut self.findings)?.parse::<Limit>() {
            Ok(limit) if limit.step.is_some() => {
                let hint = "write the limit under the step's name: \"STEP NAME\" = [\"p95<500ms\"]";
                self.findings.add(text.place, "`for` belongs to the command line", hint);
                None
            }
            Ok(limit) => Some(Limit { step, abort: abort.or(limit.abort), ..limit }),
            Err(error) => {
                self.findings.add(text.place, error.to_string(), "such as p95<500ms, errors<0.1% or rps>=900");
                None
            }
        }
    }
}
