//! The lists of the service.

use super::{Direction, Filter, Key, Kind, List, Part, Sort};
use crate::lists::search::{FIND_CUSTOMERS, FIND_PRODUCTS, FIND_WAREHOUSES};

/// Most characters of a code, a SKU or a unit.
const CODE: Kind = Kind::Text(64);
/// Most characters of an e-mail address.
const EMAIL: Kind = Kind::Text(254);
/// Most characters of a caller's own reference.
const REFERENCE: Kind = Kind::Text(200);
/// Most characters of a search.
const SEARCH: Kind = Kind::Search(100);
const UNITS: Kind = Kind::Whole(-1_000_000_000_000, 1_000_000_000_000);
const ORDER_STATUS: Kind =
    Kind::Word(&["pending", "confirmed", "partially_fulfilled", "fulfilled", "cancelled", "expired"]);
const RESERVATION_STATUS: Kind = Kind::Word(&["pending", "fulfilled", "released", "expired"]);
const MOVEMENT_KIND: Kind = Kind::Word(&[
    "received",
    "adjusted",
    "reserved",
    "released",
    "expired",
    "shipped",
    "returned",
    "transferred_out",
    "transferred_in",
]);

const fn filter(name: &'static str, kind: Kind, sql: &'static str, about: &'static str) -> Filter {
    Filter { name, about, kind, is_required: false, sql }
}

const fn required(name: &'static str, kind: Kind, sql: &'static str, about: &'static str) -> Filter {
    Filter { name, about, kind, is_required: true, sql }
}

const fn key(column: &'static str, kind: Kind) -> Key {
    Key { column, kind }
}

const fn up(name: &'static str, keys: &'static [Key]) -> Sort {
    Sort { name, keys, direction: Direction::Up }
}

const fn down(name: &'static str, keys: &'static [Key]) -> Sort {
    Sort { name, keys, direction: Direction::Down }
}

const ID: Key = key("id", Kind::Id);
const BY_ID: &[Key] = &[ID];
const BY_CREATED: &[Key] = &[key("created_at", Kind::Instant), ID];
const BY_NAME: &[Key] = &[key("name", Kind::Text(200)), ID];
// Unique within a tenant.
const BY_CODE: &[Key] = &[key("code", CODE)];
const BY_SKU: &[Key] = &[key("sku", CODE)];
const BY_NUMBER: &[Key] = &[key("number", Kind::Whole(0, i64::MAX))];
const BY_PRIORITY: &[Key] = &[key("priority", Kind::Whole(0, i32::MAX as i64)), ID];
const BY_TOTAL: &[Key] = &[key("total_minor", Kind::Whole(0, i64::MAX)), ID];

/// In the order of the ids, which is that of the making.
static MADE: Sort = up("", BY_ID);
/// By the time of the making.
static NEWEST: [Sort; 2] = [up("created_at", BY_CREATED), down("-created_at", BY_CREATED)];

const CREATED_FROM: &str = "Only what was made at this time or later";
const CREATED_TO: &str = "Only what was made before this time";

/// Every list.
pub static ALL: [&List; 13] = [
    &CUSTOMERS,
    &PRODUCTS,
    &WAREHOUSES,
    &STOCK_LEVELS,
    &STOCK_MOVEMENTS,
    &RESERVATIONS,
    &ORDERS,
    &RECEIPTS,
    &ADJUSTMENTS,
    &TRANSFERS,
    &USERS,
    &API_TOKENS,
    &AUDIT_LOG,
];

