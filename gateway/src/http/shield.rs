//! What every answer carries so that browsers keep others out, and the refusal of requests that other sites send.

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::State;
use crate::http::refusal::Refusal;

/// Nothing runs, styles, frames or loads but what the console itself serves.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds the headers that every answer carries. What shows a person's data is kept by nobody on the way.
pub(crate) async fn headers(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it browsers hide the origin of our own forms, too.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if state.0.behind_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Lets changes through only when one of our own pages, or a program with a token, asks for them.
pub(crate) async fn only_from_our_own_pages(request: Request, next: Next) -> Response {
    let changes_something = ![Method::GET, Method::HEAD].contains(request.method());
    if changes_something && !is_ours(request.headers(), request.uri()) {
        return Refusal::FromElsewhere.into_response();
    }
    next.run(request).await
}

fn is_ours(headers: &HeaderMap, uri: &Uri) -> bool {
    // No page can make a browser send this header along; only a program does.
    if headers.contains_key(header::AUTHORIZATION) {
        return true;
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let host = text(header::HOST).or_else(|| uri.authority().map(|authority| authority.as_str()));
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    origin.is_some() && origin == host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_can_change_something() {
        let ours = [
            vec![("sec-fetch-site", "same-origin")],
            vec![("host", "console.example:8080"), ("origin", "http://console.example:8080")],
            vec![("authorization", "Bearer x")],
        ];
        let others = [
            vec![("host", "console.example")],
            vec![("host", "console.example"), ("origin", "https://evil.example")],
            vec![("host", "console.example"), ("origin", "null")],
            vec![("host", "console.example"), ("origin", "https://console.example"), ("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![],
        ];
        for headers in ours {
            assert!(is_ours(&map(&headers), &Uri::from_static("/logout")), "{headers:?}");
        }
        for headers in others {
            assert!(!is_ours(&map(&headers), &Uri::from_static("/logout")), "{headers:?}");
        }
    }

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }
}
