//! The suite of the locks on both back ends.

mod in_process {
    use kv_coord::LockService;
    use kv_coord::lock::Epoch;

    fn one_table() -> impl Fn() -> LockService {
        let locks = LockService::in_process(Epoch::new(1).expect("in range"));
        move || locks.clone()
    }

    kv_coord::lock_conformance!(one_table());
}

mod redis {
    use crate::server;

    async fn shared() -> impl Fn() -> kv_coord::LockService {
        let url = sandbox::testing::redis().await.url().to_owned();
        move || server::locks(&url)
    }

    kv_coord::lock_conformance!(shared().await);
}
