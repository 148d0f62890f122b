//! Who may ask: the browser of the one who started the server, from the server's own pages.
//!
//! A server on the loopback address can be reached by every web page that the user has open. A page of another site must neither
//! use it (its `Origin` is another one) nor read it under a name of its own that leads to this machine (DNS rebinding: the `Host` is
//! that name).

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Nothing but what this server sends itself; no inline scripts or styles, no frames, no plug-ins.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every response.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    // `no-referrer` would make browsers send `Origin: null` with the page's own forms.
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Refuses requests that do not come from here, and adds the headers that bind the browser.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match check(&request) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => (status, why).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn check(request: &Request) -> Result<(), (StatusCode, &'static str)> {
    let headers = request.headers();
    let host = one(headers, &HOST).ok_or((StatusCode::BAD_REQUEST, "one Host header is needed\n"))?;
    if !is_loopback(host) || request.uri().host().is_some_and(|host| !is_loopback(host)) {
        return Err((StatusCode::FORBIDDEN, "this server answers to localhost and 127.0.0.1 only\n"));
    }
    let foreign = Err((StatusCode::FORBIDDEN, "requests of other sites are refused\n"));
    if headers.contains_key(ORIGIN) {
        let own = one(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        if !own.is_some_and(|origin| origin.eq_ignore_ascii_case(host)) {
            return foreign;
        }
    }
    // Browsers say where a request comes from; a link from elsewhere may open a page to look at, and nothing more.
    let is = |name: &'static str, value: &str| headers.get(name).is_some_and(|found| found == value);
    let from_elsewhere =
        headers.contains_key("sec-fetch-site") && !is("sec-fetch-site", "same-origin") && !is("sec-fetch-site", "none");
    let opens_a_page = request.method() == Method::GET
        && matches!(request.uri().path(), "/" | "/at")
        && is("sec-fetch-mode", "navigate");
    if from_elsewhere && !opens_a_page { foreign } else { Ok(()) }
}

/// The value of a header that is there just once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// Whether a `Host` is this machine's loopback address by its own name; with any port, as tunnels change it.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let v6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || v6.and_then(|ip| ip.parse::<Ipv6Addr>().ok()).is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for own in
            ["localhost", "localhost:8", "LOCALHOST:80", "127.0.0.1:8000", "127.0.0.1", "[::1]:80", "127.1.2.3:1"]
        {
            assert!(is_loopback(own), "{own}");
        }
        let foreign = [
            "",
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.168.1.2:80",
            "user@localhost",
            "localhost@evil.example",
            "[::2]",
            "[::1",
            "0.0.0.0:80",
            "127.1",
            "2130706433",
            "a b",
            "localhost.",
        ];
        for foreign in foreign {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }
}
