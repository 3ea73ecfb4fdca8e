//! `/docs`: the interface's description as a page to read and to try. The page is Swagger UI, carried in the binary; it loads
//! nothing from elsewhere, and the policy it is sent with does not let it.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa_swagger_ui::Config;

use super::faults;
use super::problem::Problem;
use crate::app::App;

/// Scripts and styles of this service only; the page sets the styles of its elements itself.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'",
);

static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(Config::from("/openapi.json").try_it_out_enabled(true).persist_authorization(true).display_request_duration(true))
});

/// The page and what it is made of.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(|| async { file("index.html") }))
        .route("/docs/{file}", get(|Path(name): Path<String>| async move { file(&name) }))
}

fn file(name: &str) -> Response {
    match utoipa_swagger_ui::serve(name, Arc::clone(&PAGE)) {
        Ok(Some(file)) => {
            let kind = HeaderValue::try_from(file.content_type).unwrap_or(HeaderValue::from_static("text/plain"));
            let cache = HeaderValue::from_static("max-age=3600");
            let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, cache), (CONTENT_SECURITY_POLICY, POLICY)];
            (headers, Body::from(file.bytes.into_owned())).into_response()
        }
        Ok(None) => Problem::not_found("page").into_response(),
        Err(error) => {
            tracing::error!(%error, name, "a file of the documentation page cannot be made");
            faults::internal().into_response()
        }
    }
}