/// Customers.
pub static CUSTOMERS: List = List {
    name: "customers",
    table: "customers",
    columns: "id, code, name, email, phone, version, created_at, updated_at",
    always: None,
    parts: &[],
    search: Some(&FIND_CUSTOMERS),
    filters: &[
        filter(
            "q",
            SEARCH,
            "lower(code || E'\\n' || name || E'\\n' || coalesce(email, '')) like lower(?)",
            "Only those with this text in code, name or e-mail address, in any case of letters",
        ),
        filter("code", CODE, "code = ?", "Only the one with exactly this code"),
        filter("email", EMAIL, "email = ?", "Only those with exactly this address"),
        filter("created_from", Kind::Instant, "created_at >= ?", CREATED_FROM),
        filter("created_to", Kind::Instant, "created_at < ?", CREATED_TO),
    ],
    default: &MADE,
    sorts: &[
        up("created_at", BY_CREATED),
        down("-created_at", BY_CREATED),
        up("name", BY_NAME),
        down("-name", BY_NAME),
        up("code", BY_CODE),
        down("-code", BY_CODE),
    ],
    plain: &[],
};

/// Products.
pub static PRODUCTS: List = List {
    name: "products",
    table: "products",
    columns: "id, sku, name, description, uom, price_minor, currency, active, version, created_at, updated_at",
    always: None,
    parts: &[],
    search: Some(&FIND_PRODUCTS),
    filters: &[
        filter(
            "q",
            SEARCH,
            "lower(sku || E'\\n' || name) like lower(?)",
            "Only those with this text in SKU or name, in any case of letters",
        ),
        filter("sku", CODE, "sku = ?", "Only the one with exactly this SKU"),
        filter("active", Kind::Boolean, "active = ?", "Only those that may be ordered, or only those that may not"),
        filter("currency", Kind::Currency, "currency = ?", "Only those with a price in this currency"),
        filter("created_from", Kind::Instant, "created_at >= ?", CREATED_FROM),
        filter("created_to", Kind::Instant, "created_at < ?", CREATED_TO),
    ],
    default: &MADE,
    sorts: &[
        up("created_at", BY_CREATED),
        down("-created_at", BY_CREATED),
        up("name", BY_NAME),
        down("-name", BY_NAME),
        up("sku", BY_SKU),
        down("-sku", BY_SKU),
    ],
    plain: &[],
};

/// Warehouses.
pub static WAREHOUSES: List = List {
    name: "warehouses",
    table: "warehouses",
    columns: "id, code, name, priority, active, version, created_at, updated_at",
    always: None,
    parts: &[],
    search: Some(&FIND_WAREHOUSES),
    filters: &[
        filter(
            "q",
            SEARCH,
            "lower(code || E'\\n' || name) like lower(?)",
            "Only those with this text in code or name, in any case of letters",
        ),
        filter("code", CODE, "code = ?", "Only the one with exactly this code"),
        filter("active", Kind::Boolean, "active = ?", "Only those from which stock may be taken, or only the others"),
    ],
    default: &MADE,
    sorts: &[
        up("created_at", BY_CREATED),
        down("-created_at", BY_CREATED),
        up("priority", BY_PRIORITY),
        down("-priority", BY_PRIORITY),
        up("name", BY_NAME),
        down("-name", BY_NAME),
        up("code", BY_CODE),
        down("-code", BY_CODE),
    ],
    plain: &[],
};

static BY_LEVEL: Sort = up("", &[key("product_id", Kind::Id), key("warehouse_id", Kind::Id)]);

/// Stock levels.
pub static STOCK_LEVELS: List = List {
    name: "stock-levels",
    table: "stock_levels",
    columns: "product_id, warehouse_id, quantity, reserved_quantity, shipped_quantity, received_quantity, version, \
              updated_at, backorder_limit",
    always: None,
    parts: &[],
    search: None,
    filters: &[
        filter("product_id", Kind::Id, "product_id = ?", "Only this product's"),
        filter("warehouse_id", Kind::Id, "warehouse_id = ?", "Only this warehouse's"),
        filter("below", UNITS, "quantity < ?", "Only those with fewer available units than this"),
    ],
    default: &BY_LEVEL,
    sorts: &[],
    plain: &["product_id", "warehouse_id"],
};

static BY_VERSION: Sort = up("", &[key("version", Kind::Whole(0, i64::MAX))]);

