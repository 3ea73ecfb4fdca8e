//! A caller who changes something. Whether it may was decided by [`super::access`] before any handler runs.

use axum::extract::FromRequestParts;
use axum::http::header::{HeaderMap, HeaderName};
use axum::http::request::Parts;
use kv_coord::Resource;
use kv_store::stock::FenceClaim;
use kv_types::{TenantId, UserId};

use super::ctx::Ctx;
use super::problem::{FieldFault, Problem};
use crate::app::App;

/// The header with which a write of stock says under which lock it is done: `RESOURCE=NUMBER`.
pub const X_LOCK_FENCE: HeaderName = HeaderName::from_static("x-lock-fence");

/// The authenticated caller of a request that changes something.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// Whose data may be changed.
    pub tenant: TenantId,
    /// Who acts.
    pub user: UserId,
}

impl FromRequestParts<App> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let ctx = Ctx::from_request_parts(parts, app).await?;
        Ok(Self { tenant: ctx.tenant, user: ctx.user })
    }
}

/// The lock under which the caller writes, if it names one.
#[derive(Clone, Debug)]
pub struct Fence(pub Option<FenceClaim>);

impl<S: Send + Sync> FromRequestParts<S> for Fence {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read_fence(&parts.headers).map(Self)
    }
}

fn read_fence(headers: &HeaderMap) -> Result<Option<FenceClaim>, Problem> {
    let mut given = headers.get_all(X_LOCK_FENCE).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let claim = value.to_str().ok().filter(|_| given.next().is_none()).and_then(parse_fence);
    claim.map(Some).ok_or_else(|| {
        let detail =
            "The header X-Lock-Fence must be given once, as RESOURCE=NUMBER, with the fence of the lock's grant.";
        Problem::validation(vec![FieldFault::new("X-Lock-Fence", "invalid_format", detail)])
    })
}

fn parse_fence(raw: &str) -> Option<FenceClaim> {
    // A resource may contain the sign itself; the number cannot.
    let (resource, number) = raw.rsplit_once('=')?;
    let fence: i64 = number.parse().ok()?;
    let resource = Resource::parse(resource).ok()?;
    (fence > 0).then(|| FenceClaim::new(resource.as_str(), fence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_a_resource_and_a_number() {
        assert_eq!(parse_fence("stock:product-1=17"), Some(FenceClaim::new("stock:product-1", 17)));
        assert_eq!(parse_fence("a=b=3"), Some(FenceClaim::new("a=b", 3)));
        for bad in ["", "=", "a", "a=", "=3", "a=0", "a=-1", "a=1.5", "a=99999999999999999999"] {
            assert_eq!(parse_fence(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn two_fences_are_one_too_many() {
        let mut headers = HeaderMap::new();
        assert!(read_fence(&headers).unwrap().is_none());
        headers.append(X_LOCK_FENCE, "a=1".parse().unwrap());
        assert!(read_fence(&headers).unwrap().is_some());
        headers.append(X_LOCK_FENCE, "b=1".parse().unwrap());
        assert_eq!(read_fence(&headers).unwrap_err().code(), "validation_failed");
    }
}
