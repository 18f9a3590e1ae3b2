//! The web pages behind mailed links. Opening one has no effect until its button is pressed.
//!
//! The token is in the fragment of the link, which browsers send to no server. A small script
//! removes it from the address bar and posts it when the button is pressed. Mail scanners that open
//! links therefore trigger nothing, and no log or referrer ever contains the token.

use actix_web::web::Bytes;

use crate::config::Settings;
use crate::files::File;

/// Only the files below are loaded or run, and the script talks to this server only.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page that shows the code of a mailed link, to be typed on the device that asked for it.
pub const MAGIC_LINK: &str = "/magic-link";

/// The page that proves the address of a new account.
pub const VERIFY_EMAIL: &str = "/verify-email";

/// The page that takes a new password in place of a forgotten one.
pub const RESET_PASSWORD: &str = "/reset-password";

const SCRIPT: &str = "/pages/link.js";
const STYLE: &str = "/pages/page.css";
const ICON: &str = "/pages/icon.svg";

/// Tells whether a path belongs to the pages.
pub fn is_page(path: &str) -> bool {
    [
        MAGIC_LINK,
        VERIFY_EMAIL,
        RESET_PASSWORD,
        SCRIPT,
        STYLE,
        ICON,
    ]
    .contains(&path)
}

/// Returns the pages, in the name of this service, and the files that they load.
pub fn files(settings: &Settings) -> [File; 6] {
    let fixed = |path: &str, media: &str, text: &'static str| {
        File::new(path, media, Bytes::from_static(text.as_bytes()))
    };
    [
        page(settings, MAGIC_LINK, include_str!("pages/magic_link.html")),
        page(
            settings,
            VERIFY_EMAIL,
            include_str!("pages/verify_email.html"),
        ),
        page(
            settings,
            RESET_PASSWORD,
            include_str!("pages/reset_password.html"),
        ),
        fixed(
            SCRIPT,
            "text/javascript; charset=utf-8",
            include_str!("pages/link.js"),
        ),
        fixed(
            STYLE,
            "text/css; charset=utf-8",
            include_str!("pages/page.css"),
        ),
        fixed(ICON, "image/svg+xml", include_str!("pages/icon.svg")),
    ]
}

/// Makes a page. Browsers must not store it, since it may show a code.
fn page(settings: &Settings, path: &str, html: &str) -> File {
    let least = settings.policy.password_min.to_string();
    let text = html
        .replace("{{least}}", &least)
        .replace("{{service}}", &escaped(&settings.issuer_name));
    File::new(path, "text/html; charset=utf-8", text).unkept()
}

/// Escapes a text for HTML, between tags or in quotation marks.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
