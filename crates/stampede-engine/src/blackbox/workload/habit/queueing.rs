//! Queues: jobs are added while workers are broken.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;

use stampede_model::history::Fields;
use stampede_model::target::Scope;

use super::super::WorkloadError;
use super::super::client::{Client, Intent};

/// Jobs whose effect is asked for at the end.
const MAX_JOBS: usize = 20_000;

/// Which jobs were added, whatever became of the request.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Queueing {
    next: Rc<Cell<u64>>,
    pub(in super::super) jobs: Rc<RefCell<Vec<String>>>,
}

impl Queueing {
    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let is_full = self.jobs.borrow().len() >= MAX_JOBS;
        match client.choose(|role| role == "trouble" || role == "enqueue" && !is_full) {
            Some("enqueue") => {
                let number = self.next.get();
                self.next.set(number + 1);
                let run = client.caller.scope.get("run").and_then(serde_json::Value::as_str).unwrap_or_default();
                let job = format!("job-{run}-{number}");
                self.jobs.borrow_mut().push(job.clone());
                let intent = Intent {
                    role: "enqueue",
                    input: Fields::new().with("job", job.as_str()),
                    slots: Scope::default().with("job", job),
                    ..Intent::default()
                };
                client.perform(intent).await?;
            }
            Some("trouble") => {
                client.perform(Intent { role: "trouble", is_kept: true, ..Intent::default() }).await?;
            }
            _ => {}
        }
        Ok(())
    }
}
