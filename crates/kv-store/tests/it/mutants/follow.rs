//! What follows from a tenant's writes: jobs, events and their deliveries, done as the first twin.

use kv_store::jobs::{NewJob, Work};
use kv_store::webhooks::{Attempt, EndpointPatch, NewEndpoint, redelivery};
use kv_types::Expected;
use kv_types::jobs::JobState;
use kv_types::webhooks::{DeliveryState, EndpointState};
use serde_json::json;

use super::repertoire::Told;
use crate::isolation::Goods;

impl Told<'_> {
    pub(super) async fn follow(&mut self, goods: &Goods) {
        self.follow_jobs(goods).await;
        self.follow_hooks(goods).await;
    }

    async fn follow_jobs(&mut self, goods: &Goods) {
        let (store, tenant) = (self.store.clone(), self.me.tenant);
        self.note("jobs", store.jobs(tenant, None, None, 50).await);
        self.note("job", store.job(tenant, goods.job).await);
        self.note("work", store.job_work(tenant, goods.job).await);
        let unique = || NewJob { unique_key: Some("k".to_owned()), ..NewJob::new("unique", json!({})) };
        self.note("new jobs", store.enqueue_jobs(tenant, &[unique(), unique()]).await.map(|made| made.len()));
        self.note("failure", store.note_failure(tenant, (goods.job, 0), ("it failed", 1_000)).await);
        self.note("burial", store.bury_job(tenant, (goods.job, 0), ("it died", 1)).await);
        self.note("replay", store.replay_job(tenant, goods.dead).await);
        // Another tenant's job of the same number is open all the time.
        self.note("replay of the buried", store.replay_job(tenant, goods.job).await);
        self.note("end of the replayed", store.end_job(tenant, goods.job, &Work::Nothing).await);
        let other = NewJob { unique_key: Some("k".to_owned()), ..NewJob::new("unique", json!({})) };
        self.note("new job", store.enqueue_jobs(tenant, &[other]).await.map(|made| made.len()));
        // The second tenant's order has no confirmation yet, nor has the first one's own second order.
        let confirming = store.jobs(tenant, Some(JobState::Open), None, 50).await.map(|page| page.rows);
        // The oldest: another tenant has an open job of the same number.
        let confirming = confirming.unwrap_or_default().into_iter().rfind(|job| job.kind == "send_order_confirmation");
        if let Some(job) = confirming {
            self.note("end", store.end_job(tenant, job.id, &Work::ConfirmOrder(self.twins.ordered_id)).await);
            self.note("end once more", store.end_job(tenant, job.id, &Work::Nothing).await);
        }
        self.note("end nothing", store.end_job(tenant, goods.dead, &Work::Nothing).await);
        self.note("confirmation", store.order_confirmation(tenant, goods.order.id).await);
        self.note("confirmation of another", store.order_confirmation(tenant, self.twins.ordered_id).await);
        self.note("events", store.events(tenant, 0, None, 50).await);
        self.note("last event", store.last_event(tenant).await);
        self.note("reorder point", store.set_reorder_point(tenant, goods.key, Some(2)).await);
        self.note("reorder point", store.reorder_point(tenant, goods.key).await);
    }

    async fn follow_hooks(&mut self, goods: &Goods) {
        let (store, tenant, endpoint) = (self.store.clone(), self.me.tenant, goods.endpoint);
        let new = NewEndpoint { url: "https://new.example".to_owned(), description: None, event_types: Vec::new() };
        self.note("new endpoint", store.create_webhook_endpoint(tenant, &new, &[1; 32]).await);
        self.note("endpoints", store.webhook_endpoints(tenant).await);
        self.note("endpoint", store.webhook_endpoint(tenant, endpoint).await);
        self.note("deliveries", store.webhook_deliveries((tenant, endpoint), None, None, 50).await);
        self.note("delivery", store.webhook_delivery((tenant, endpoint), goods.delivery).await);
        let sending = store.webhook_sending(tenant, goods.delivery).await;
        self.note("sending", sending.map(|found| found.map(|found| (found.url, found.secret.len(), found.message))));
        let attempt = |state, was_sent| Attempt {
            delivery: goods.delivery,
            endpoint,
            status: Some(500),
            error: Some("no".to_owned()),
            answer: None,
            state,
            was_sent,
            disables: None,
        };
        self.note("attempt", store.note_webhook_attempt(tenant, &attempt(DeliveryState::Pending, true)).await);
        self.note("success", store.note_webhook_attempt(tenant, &attempt(DeliveryState::Succeeded, true)).await);
        let again = store.apply(redelivery(tenant, endpoint, goods.delivery), None).await;
        self.note("redelivery", again);
        let patch = EndpointPatch { state: Some(EndpointState::Disabled), ..EndpointPatch::default() };
        let change = kv_store::webhooks::change(tenant, endpoint, &patch, &Expected::Any);
        self.note("change", store.apply(change, None).await);
        self.note("jobs after", store.jobs(tenant, None, None, 50).await);
        let deletion = kv_store::webhooks::deletion(tenant, endpoint, &Expected::Any);
        self.note("delete", store.apply(deletion, None).await);
    }
}
