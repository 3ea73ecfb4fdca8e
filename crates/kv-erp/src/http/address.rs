//! The address that a request came from: what failures are counted under, and what the audit log says.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use super::problem::Problem;
use crate::app::App;

/// The address that a request came from.
pub(crate) struct ClientAddress(pub(super) IpAddr);

impl ClientAddress {
    /// That of a request whose body was not read yet.
    pub(super) fn of(app: &App, request: &Request) -> Self {
        Self::find(app, request.headers(), request.extensions())
    }

    fn find(app: &App, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
        let forwarded = forwarded_for(headers, app.settings().trusted_proxies);
        // Without a connection there is nobody to tell apart; that is the case in tests of the bare router only.
        Self(forwarded.or(peer).unwrap_or(IpAddr::from([127, 0, 0, 1])))
    }
}

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self::find(app, &parts.headers, &parts.extensions))
    }
}

/// The address that the outermost trusted proxy saw. Entries left of it were written by the client and prove nothing.
fn forwarded_for(headers: &HeaderMap, trusted_proxies: u32) -> Option<IpAddr> {
    let from_right = usize::try_from(trusted_proxies).ok()?.checked_sub(1)?;
    let values: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    values.iter().rev().flat_map(|value| value.rsplit(',')).nth(from_right)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| ("x-forwarded-for".parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_as_many_forwarded_entries_as_there_are_proxies_are_believed() {
        let two = headers(&["6.6.6.6, 1.2.3.4", "10.0.0.1"]);
        assert_eq!(forwarded_for(&two, 0), None);
        assert_eq!(forwarded_for(&two, 1), Some([10, 0, 0, 1].into()));
        assert_eq!(forwarded_for(&two, 2), Some([1, 2, 3, 4].into()));
        assert_eq!(forwarded_for(&headers(&["nonsense"]), 1), None);
        assert_eq!(forwarded_for(&headers(&[]), 1), None);
    }
}