/// The movements of one level.
pub static STOCK_MOVEMENTS: List = List {
    name: "stock-movements",
    table: "stock_movements",
    columns: "version, kind, d_quantity, d_reserved, d_shipped, d_received, quantity_after, reserved_after, \
              reservation_id, order_id, receipt_id, adjustment_id, transfer_id, reason, created_at",
    always: None,
    parts: &[],
    search: None,
    filters: &[
        required("product_id", Kind::Id, "product_id = ?", "What moved"),
        required("warehouse_id", Kind::Id, "warehouse_id = ?", "Where it moved"),
        filter("after", Kind::Whole(0, i64::MAX), "version > ?", "The last version already seen"),
        filter("kind", MOVEMENT_KIND, "kind = ?", "Only those of this kind"),
        filter("order_id", Kind::Id, "order_id = ?", "Only those of this order"),
        filter("reservation_id", Kind::Id, "reservation_id = ?", "Only those of this reservation"),
    ],
    default: &BY_VERSION,
    sorts: &[],
    plain: &["product_id", "warehouse_id", "after"],
};

/// Reservations. Each has a first line, which stands for it here.
pub static RESERVATIONS: List = List {
    name: "reservations",
    table: "reservations",
    columns: "id",
    always: Some("line = 1"),
    parts: &[Part {
        columns: "r.id, r.status, r.order_id, r.reference, r.created_at, r.product_id, r.warehouse_id, r.quantity, \
                  r.fulfilled_quantity, r.level_version, r.expires_at, r.returned_quantity, r.last_version",
        join: "reservations r on r.tenant_id = $1 and r.id = h.id",
        order: "1, 6, 7",
    }],
    search: None,
    filters: &[
        filter("status", RESERVATION_STATUS, "status = ?", "Only those in this state"),
        filter("order_id", Kind::Id, "order_id = ?", "Only that of this order"),
        filter("reference", REFERENCE, "reference = ?", "Only those with exactly this reference"),
        filter("created_from", Kind::Instant, "created_at >= ?", CREATED_FROM),
        filter("created_to", Kind::Instant, "created_at < ?", CREATED_TO),
    ],
    default: &MADE,
    sorts: &NEWEST,
    plain: &[],
};

/// Orders.
pub static ORDERS: List = List {
    name: "orders",
    table: "orders",
    columns: "id, number, customer_id, status, currency, total_minor, reference, version, created_at",
    always: None,
    parts: &[
        Part {
            columns: "i.order_id, i.product_id, i.quantity, i.unit_price_minor",
            join: "order_items i on i.tenant_id = $1 and i.order_id = h.id",
            order: "i.order_id, i.line",
        },
        Part {
            columns: "r.id, r.status, r.order_id, r.reference, r.created_at, r.product_id, r.warehouse_id, r.quantity, \
                      r.fulfilled_quantity, r.level_version, r.expires_at, r.returned_quantity, r.last_version",
            join: "reservations r on r.tenant_id = $1 and r.order_id = h.id",
            order: "1, 6, 7",
        },
    ],
    search: None,
    filters: &[
        filter("status", ORDER_STATUS, "status = ?", "Only those in this state"),
        filter("customer_id", Kind::Id, "customer_id = ?", "Only this customer's"),
        filter("reference", REFERENCE, "reference = ?", "Only those with exactly this reference"),
        filter("number", Kind::Whole(1, i64::MAX), "number = ?", "Only the one with this number"),
        filter("from", Kind::Instant, "created_at >= ?", CREATED_FROM),
        filter("to", Kind::Instant, "created_at < ?", CREATED_TO),
    ],
    default: &MADE,
    sorts: &[
        up("created_at", BY_CREATED),
        down("-created_at", BY_CREATED),
        up("number", BY_NUMBER),
        down("-number", BY_NUMBER),
        up("total", BY_TOTAL),
        down("-total", BY_TOTAL),
    ],
    plain: &[],
};

/// What a document booked. What comes in stands behind what goes out.
static LINES: [Part; 1] = [Part {
    columns: "h.id, m.product_id, m.warehouse_id, m.d_received, m.quantity_after, m.version",
    join: "stock_movements m on m.tenant_id = $1 and coalesce(m.receipt_id, m.adjustment_id, m.transfer_id) = h.id",
    order: "1, m.document_line, m.kind desc, m.created_at, m.product_id, m.warehouse_id, m.version",
}];

