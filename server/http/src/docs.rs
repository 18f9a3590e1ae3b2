//! Serves the OpenAPI documents, and Swagger UI to read them: vendored, offline, under a strict
//! content policy.

use std::sync::Arc;

use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use anyhow::{Context, anyhow};
use utoipa_swagger_ui::{Config, Url};

use crate::files::File;
use crate::pages::escaped;

const UI: &str = "/swagger-ui/";

/// Allows what Swagger UI needs and nothing more. Its script sets styles, hence 'unsafe-inline'
/// there. Only its own scripts run, and nothing is requested from another server.
pub const UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files of Swagger UI as published. Its page is our own.
const VENDORED: [&str; 7] = [
    "swagger-ui.css",
    "index.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
    "favicon-16x16.png",
    "favicon-32x32.png",
];

/// One document to serve.
#[derive(Clone, Copy)]
pub struct Page {
    /// The document's name, as in `/openapi/NAME.yaml`.
    pub name: &'static str,
    /// What the selector calls it.
    pub label: &'static str,
    /// The document's text.
    pub strict: Text,
    /// The text of its lenient twin, served at `/openapi/lenient/NAME.yaml`.
    pub lenient: Text,
}

/// A document in both formats.
#[derive(Clone, Copy)]
pub struct Text {
    /// As it was written.
    pub yaml: &'static str,
    /// The same as JSON, with the keys in the same order.
    pub json: &'static str,
}

impl Page {
    fn path(&self) -> String {
        format!("/openapi/{}.yaml", self.name)
    }
}

/// What the sandbox adds to the page.
#[derive(Clone, Copy)]
pub struct Plugin {
    /// An ES module, which runs before Swagger UI starts.
    pub script: &'static str,
    /// A style sheet.
    pub style: &'static str,
}

/// How Swagger UI looks and behaves here.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The service's name.
    pub service: &'a str,
    /// Whether a reload of the page keeps what was authorized.
    pub keep_authorization: bool,
    /// The sandbox's plugin. Without one, the page says that there is a sandbox.
    pub plugin: Option<Plugin>,
}

/// Tells whether a path belongs to Swagger UI.
pub fn is_ui(path: &str) -> bool {
    path.starts_with(UI)
}

/// Returns the files of the documents and their lenient twins, each as YAML and as JSON.
pub fn documents(pages: &[Page]) -> impl Iterator<Item = File> {
    pages.iter().flat_map(|page| {
        [("", page.strict), ("lenient/", page.lenient)]
            .into_iter()
            .flat_map(|(folder, text)| both(format!("/openapi/{folder}{}", page.name), text))
    })
}

/// Returns a document's files at its two paths.
fn both(stem: String, text: Text) -> [File; 2] {
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    [
        File::new(format!("{stem}.yaml"), "application/yaml", bytes(text.yaml)),
        File::new(format!("{stem}.json"), "application/json", bytes(text.json)),
    ]
}

/// Returns the files of Swagger UI, which shows these documents.
///
/// # Errors
/// Fails if a file is not where the library keeps it, which would be a broken build.
pub fn ui(pages: &[Page], look: Look<'_>) -> anyhow::Result<Vec<File>> {
    let paths: Vec<String> = pages.iter().map(Page::path).collect();
    // The first document is shown first.
    let urls = pages.iter().zip(&paths).enumerate();
    let urls = urls.map(|(index, (page, path))| Url::with_primary(page.label, path, index == 0));
    let behaviour = Config::new(urls)
        .try_it_out_enabled(true)
        .persist_authorization(look.keep_authorization)
        .display_request_duration(true)
        // Every operation shows its schemas. A list at the foot would be a hundred names without
        // any order.
        .default_models_expand_depth(-1)
        // Sends no document to validator.swagger.io.
        .validator_url("none");
    let behaviour = Arc::new(behaviour);
    let html = page(pages, look);
    let mut files = vec![
        File::new(UI, HTML, html.clone()),
        File::new(format!("{UI}index.html"), HTML, html),
        File::new(format!("{UI}page.css"), CSS, include_str!("docs/page.css")),
    ];
    if let Some(Plugin { script, style }) = look.plugin {
        files.push(File::new(format!("{UI}try_it.js"), SCRIPT, script));
        files.push(File::new(format!("{UI}try_it.css"), CSS, style));
    }
    for name in VENDORED {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&behaviour))
            .map_err(|error| anyhow!("{error}"))?
            .with_context(|| format!("Swagger UI has no {name}"))?;
        let bytes = Bytes::from(file.bytes.into_owned());
        files.push(File::new(format!("{UI}{name}"), file.content_type, bytes));
    }
    Ok(files)
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page of the sandbox has in its head.
const PLUGGED: &str = "<link rel=\"stylesheet\" href=\"./try_it.css\">
<script type=\"module\" src=\"./try_it.js\"></script>";

/// What the page of every other server says at its top.
const HINT: &str = "<p class=\"hint\"><strong>Try It</strong> calls this server as it is. In the sandbox every example succeeds on the first click: run <code>countersign sandbox</code> instead.</p>";

/// The page.
fn page(pages: &[Page], look: Look<'_>) -> String {
    let (head, hint) = match look.plugin {
        Some(_) => (PLUGGED, ""),
        None => ("", HINT),
    };
    include_str!("docs/index.html")
        .replace("{{head}}", head)
        .replace("{{hint}}", hint)
        .replace("{{documents}}", &links(pages))
        .replace("{{service}}", &escaped(look.service))
}

/// Links to the documents, for browsers without JavaScript.
fn links(pages: &[Page]) -> String {
    let link = |page: &Page| {
        let (path, label) = (page.path(), escaped(page.label));
        format!("<a href=\"{path}\">{label}</a>")
    };
    pages.iter().map(link).collect::<Vec<_>>().join(", ")
}

/// Redirects the paths where people look first to Swagger UI.
pub fn routes(config: &mut web::ServiceConfig) {
    for from in ["/", "/swagger-ui"] {
        config.service(web::resource(from).route(web::get().to(|| redirect(UI))));
    }
    let icon = web::get().to(|| redirect("/swagger-ui/favicon-32x32.png"));
    config.service(web::resource("/favicon.ico").route(icon));
}

async fn redirect(to: &'static str) -> HttpResponse {
    HttpResponse::Found()
        .insert_header(("Location", to))
        .finish()
}
