//! The console's style, script and icon. They say nothing about anybody, so browsers may keep them and ask if they changed.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::http::State;
use crate::http::console::layout;

const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="#0a4f73" d="M12 2 2 10v12h20V10z"/><path fill="none" stroke="#fff" stroke-width="2" stroke-linejoin="round" d="M4 15h4l2-5 3 8 2-3h5"/></svg>"##;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route(
            "/console.css",
            get(async |asked: HeaderMap| unless_known("text/css; charset=utf-8", layout::STYLE, &asked)),
        )
        .route(
            "/live.js",
            get(async |asked: HeaderMap| unless_known("text/javascript; charset=utf-8", layout::SCRIPT, &asked)),
        )
        .route("/icon.svg", get(async |asked: HeaderMap| unless_known("image/svg+xml", ICON, &asked)))
}

fn unless_known(kind: &'static str, text: &'static str, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(text)[..8]));
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let headers =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag)];
    if known { (StatusCode::NOT_MODIFIED, headers).into_response() } else { (headers, text).into_response() }
}
