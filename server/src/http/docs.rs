//! The documents as bytes, and Swagger UI that reads them: vendored, offline, under a strict policy.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

const UI: &str = "/swagger-ui/";

/// What Swagger UI needs and nothing more. It sets styles from its script, hence 'unsafe-inline'
/// there; no script runs but its own files, and nothing is asked of another server.
pub const UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One document to serve.
#[derive(Clone, Copy)]
pub struct Page {
    /// Its name, as in `/openapi/NAME.yaml`.
    pub name: &'static str,
    /// Its bytes.
    pub yaml: &'static str,
}

/// Whether a path belongs to Swagger UI.
pub fn is_ui(path: &str) -> bool {
    path.starts_with(UI)
}

/// Mounts the documents and, if it is on, Swagger UI.
pub fn routes(config: &mut web::ServiceConfig, pages: &[Page], ui: bool, keep_authorization: bool) {
    for page in pages {
        let page = *page;
        let answer = move |request: HttpRequest| async move { document(page, &request) };
        config.service(web::resource(path(page)).route(web::get().to(answer)));
    }
    if !ui {
        return;
    }
    for from in ["/", "/swagger-ui"] {
        config.service(web::resource(from).route(web::get().to(|| redirect(UI))));
    }
    let icon = web::get().to(|| redirect("/swagger-ui/favicon-32x32.png"));
    config.service(web::resource("/favicon.ico").route(icon));
    let urls = pages.iter().map(|page| Url::from(path(*page)));
    let behaviour = Config::new(urls)
        .try_it_out_enabled(true)
        .persist_authorization(keep_authorization)
        .display_request_duration(true)
        // No document leaves for validator.swagger.io.
        .validator_url("none");
    config.service(SwaggerUi::new("/swagger-ui/{_:.*}").config(behaviour));
}

fn path(page: Page) -> String {
    format!("/openapi/{}.yaml", page.name)
}

async fn redirect(to: &'static str) -> HttpResponse {
    HttpResponse::Found()
        .insert_header(("Location", to))
        .finish()
}

/// The bytes of a document, or 304 when the client has them.
fn document(page: Page, request: &HttpRequest) -> HttpResponse {
    let tag = format!("\"{:08x}\"", crc32fast::hash(page.yaml.as_bytes()));
    let known = request
        .headers()
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let fresh = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut answer = if fresh {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer.insert_header((ETAG, tag));
    answer.insert_header((CACHE_CONTROL, "no-cache"));
    if fresh {
        return answer.finish();
    }
    answer.content_type("application/yaml").body(page.yaml)
}
