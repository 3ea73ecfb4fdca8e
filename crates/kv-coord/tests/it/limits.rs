//! The suite of the limits on all stores.

mod in_process {
    use kv_coord::RateLimiter;

    fn one_table() -> impl Fn() -> RateLimiter {
        let limiter = RateLimiter::in_process();
        move || limiter.clone()
    }

    kv_coord::rate_limit_conformance!(one_table());
}

mod redis {
    use crate::server;

    async fn shared() -> impl Fn() -> kv_coord::RateLimiter {
        let url = sandbox::testing::redis().await.url().to_owned();
        move || server::limiter(&url)
    }

    kv_coord::rate_limit_conformance!(shared().await);
}
