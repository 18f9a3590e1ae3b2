//! The pages behind mailed links: static, and without effect until their button is pressed.
//!
//! The token stands in the fragment of the link, which browsers send to nobody. A small script takes it
//! out of the address line and posts it when the button is pressed, so that mail scanners that open
//! links use nothing up (P-27), and no log or referrer ever holds it.

use actix_web::{HttpResponse, web};

/// Nothing runs and nothing is loaded but the files below, and the script talks to this server only.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page that shows the code of a mailed link, for the device that asked.
pub const MAGIC_LINK: &str = "/magic-link";

/// The page that proves a new account's address.
pub const VERIFY_EMAIL: &str = "/verify-email";

struct File {
    path: &'static str,
    media: &'static str,
    text: &'static str,
}

const FILES: [File; 5] = [
    File {
        path: MAGIC_LINK,
        media: "text/html; charset=utf-8",
        text: include_str!("pages/magic_link.html"),
    },
    File {
        path: VERIFY_EMAIL,
        media: "text/html; charset=utf-8",
        text: include_str!("pages/verify_email.html"),
    },
    File {
        path: "/pages/link.js",
        media: "text/javascript; charset=utf-8",
        text: include_str!("pages/link.js"),
    },
    File {
        path: "/pages/page.css",
        media: "text/css; charset=utf-8",
        text: include_str!("pages/page.css"),
    },
    File {
        path: "/pages/icon.svg",
        media: "image/svg+xml",
        text: include_str!("pages/icon.svg"),
    },
];

/// Whether a path belongs to the pages.
pub fn is_page(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

/// Mounts the pages.
pub fn routes(config: &mut web::ServiceConfig) {
    for File { path, media, text } in FILES {
        let answer = move || async move { HttpResponse::Ok().content_type(media).body(text) };
        config.service(web::resource(path).route(web::get().to(answer)));
    }
}
