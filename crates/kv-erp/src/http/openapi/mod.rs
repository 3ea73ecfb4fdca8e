//! The interface's description. It is made from the routes themselves, so a route cannot be missing from it.

mod examples;
mod freshness;
mod strict;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse;
use serde_json::json;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Required};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::access::{Needs, Who, rules};
use super::answers::{COMMON_STATUSES, problem_answers, problem_ref};
use super::problem::{FieldFault, ProblemBody};

const BEARER: &str = "bearer";
/// The token of whoever runs the platform.
const PLATFORM: &str = "platform";
/// The lowest role that may do an operation, and what a token with scopes needs besides: a scope; `none`; or to have no scopes.
const REQUIRED: &str = "x-required";
/// Operations whose body may be left out.
const OPTIONAL_BODY: [&str; 2] = ["confirm_reservation", "fulfill_order"];

/// Completes the description that the routers gave: title, the token, and the shape of errors.
pub(super) fn complete(routes: OpenApi) -> OpenApi {
    let info = InfoBuilder::new()
        .title("kv-erp")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Multi-tenant inventory and orders. Errors are RFC 9457 problems with a stable `code`. Every answer to a known \
             caller carries X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit-Policy and RateLimit. An \
             operation is for the role in x-required and those above it, and of a token with scopes for one that has the scope \
             there; whoever lacks either is answered 403.",
        ))
        .build();
    let mut api = OpenApiBuilder::new()
        .info(info)
        .security(Some([SecurityRequirement::new(BEARER, Vec::<String>::new())]))
        .build();
    api.merge(routes);
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.add_security_scheme(PLATFORM, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.schemas.insert("Problem".to_owned(), ProblemBody::schema());
    components.schemas.insert(FieldFault::name().into_owned(), FieldFault::schema());
    components.responses.extend(problem_answers());
    freshness::complete(&mut api);
    let components = api.components.get_or_insert_default();
    let mut operations: Vec<&mut Operation> = api.paths.paths.values_mut().flat_map(operations_of).collect();
    for operation in &mut operations {
        add_common_answers(operation);
        say_who_may(operation);
        strict::complete_parameters(operation);
        let may_leave_it_out = operation.operation_id.as_deref().is_some_and(|id| OPTIONAL_BODY.contains(&id));
        if let Some(RefOr::T(body)) = operation.request_body.as_mut().filter(|_| may_leave_it_out) {
            body.required = Some(Required::False);
        }
    }
    strict::complete(&operations, &mut components.schemas);
    for operation in operations {
        examples::complete(operation, &components.schemas);
    }
    api
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// Says what the table of access says of the operation.
fn say_who_may(operation: &mut Operation) {
    let rule = operation.operation_id.as_deref().and_then(rules::of);
    let Some(Who::Known { least, needs }) = rule.map(|rule| rule.who) else { return };
    let scope = match needs {
        Needs::Nothing => "none",
        Needs::Scope(scope) => scope.as_str(),
        Needs::WholeAccount => "a token without scopes",
    };
    // One member with both, because several would be written in no order.
    let required = json!({"role": least.as_str(), "scope": scope});
    operation.extensions.get_or_insert_default().insert(REQUIRED.to_owned(), required);
}

/// What any request with a token may meet. An operation that names its own security needs none.
fn add_common_answers(operation: &mut Operation) {
    if operation.security.is_none() {
        for status in COMMON_STATUSES {
            operation.responses.responses.entry(status.to_string()).or_insert_with(|| problem_ref(status));
        }
    }
}

/// The interface's description.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", security(()), responses(
    (status = 200, description = "OpenAPI 3.1.", body = serde_json::Value),
))]
pub(crate) async fn document(State(app): State<crate::app::App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], app.openapi())
}
