//! The suite of the queue on both back ends.

mod in_process {
    use kv_coord::JobQueue;
    use kv_coord::lock::Epoch;

    fn one_table() -> impl Fn() -> JobQueue {
        let queue = JobQueue::in_process(Epoch::new(1).expect("in range"));
        move || queue.clone()
    }

    kv_coord::queue_conformance!(one_table());
}

mod redis {
    use crate::server;

    async fn shared() -> impl Fn() -> kv_coord::JobQueue {
        let url = sandbox::testing::redis().await.url().to_owned();
        let tag = server::any_tag();
        move || server::queue(&url, Some(&tag))
    }

    kv_coord::queue_conformance!(shared().await);
}
