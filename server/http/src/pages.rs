//! The web pages: sign-in, registration, the account, a forgotten password, and those behind mailed links.
//!
//! Each is a template and a script that calls the public API. The server renders it when it starts,
//! once in each language. Pages behind mailed links are always there, since mails lead to them; the
//! others are there unless the setting `pages` is off.
//!
//! Opening a mailed link has no effect until the page's button is pressed. The link's token is in its
//! fragment, which browsers send to no server. A script removes it from the address bar and posts it
//! when the button is pressed. Mail scanners that open links therefore trigger nothing, and no log or
//! referrer ever contains the token.

mod texts;

use actix_web::web::Bytes;
use anyhow::Context;
use askama::Template;

use crate::config::Settings;
use crate::files::File;
use texts::Texts;

/// Only the files below are loaded or run, and the scripts talk to this server only. The QR code of a
/// set-up comes as a data URI. No text ever becomes markup or code (Trusted Types).
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The page that shows the code of a mailed link, to be typed on the device that asked for it.
pub const MAGIC_LINK: &str = "/magic-link";

/// The page that proves the address of a new account.
pub const VERIFY_EMAIL: &str = "/verify-email";

/// The page that takes a new password in place of a forgotten one.
pub const RESET_PASSWORD: &str = "/reset-password";

/// The page that restores the address of before a change.
pub const UNDO_EMAIL: &str = "/undo-email";

/// The page to sign in with.
pub const SIGN_IN: &str = "/sign-in";

/// The page that makes an account.
pub const REGISTER: &str = "/register";

/// The page that asks for a mail for a new password.
pub const FORGOT_PASSWORD: &str = "/forgot-password";

/// The page with what protects an account.
pub const ACCOUNT: &str = "/account";

/// Where the files are that pages load.
const PARTS: &str = "/pages/";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The scripts and what else the pages load, whatever their language.
const FIXED: [(&str, &str, &str); 14] = [
    script("api.js", include_str!("pages/api.js")),
    script("ui.js", include_str!("pages/ui.js")),
    script("passkeys.js", include_str!("pages/passkeys.js")),
    script("second.js", include_str!("pages/second.js")),
    script("task.js", include_str!("pages/task.js")),
    script("methods.js", include_str!("pages/methods.js")),
    script("details.js", include_str!("pages/details.js")),
    script("account.js", include_str!("pages/account.js")),
    script("sign-in.js", include_str!("pages/sign-in.js")),
    script("register.js", include_str!("pages/register.js")),
    script("forgot.js", include_str!("pages/forgot.js")),
    script("link.js", include_str!("pages/link.js")),
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("pages/page.css"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("pages/icon.svg")),
];

const fn script(
    name: &'static str,
    text: &'static str,
) -> (&'static str, &'static str, &'static str) {
    (name, SCRIPT, text)
}

/// Tells whether a path belongs to the pages.
pub fn is_page(path: &str) -> bool {
    let own = [
        MAGIC_LINK,
        VERIFY_EMAIL,
        RESET_PASSWORD,
        UNDO_EMAIL,
        SIGN_IN,
        REGISTER,
        FORGOT_PASSWORD,
        ACCOUNT,
    ];
    own.contains(&path) || path.starts_with(PARTS)
}

/// What a template is filled with.
struct View<'a> {
    texts: &'a Texts,
    language: &'static str,
    service: &'a str,
    /// Fewest and most characters of a new password.
    least: u32,
    most: u32,
    /// Whether passkeys and text messages are offered.
    passkeys: bool,
    sms: bool,
    /// Whether there are pages beside those of mailed links.
    pages: bool,
}

impl<'a> View<'a> {
    fn new(settings: &'a Settings, texts: &'a Texts) -> Self {
        Self {
            texts,
            language: texts.language,
            service: &settings.issuer_name,
            least: settings.policy.password_min,
            most: settings.policy.password_max,
            passkeys: !settings.passkey_pages().is_empty(),
            sms: !settings.sms_countries.is_empty(),
            pages: settings.pages,
        }
    }

    /// Returns a text.
    fn say(&self, key: &str) -> &str {
        self.texts.get(key)
    }

    /// Returns what is asked of a new password.
    fn rule(&self) -> String {
        self.say("rule").replace("{least}", &self.least.to_string())
    }
}

/// Declares the pages: for each its type, its path and its template.
macro_rules! templates {
    ($($name:ident $path:ident $file:literal;)+) => {
        $(
            #[derive(Template)]
            #[template(path = $file)]
            struct $name<'a> { view: View<'a> }
        )+

        /// Renders the page at a path.
        fn render(path: &str, view: View) -> askama::Result<String> {
            match path {
                $($path => $name { view }.render(),)+
                _no_page => Err(askama::Error::Fmt),
            }
        }
    };
}

templates! {
    MagicLink MAGIC_LINK "magic_link.html";
    VerifyEmail VERIFY_EMAIL "verify_email.html";
    ResetPassword RESET_PASSWORD "reset_password.html";
    UndoEmail UNDO_EMAIL "undo_email.html";
    SignIn SIGN_IN "sign_in.html";
    Register REGISTER "register.html";
    ForgotPassword FORGOT_PASSWORD "forgot_password.html";
    Account ACCOUNT "account.html";
}

/// Returns the pages, in the name of this service, and the files that they load.
///
/// # Errors
/// Fails if the texts cannot be read or a page cannot be rendered, which the tests rule out.
pub fn files(settings: &Settings) -> anyhow::Result<Vec<File>> {
    let all = texts::all()?;
    let linked = [MAGIC_LINK, VERIFY_EMAIL, RESET_PASSWORD, UNDO_EMAIL];
    let others = [SIGN_IN, REGISTER, FORGOT_PASSWORD, ACCOUNT];
    let others = others.into_iter().filter(|_| settings.pages);
    let mut files = Vec::new();
    for path in linked.into_iter().chain(others) {
        files.push(page(settings, &all, path)?);
    }
    for texts in &all {
        let path = format!("{PARTS}texts-{}.js", texts.language);
        files.push(File::new(path, SCRIPT, texts.module()?));
    }
    files.extend(FIXED.map(|(name, media, text)| {
        let bytes = Bytes::from_static(text.as_bytes());
        File::new(format!("{PARTS}{name}"), media, bytes)
    }));
    Ok(files)
}

/// Makes a page in all languages. Browsers must not store it, since it may show a code.
fn page(settings: &Settings, all: &[Texts], path: &str) -> anyhow::Result<File> {
    let mut versions = Vec::with_capacity(all.len());
    for texts in all {
        let html = render(path, View::new(settings, texts))
            .with_context(|| format!("rendering {path} in {}", texts.language))?;
        let file = File::new(path, "text/html; charset=utf-8", html).unkept();
        versions.push((texts.language, file));
    }
    File::spoken(versions).context("no language")
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
