//! What owners do with accounts and tokens, and what is noted of it.

use kv_store::access::tenants::{NewTenant, TenantStatus};
use kv_store::access::tokens::{self, Reach};
use kv_store::access::{Grant, Role, TokenHash, users};
use kv_store::audit_log::follow;
use kv_store::catalogue::customers;
use kv_types::access::UserChange;
use kv_types::{Expected, UserId};

use super::repertoire::{Told, customer};
use crate::isolation::{new_token, new_user, trail_of};
use crate::support::Account;

fn change(email: &str, role: Role, name: &str) -> UserChange {
    UserChange { email: email.to_owned(), name: Some(name.to_owned()), role, active: true, rate_limit_per_minute: None }
}

impl Told<'_> {
    /// The second tenant has a twin of each account and token, and owners that the first one has not.
    pub(super) async fn manage_access(&mut self) {
        let (store, Account { tenant, user }) = (self.store.clone(), self.me);
        let (own, foreign, stranger) = (self.twins.own.member, self.twins.foreign.member, self.twins.two.user);
        let by = (tenant, user);
        for id in [user, own, foreign, stranger] {
            self.note("user", store.user(tenant, id).await);
        }
        self.note("new user", store.apply(users::creation(tenant, user, new_user("new@1.example")), None).await);
        let by_stranger = users::creation(tenant, stranger, new_user("newer@1.example"));
        self.note("new user by another's owner", store.apply(by_stranger, None).await);
        self.note("resign", store.deactivate_user(by, user, Expected::Any).await);
        let me = change("clerk@one.example", Role::Owner, "changed");
        self.note("change oneself", store.change_user(by, user, me, Expected::Any).await);
        for id in [own, foreign] {
            let other = change(&format!("{id}@1.example"), Role::Manager, "changed");
            self.note("change user", store.change_user(by, id, other, Expected::Any).await);
            self.note("reset password", store.reset_password(by, id, "hash".to_owned()).await);
        }
        let kept = TokenHash::of("kept");
        self.note("password", store.change_password(tenant, user, "hash".to_owned(), kept).await);
        self.manage_tokens(own).await;
        for id in [own, foreign] {
            self.note("deactivate user", store.deactivate_user(by, id, Expected::Any).await);
        }
        let made =
            follow(trail_of(user, None), store.apply(customers::creation(tenant, &customer("noted")), None)).await;
        self.note("noted", made);
        let entry = trail_of(user, None).refused();
        self.note("note", store.note(tenant, &[entry]).await);
        self.found_tenant().await;
    }

    async fn manage_tokens(&mut self, member: UserId) {
        let (store, tenant) = (self.store.clone(), self.me.tenant);
        let (own, foreign) = (self.twins.own.api_token, self.twins.foreign.api_token);
        for (secret, maker) in [("plain", None), ("by own", Some(own)), ("by another's", Some(foreign))] {
            let by = Grant { api_token: maker, ..Grant::default() };
            self.note(secret, store.apply(tokens::creation(tenant, member, &by, new_token(secret)), None).await);
        }
        for id in [own, foreign] {
            self.note("touch", store.touch_token(tenant, id).await);
            let revoked = store.revoke_api_token(tenant, id, Reach::default()).await;
            self.note("revoke", revoked.map(|revoked| revoked.map(|tokens| tokens.len())));
        }
    }

    /// A tenant of its own, with another name each time, because what makes one takes none back.
    async fn found_tenant(&mut self) {
        let store = self.store.clone();
        let new = NewTenant {
            slug: uuid::Uuid::now_v7().to_string(),
            name: "New".to_owned(),
            owner_email: "owner@new.example".to_owned(),
            owner_name: None,
            password_hash: "-".to_owned(),
        };
        let made = store.create_tenant(new).await.map(drop);
        self.note("new tenant", made);
        self.note("tenants", store.tenants(0, 1).await);
        self.note("go on", store.set_tenant_status(self.me.tenant, TenantStatus::Active).await);
    }
}
