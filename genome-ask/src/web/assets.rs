//! What the page is made of beside HTML: embedded, under names that change with their content.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// A file of the page.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

/// htmx 2.0.11, unchanged; Zero-Clause BSD, see `htmx-LICENSE.txt` beside it.
const HTMX: Asset = Asset {
    name: "htmx-2.0.11.min.js",
    kind: "text/javascript; charset=utf-8",
    bytes: include_bytes!("assets/htmx-2.0.11.min.js"),
};
const LICENSE: Asset = Asset {
    name: "htmx-LICENSE.txt",
    kind: "text/plain; charset=utf-8",
    bytes: include_bytes!("assets/htmx-LICENSE.txt"),
};
const SCRIPT: Asset =
    Asset { name: "page.js", kind: "text/javascript; charset=utf-8", bytes: include_bytes!("assets/page.js") };
const STYLE: Asset =
    Asset { name: "page.css", kind: "text/css; charset=utf-8", bytes: include_bytes!("assets/page.css") };
const ICON: Asset = Asset { name: "icon.svg", kind: "image/svg+xml", bytes: include_bytes!("assets/icon.svg") };

const ALL: [Asset; 5] = [HTMX, LICENSE, SCRIPT, STYLE, ICON];

/// Addresses of the assets.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) htmx: String,
    pub(super) script: String,
    pub(super) style: String,
    pub(super) icon: String,
}

impl Addresses {
    pub(super) fn new() -> Self {
        let address = |asset: Asset| format!("/assets/{}?{}", asset.name, fingerprint(asset.bytes));
        Self { htmx: address(HTMX), script: address(SCRIPT), style: address(STYLE), icon: address(ICON) }
    }
}

/// Browsers keep a file for as long as its address is the same.
fn fingerprint(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `GET /assets/NAME`.
pub(super) async fn get(Path(name): Path<String>) -> Response {
    let Some(asset) = ALL.into_iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let headers: [(HeaderName, HeaderValue); 2] = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
    ];
    (headers, asset.bytes).into_response()
}
