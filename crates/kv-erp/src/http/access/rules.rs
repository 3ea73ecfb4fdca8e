//! The table: for each operation who may do it. A new operation gets a line here.

use kv_store::access::{Role, Scope};

use Role::{Clerk, Manager, Owner, ReadOnly};

/// What a token with scopes needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Any token will do.
    Nothing,
    /// This scope.
    Scope(Scope),
    /// A token without scopes, or a session: with less than the account one could make oneself more than one has.
    WholeAccount,
}

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody, known or not.
    Anybody,
    /// Whoever has the platform's token.
    Platform,
    /// Accounts.
    Known {
        /// The lowest role.
        least: Role,
        /// What a token needs besides.
        needs: Needs,
    },
}

/// Who may do one operation.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id in the description.
    pub operation: &'static str,
    /// What kind of thing it is about, for the audit log.
    pub object: &'static str,
    /// Who may.
    pub who: Who,
}

/// The rule of an operation.
pub fn of(operation: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.operation == operation)
}

/// The lowest role that can do anything with a scope.
pub fn least_role(scope: Scope) -> Option<Role> {
    let roles = RULES.iter().filter_map(|rule| match rule.who {
        Who::Known { least, needs } if needs == Needs::Scope(scope) => Some(least),
        _ => None,
    });
    roles.min()
}

const fn open(operation: &'static str, object: &'static str) -> Rule {
    Rule { operation, object, who: Who::Anybody }
}

const fn platform(operation: &'static str) -> Rule {
    Rule { operation, object: "tenant", who: Who::Platform }
}

const fn known(operation: &'static str, object: &'static str, (least, needs): (Role, Needs)) -> Rule {
    Rule { operation, object, who: Who::Known { least, needs } }
}

const fn by(least: Role, scope: Scope) -> (Role, Needs) {
    (least, Needs::Scope(scope))
}

const ANY_TOKEN: (Role, Needs) = (ReadOnly, Needs::Nothing);
const OWN_ACCOUNT: (Role, Needs) = (ReadOnly, Needs::WholeAccount);
const ACCOUNTS: (Role, Needs) = (Owner, Needs::WholeAccount);

