//! Logins: the password alone, a user of the access list, and a wrong one.

use kv_coord::RedisSettings;

use super::{all_work, patient, start, url};
use crate::server::Operator;

#[tokio::test]
async fn a_user_of_the_access_list_may_do_what_locks_limits_and_queue_need() {
    let redis = start().await;
    let mut operator = Operator::of(&url(&redis), 0);
    // Nothing but what docs/operations.md asks for.
    let rules = "ACL SETUSER kv on >se%cret:word ~* &* -@all +@read +@write +@scripting +@pubsub +@connection +@transaction +info +select +time";
    let words: Vec<&str> = rules.split(' ').collect();
    let _: () = operator.ask(&words);
    let login = url(&redis).replace("redis://:one-for-all@", "redis://kv:se%25cret%3Aword@");
    let settings = patient(&login);
    all_work(&settings).await;
    assert!(settings.look_for_faults().await.expect("it may ask").is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_a_clear_error_without_it() {
    let redis = start().await;
    let settings: RedisSettings = patient(&url(&redis).replace("one-for-all", "hunter2"));
    let error = settings.look_for_faults().await.expect_err("nobody is let in");
    let mut words = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        words.push_str(&next.to_string());
        cause = next.source();
    }
    assert!(!words.contains("hunter2") && words.contains("127.0.0.1"), "{words}");
}
