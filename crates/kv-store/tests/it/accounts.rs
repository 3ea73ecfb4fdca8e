//! Looking up accounts, and what is said of one that does not read as this program writes them.

use kv_store::StoreError;

use crate::support::House;

#[tokio::test]
async fn an_account_that_this_program_did_not_write_is_an_error() {
    let house = House::new().await;
    let email = "clerk@one.example";
    assert!(house.store.find_login(email).await.unwrap().is_some());
    let superuser = house.database.connect().await.unwrap();
    let damages = [
        ("alter table users drop constraint users_role_check; update users set role = 'emperor'", "an account's role"),
        (
            "set session_replication_role = replica;
             insert into tenants (id, slug, name) overriding system value select -id, slug || '-', name from tenants;
             update users set role = 'owner', tenant_id = -tenant_id",
            "an account's tenant",
        ),
    ];
    for (damage, expected) in damages {
        superuser.batch_execute(damage).await.unwrap();
        let error = house.store.find_login(email).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(what) if what == expected), "{damage}: {error:?}");
    }
}
