//! Statements and their register. A statement stands beside the one function that runs it and in its module's list, so that a
//! test can prepare every one of them against the migrated schema: what a compile-time check would have caught, without a
//! database at build time.

/// One SQL statement with a name for logs, metrics and the golden file.
#[derive(Debug)]
pub struct Statement {
    /// The constant's name.
    pub name: &'static str,
    /// The SQL text; parameters are `$1..`.
    pub text: &'static str,
}

impl Statement {
    /// What PostgreSQL is asked to prepare.
    pub(crate) fn sql(&self) -> &'static str {
        #[cfg(feature = "wrong-strategies")]
        return crate::wrong::text(self);
        #[cfg(not(feature = "wrong-strategies"))]
        self.text
    }

    /// Whether it may change anything.
    pub fn writes(&self) -> bool {
        !self.text.starts_with("select ")
    }
}

/// Declares statements as constants and `STATEMENTS`, the module's list of them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)+) => {
        $($(#[$doc])* pub(crate) const $name: $crate::statement::Statement =
            $crate::statement::Statement { name: stringify!($name), text: $text };)+
        /// Every statement of this module.
        pub(crate) const STATEMENTS: &[&$crate::statement::Statement] = &[$(&$name),+];
    };
}
pub(crate) use statements;

/// Every statement that the service may send while it runs.
pub fn all() -> impl Iterator<Item = &'static Statement> {
    [
        crate::access::STATEMENTS,
        crate::access::tenants::STATEMENTS,
        crate::access::tokens::STATEMENTS,
        crate::access::users::STATEMENTS,
        crate::audit_log::STATEMENTS,
        crate::catalogue::bulk::STATEMENTS,
        crate::catalogue::customers::STATEMENTS,
        crate::catalogue::products::STATEMENTS,
        crate::catalogue::warehouses::STATEMENTS,
        crate::events::STATEMENTS,
        crate::exports::STATEMENTS,
        crate::exports::files::STATEMENTS,
        crate::files::STATEMENTS,
        crate::idempotency::table::STATEMENTS,
        crate::imports::STATEMENTS,
        crate::imports::receipts::STATEMENTS,
        crate::imports::waiting::STATEMENTS,
        crate::jobs::STATEMENTS,
        crate::jobs::bell::STATEMENTS,
        crate::jobs::effect::STATEMENTS,
        crate::jobs::relay::STATEMENTS,
        crate::lists::search::STATEMENTS,
        crate::orders::STATEMENTS,
        crate::replicas::STATEMENTS,
        crate::stock::audit::STATEMENTS,
        crate::stock::read::STATEMENTS,
        crate::stock::batch::STATEMENTS,
        crate::stock::connection::STATEMENTS,
        crate::stock::documents::STATEMENTS,
        crate::stock::due::STATEMENTS,
        crate::stock::fate::STATEMENTS,
        crate::stock::holdings::STATEMENTS,
        crate::stock::load::STATEMENTS,
        crate::stock::locks::STATEMENTS,
        crate::stock::read_documents::STATEMENTS,
        crate::stock::reorder::STATEMENTS,
        crate::stock::signals::STATEMENTS,
        crate::webhooks::STATEMENTS,
        crate::webhooks::deliveries::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