/// Every operation, by subject.
pub const RULES: &[Rule] = &[
    open("healthz", "service"),
    open("readyz", "service"),
    open("metrics", "service"),
    open("document", "service"),
    open("login", "user"),
    known("logout", "user", ANY_TOKEN),
    known("me", "user", ANY_TOKEN),
    known("change_password", "user", OWN_ACCOUNT),
    known("list_users", "user", by(Owner, Scope::UsersRead)),
    known("get_user", "user", by(Owner, Scope::UsersRead)),
    known("create_user", "user", ACCOUNTS),
    known("replace_user", "user", ACCOUNTS),
    known("deactivate_user", "user", ACCOUNTS),
    known("reset_password", "user", ACCOUNTS),
    known("list_api_tokens", "api_token", by(ReadOnly, Scope::TokensRead)),
    known("create_api_token", "api_token", by(ReadOnly, Scope::TokensWrite)),
    known("revoke_api_token", "api_token", by(ReadOnly, Scope::TokensWrite)),
    known("list_audit_log", "audit_entry", by(Owner, Scope::AuditRead)),
    platform("list_tenants"),
    platform("create_tenant"),
    platform("suspend_tenant"),
    platform("resume_tenant"),
    known("list_customers", "customer", by(ReadOnly, Scope::CustomersRead)),
    known("get_customer", "customer", by(ReadOnly, Scope::CustomersRead)),
    known("create_customer", "customer", by(Clerk, Scope::CustomersWrite)),
    known("change_customer", "customer", by(Clerk, Scope::CustomersWrite)),
    known("delete_customer", "customer", by(Clerk, Scope::CustomersWrite)),
    known("create_customers", "customer", by(Manager, Scope::CustomersWrite)),
    known("list_products", "product", by(ReadOnly, Scope::ProductsRead)),
    known("get_product", "product", by(ReadOnly, Scope::ProductsRead)),
    known("create_product", "product", by(Manager, Scope::ProductsWrite)),
    known("change_product", "product", by(Manager, Scope::ProductsWrite)),
    known("delete_product", "product", by(Manager, Scope::ProductsWrite)),
    known("create_products", "product", by(Manager, Scope::ProductsWrite)),
    known("list_warehouses", "warehouse", by(ReadOnly, Scope::WarehousesRead)),
    known("get_warehouse", "warehouse", by(ReadOnly, Scope::WarehousesRead)),
    known("create_warehouse", "warehouse", by(Manager, Scope::WarehousesWrite)),
    known("change_warehouse", "warehouse", by(Manager, Scope::WarehousesWrite)),
    known("delete_warehouse", "warehouse", by(Manager, Scope::WarehousesWrite)),
    known("create_warehouses", "warehouse", by(Manager, Scope::WarehousesWrite)),
    known("list_stock_levels", "stock_level", by(ReadOnly, Scope::StockRead)),
    known("get_stock_level", "stock_level", by(ReadOnly, Scope::StockRead)),
    known("limit_backorders", "stock_level", by(Manager, Scope::StockWrite)),
    known("list_stock_movements", "stock_movement", by(ReadOnly, Scope::StockRead)),
    known("list_stock_receipts", "stock_receipt", by(ReadOnly, Scope::StockRead)),
    known("get_stock_receipt", "stock_receipt", by(ReadOnly, Scope::StockRead)),
    known("receive_stock", "stock_receipt", by(Clerk, Scope::StockWrite)),
    known("receive_stocks", "stock_receipt", by(Manager, Scope::StockWrite)),
    known("list_stock_adjustments", "stock_adjustment", by(ReadOnly, Scope::StockRead)),
    known("get_stock_adjustment", "stock_adjustment", by(ReadOnly, Scope::StockRead)),
    known("adjust_stock", "stock_adjustment", by(Clerk, Scope::StockWrite)),
    known("adjust_stocks", "stock_adjustment", by(Manager, Scope::StockWrite)),
    known("list_stock_transfers", "stock_transfer", by(ReadOnly, Scope::StockRead)),
    known("get_stock_transfer", "stock_transfer", by(ReadOnly, Scope::StockRead)),
    known("transfer_stock", "stock_transfer", by(Clerk, Scope::StockWrite)),
    known("list_reservations", "reservation", by(ReadOnly, Scope::StockRead)),
    known("get_reservation", "reservation", by(ReadOnly, Scope::StockRead)),
    known("create_reservation", "reservation", by(Clerk, Scope::StockWrite)),
    known("create_reservations", "reservation", by(Manager, Scope::StockWrite)),
    known("confirm_reservation", "reservation", by(Clerk, Scope::StockWrite)),
    known("extend_reservation", "reservation", by(Clerk, Scope::StockWrite)),
    known("release_reservation", "reservation", by(Clerk, Scope::StockWrite)),
    known("list_orders", "order", by(ReadOnly, Scope::OrdersRead)),
    known("get_order", "order", by(ReadOnly, Scope::OrdersRead)),
    known("get_order_confirmation", "order", by(ReadOnly, Scope::OrdersRead)),
    known("place_order", "order", by(Clerk, Scope::OrdersWrite)),
    known("place_orders", "order", by(Manager, Scope::OrdersWrite)),
    known("confirm_order", "order", by(Clerk, Scope::OrdersWrite)),
    known("fulfill_order", "order", by(Clerk, Scope::OrdersWrite)),
    known("return_order", "order", by(Clerk, Scope::OrdersWrite)),
    known("close_order", "order", by(Clerk, Scope::OrdersWrite)),
    known("cancel_order", "order", by(Clerk, Scope::OrdersWrite)),
    known("prove_invariants", "ledger", by(Manager, Scope::StockRead)),
    known("export", "export", by(ReadOnly, Scope::ExportsRead)),
    known("create_export_file", "export_file", by(Clerk, Scope::ExportsRead)),
    known("get_export_file", "export_file", by(ReadOnly, Scope::ExportsRead)),
    known("get_export_file_content", "export_file", by(ReadOnly, Scope::ExportsRead)),
    known("get_import", "import", by(ReadOnly, Scope::ImportsRead)),
    known("list_import_rejections", "import", by(ReadOnly, Scope::ImportsRead)),
    known("create_import", "import", by(Manager, Scope::ImportsWrite)),
    known("upload_import", "import", by(Manager, Scope::ImportsWrite)),
    known("get_reorder_point", "stock_level", by(ReadOnly, Scope::StockRead)),
    known("set_reorder_point", "stock_level", by(Manager, Scope::StockWrite)),
    known("list_events", "event", by(ReadOnly, Scope::EventsRead)),
    known("list_webhook_endpoints", "webhook_endpoint", by(Manager, Scope::WebhooksRead)),
    known("get_webhook_endpoint", "webhook_endpoint", by(Manager, Scope::WebhooksRead)),
    known("create_webhook_endpoint", "webhook_endpoint", by(Manager, Scope::WebhooksWrite)),
    known("change_webhook_endpoint", "webhook_endpoint", by(Manager, Scope::WebhooksWrite)),
    known("delete_webhook_endpoint", "webhook_endpoint", by(Manager, Scope::WebhooksWrite)),
    known("list_webhook_deliveries", "webhook_delivery", by(Manager, Scope::WebhooksRead)),
    known("redeliver_webhook", "webhook_delivery", by(Manager, Scope::WebhooksWrite)),
    known("list_jobs", "job", by(Manager, Scope::JobsRead)),
    known("get_job", "job", by(Manager, Scope::JobsRead)),
    known("replay_job", "job", by(Manager, Scope::JobsWrite)),
    known("get_lock", "lock", by(ReadOnly, Scope::LocksRead)),
    known("acquire_lock", "lock", by(Clerk, Scope::LocksWrite)),
    known("renew_lock", "lock", by(Clerk, Scope::LocksWrite)),
    known("release_lock", "lock", by(Clerk, Scope::LocksWrite)),
    known("get_idempotency_key", "idempotency_key", by(ReadOnly, Scope::KeysRead)),
    known("void_idempotency_key", "idempotency_key", by(Clerk, Scope::KeysWrite)),
];
