//! The parameters of lists, described from the same table that they are read by.

use kv_store::lists::{Kind, List, known};
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use crate::http::cursor::MAX_CHARACTERS;
use crate::http::query::{DEFAULT_LIMIT, MAX_LIMIT};

macro_rules! list_parameters {
    ($($name:ident = $list:ident;)+) => {$(
        /// What this list may be asked.
        #[derive(Debug)]
        pub struct $name;

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                parameters(&known::$list)
            }
        }
    )+};
}

list_parameters! {
    CustomersParameters = CUSTOMERS;
    ProductsParameters = PRODUCTS;
    WarehousesParameters = WAREHOUSES;
    StockLevelsParameters = STOCK_LEVELS;
    StockMovementsParameters = STOCK_MOVEMENTS;
    ReservationsParameters = RESERVATIONS;
    OrdersParameters = ORDERS;
    ReceiptsParameters = RECEIPTS;
    AdjustmentsParameters = ADJUSTMENTS;
    TransfersParameters = TRANSFERS;
    UsersParameters = USERS;
    ApiTokensParameters = API_TOKENS;
    AuditLogParameters = AUDIT_LOG;
}

fn parameters(list: &List) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = list
        .filters
        .iter()
        .map(|filter| parameter(filter.name, filter.about, filter.is_required, schema(filter.kind)))
        .collect();
    let limit = whole(1, MAX_LIMIT).default(Some(DEFAULT_LIMIT.into()));
    parameters.push(parameter("limit", "Rows of the page", false, limit));
    if !list.sorts.is_empty() {
        let about = "The order; a minus turns it round. Without it, rows come in the order in which they were made, and those of the audit log with the latest first";
        let names = list.sorts.iter().map(|sort| sort.name);
        parameters.push(parameter("sort", about, false, text().enum_values(Some(names))));
    }
    let about = "`exact`: how many rows there are on all pages is in `total`; this reads all of them";
    parameters.push(parameter("count", about, false, text().enum_values(Some(["exact"]))));
    let about = "The `next_cursor` of the page before; it holds for the same filters and the same sort alone";
    parameters.push(parameter("cursor", about, false, text().max_length(Some(MAX_CHARACTERS))));
    parameters
}

fn parameter(name: &str, about: &str, is_required: bool, schema: ObjectBuilder) -> Parameter {
    let schema: Object = schema.build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(if is_required { Required::True } else { Required::False })
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn schema(kind: Kind) -> ObjectBuilder {
    match kind {
        Kind::Text(max) | Kind::Search(max) => text().min_length(Some(1)).max_length(Some(max)),
        Kind::Word(words) => text().enum_values(Some(words.iter().copied())),
        Kind::Currency => text().pattern(Some("^[A-Z]{3}$")),
        Kind::Id => text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
        Kind::Boolean => ObjectBuilder::new().schema_type(Type::Boolean),
        Kind::Whole(min, max) => whole(min, max),
        Kind::Instant => text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn whole(min: i64, max: i64) -> ObjectBuilder {
    let format = Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
    ObjectBuilder::new().schema_type(Type::Integer).format(format).minimum(Some(min)).maximum(Some(max))
}