static OF_DOCUMENTS: [Filter; 3] = [
    filter("from", Kind::Instant, "created_at >= ?", CREATED_FROM),
    filter("to", Kind::Instant, "created_at < ?", CREATED_TO),
    filter("reference", REFERENCE, "reference = ?", "Only those with exactly this reference"),
];

/// A list of documents, which are filtered and sorted alike.
const fn documents(name: &'static str, table: &'static str, columns: &'static str) -> List {
    List {
        name,
        table,
        columns,
        always: None,
        parts: &LINES,
        search: None,
        filters: &OF_DOCUMENTS,
        default: &MADE,
        sorts: &NEWEST,
        plain: &[],
    }
}

/// Receipts.
pub static RECEIPTS: List = documents("stock-receipts", "receipts", "id, reference, created_at");

/// Adjustments.
pub static ADJUSTMENTS: List = documents("stock-adjustments", "adjustments", "id, reference, created_at, reason");

/// Transfers.
pub static TRANSFERS: List =
    documents("stock-transfers", "transfers", "id, reference, created_at, from_warehouse_id, to_warehouse_id");

const ROLE: Kind = Kind::Word(&["owner", "manager", "clerk", "read_only"]);
const BY_EMAIL: &[Key] = &[key("email", EMAIL), ID];

/// Accounts.
pub static USERS: List = List {
    name: "users",
    table: "users",
    columns: "id, email, name, role, active, rate_limit_per_minute, version, created_at, updated_at",
    always: None,
    parts: &[],
    search: None,
    filters: &[
        filter(
            "email",
            EMAIL,
            "email_key = lower(normalize(?, nfkc))",
            "Only the one with this address, in any case of letters",
        ),
        filter("role", ROLE, "role = ?", "Only those with this role"),
        filter("active", Kind::Boolean, "active = ?", "Only those that may come in, or only the others"),
    ],
    default: &MADE,
    sorts: &[
        up("created_at", BY_CREATED),
        down("-created_at", BY_CREATED),
        up("email", BY_EMAIL),
        down("-email", BY_EMAIL),
    ],
    plain: &[],
};

/// API tokens that were not revoked.
pub static API_TOKENS: List = List {
    name: "api-tokens",
    table: "api_tokens",
    columns: "id, user_id, name, hint, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at",
    always: Some("kind = 'api' and revoked_at is null"),
    parts: &[],
    search: None,
    filters: &[filter("user_id", Kind::Id, "user_id = ?", "Only this account's")],
    default: &MADE,
    sorts: &NEWEST,
    plain: &[],
};

/// The newest first: that is what one looks for in a log.
static LATEST: Sort = down("", BY_ID);

/// The audit log.
pub static AUDIT_LOG: List = List {
    name: "audit-log",
    table: "audit_log",
    columns: "id, at, actor_id, token_id, operation, outcome, object_type, object_id, request_id, address",
    always: None,
    parts: &[],
    search: None,
    filters: &[
        filter("actor_id", Kind::Id, "actor_id = ?", "Only what this account did"),
        filter("token_id", Kind::Id, "token_id = ?", "Only what was done with this API token"),
        filter("operation", CODE, "operation = ?", "Only this operation, by its id in this description"),
        filter(
            "outcome",
            Kind::Word(&["done", "refused"]),
            "outcome = ?",
            "Only what was done, or only what was refused",
        ),
        filter("object_type", CODE, "object_type = ?", "Only what was done to things of this kind"),
        filter("object_id", Kind::Text(255), "object_id = ?", "Only what was done to the thing with this id"),
        filter("request_id", Kind::Text(128), "request_id = ?", "Only what was done for this request"),
        filter("from", Kind::Instant, "at >= ?", "Only what was done at this time or later"),
        filter("to", Kind::Instant, "at < ?", "Only what was done before this time"),
    ],
    default: &LATEST,
    sorts: &[up("at", BY_ID), down("-at", BY_ID)],
    plain: &[],
};
