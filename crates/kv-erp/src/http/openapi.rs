//! The interface's description. It is made from the routes themselves, so a route cannot be missing from it.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::Response;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::problem::{FieldFault, ProblemBody};

const BEARER: &str = "bearer";
/// Operations whose body may be left out.
const OPTIONAL_BODY: [&str; 2] = ["confirm_reservation", "fulfill_order"];

/// Completes the description that the routers gave: title, the token, and the shape of errors.
pub(super) fn complete(routes: OpenApi) -> OpenApi {
    let info = InfoBuilder::new()
        .title("kv-erp")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Multi-tenant inventory and orders. Errors are RFC 9457 problems with a stable `code`. Every answer to a known \
             caller carries X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit-Policy and RateLimit.",
        ))
        .build();
    let mut api = OpenApiBuilder::new()
        .info(info)
        .security(Some([SecurityRequirement::new(BEARER, Vec::<String>::new())]))
        .build();
    api.merge(routes);
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.schemas.insert("Problem".to_owned(), ProblemBody::schema());
    components.schemas.insert(FieldFault::name().into_owned(), FieldFault::schema());
    for item in api.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_common_answers(operation);
            let may_leave_it_out = operation.operation_id.as_deref().is_some_and(|id| OPTIONAL_BODY.contains(&id));
            if let Some(RefOr::T(body)) = operation.request_body.as_mut().filter(|_| may_leave_it_out) {
                body.required = Some(Required::False);
            }
        }
    }
    api
}

/// What any request with a token may meet. An operation that names its own security needs none.
fn add_common_answers(operation: &mut Operation) {
    if operation.security.is_some() {
        return;
    }
    for status in ["401", "429", "500", "503"] {
        let answer = || problem_answer(status);
        operation.responses.responses.entry(status.to_owned()).or_insert_with(answer);
    }
}

fn problem_answer(status: &str) -> RefOr<Response> {
    let text = match status {
        "401" => "No valid token",
        "429" => "Too many requests; see Retry-After",
        "500" => "A fault of the service",
        _ => "The service cannot do it now; see Retry-After",
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    RefOr::T(ResponseBuilder::new().description(text).content("application/problem+json", content).build())
}

/// The interface's description.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", security(()), responses(
    (status = 200, description = "OpenAPI 3.1.", body = serde_json::Value),
))]
pub(crate) async fn document(State(app): State<crate::app::App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], app.openapi())
}
