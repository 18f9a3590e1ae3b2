//! How files and answers reach browsers and monitors: HEAD, CORS, compression and caching.

use contract_tests::call::{Answer, Method};
use contract_tests::contract::Contract;
use contract_tests::{Call, Person, Server, tests};

tests! {
    head_answers_as_get_without_the_body,
    head_is_refused_as_get_without_the_body,
    head_is_named_wherever_get_is,
    a_named_origin_may_ask_everything,
    no_other_origin_is_told_anything,
    what_no_handler_answers_is_told_to_a_named_origin_too,
    static_files_are_compressed_for_who_reads_that,
    static_files_are_not_sent_to_who_has_them,
    answers_of_operations_are_never_compressed,
    without_javascript_the_first_page_leads_to_the_documents,
}

const PAGE: &str = "https://app.example.com";

/// Files that anybody may get.
const FILES: [&str; 20] = [
    "/openapi/identity.yaml",
    "/openapi/netevia.yaml",
    "/openapi/flashback.yaml",
    "/openapi/veeam.yaml",
    "/openapi/veeam.json",
    "/openapi/lenient/identity.yaml",
    "/openapi/lenient/identity.json",
    "/swagger-ui/",
    "/swagger-ui/index.html",
    "/swagger-ui/swagger-ui-bundle.js",
    "/swagger-ui/swagger-ui.css",
    "/swagger-ui/swagger-initializer.js",
    "/swagger-ui/favicon-32x32.png",
    "/magic-link",
    "/verify-email",
    "/sign-in",
    "/account",
    "/pages/link.js",
    "/pages/texts-de.js",
    "/pages/page.css",
];

async fn head_answers_as_get_without_the_body() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    let asked = |path: &str, method: Method| root.call(method, path);
    let others = [
        "/",
        "/favicon.ico",
        "/healthz",
        "/readyz",
        "/.well-known/jwks.json",
    ];
    let operations = Contract::get().operations.iter();
    let gets = operations
        .filter(|operation| operation.method == "GET" && !operation.path.contains('{'))
        .map(|operation| operation.path.as_str());
    for path in FILES.into_iter().chain(others).chain(gets) {
        let got = asked(path, Method::GET).await;
        if got.status >= 400 {
            // An error, without the body that the check of all answers requires.
            continue;
        }
        let head = asked(path, Method::HEAD).await;
        assert_eq!(head.status, got.status, "{path}");
        assert!(head.text.is_empty(), "{path}: {}", head.text);
        for name in ["content-type", "etag", "location", "cache-control"] {
            assert_eq!(head.header(name), got.header(name), "{path}: {name}");
        }
        if got.status == 200 {
            let length = head.header("content-length").expect(path);
            assert_ne!(length, "0", "{path}");
        }
    }
}

async fn head_is_refused_as_get_without_the_body() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let http = contract_tests::reqwest::Client::new();
    // Without `Call`, whose check requires a refusal to have a body.
    let asked = async |path: &str, method: Method, bearer: &str| {
        let url = format!("{}{path}", server.url());
        let request = http.request(method, url).bearer_auth(bearer);
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, answer.bytes().await.expect("a body"))
    };
    let operations = Contract::get().operations.iter();
    let mut paths: Vec<(String, Vec<u16>)> = operations
        .filter(|operation| !operation.path.contains('{'))
        // Public operations, and those that need a form or a role, have other refusals.
        .map(|operation| (operation.path.clone(), vec![200, 401, 403, 405]))
        .collect();
    paths.sort();
    paths.dedup();
    for path in [
        "",
        "/identity",
        "/settings",
        "/api/auth",
        "/mfa",
        "/user",
        "/api/v1",
        "/swagger-ui",
        "/pages",
    ] {
        paths.push((format!("{path}/no-such-thing"), vec![404]));
    }
    for (path, allowed) in &paths {
        for bearer in ["none", alice.access_token.as_str()] {
            let (status, headers, body) = asked(path, Method::GET, bearer).await;
            assert!(
                allowed.contains(&status) || status == 400,
                "{path}: {status}"
            );
            if status < 400 {
                continue;
            }
            assert!(!body.is_empty(), "{path}");
            let (head_status, mut head, nothing) = asked(path, Method::HEAD, bearer).await;
            assert_eq!(head_status, status, "{path}");
            assert!(nothing.is_empty(), "{path}");
            let mut headers = headers;
            for own in ["x-request-id", "date"] {
                assert!(head.remove(own).is_some() == headers.remove(own).is_some());
            }
            assert_eq!(head, headers, "{path}");
        }
    }
}

async fn head_is_named_wherever_get_is() {
    let server = Server::start().await;
    for (path, allow) in [
        ("/healthz", "GET, HEAD"),
        ("/magic-link", "GET, HEAD"),
        ("/swagger-ui/", "GET, HEAD"),
        ("/openapi/veeam.yaml", "GET, HEAD"),
        ("/api/v1/users", "GET, HEAD, POST"),
        ("/identity/login", "POST"),
    ] {
        let refused = server.call(Method::DELETE, path).await.is(405);
        assert_eq!(refused.header("allow").as_deref(), Some(allow), "{path}");
    }
}

/// Starts a server that a page of one other origin may call. Returns it with a signed-in user.
async fn named() -> (Server, Person) {
    let server = Server::with(|settings| {
        settings.cors_origins = vec![format!("{PAGE}:443"), "http://localhost:3000".to_owned()];
    })
    .await;
    let alice = server.registered("alice@example.com").await;
    (server, alice)
}

/// Makes the preflight request of a browser for a page of this origin.
fn question(server: &Server, path: &str, origin: &str, method: &str) -> Call {
    server
        .call(Method::OPTIONS, path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", method)
        .header(
            "Access-Control-Request-Headers",
            "authorization,content-type",
        )
}

fn words(answer: &Answer, header: &str) -> Vec<String> {
    let lines = answer.headers.get_all(header).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|word| word.trim().to_lowercase())
        .collect()
}

/// Asserts that a page of this origin can read the answer.
#[track_caller]
fn is_told(answer: &Answer, origin: &str) {
    let told = answer.header("access-control-allow-origin");
    assert_eq!(told.as_deref(), Some(origin), "{}", answer.call);
    assert!(words(answer, "vary").contains(&"origin".to_owned()));
    let readable = words(answer, "access-control-expose-headers");
    for name in ["x-request-id", "retry-after", "www-authenticate"] {
        assert!(readable.contains(&name.to_owned()), "{name}: {readable:?}");
    }
    // Tokens travel in headers. A browser that sends cookies may not read the answer.
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

async fn a_named_origin_may_ask_everything() {
    let (server, alice) = named().await;
    for operation in &Contract::get().operations {
        let path = operation.sample_path();
        for origin in [PAGE, "http://localhost:3000"] {
            let answer = question(&server, &path, origin, &operation.method)
                .await
                .is(204);
            is_told(&answer, origin);
            let methods = words(&answer, "access-control-allow-methods");
            assert!(
                methods.contains(&operation.method.to_lowercase()),
                "{path}: {methods:?}"
            );
            let headers = words(&answer, "access-control-allow-headers");
            for name in ["authorization", "x-api-key", "content-type"] {
                assert!(headers.contains(&name.to_owned()), "{name}: {headers:?}");
            }
        }
    }
    is_told(&alice.me().header("Origin", PAGE).await.is(200), PAGE);
}

async fn no_other_origin_is_told_anything() {
    let (server, alice) = named().await;
    for origin in [
        "https://evil.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com:443",
        "https://APP.example.com",
        "https://app.example.com.evil.example",
        "null",
    ] {
        let asked = question(&server, "/identity/me", origin, "GET").await;
        assert_eq!(asked.status, 405, "{origin}");
        let answer = alice.me().header("Origin", origin).await.is(200);
        for answer in [asked, answer] {
            assert!(words(&answer, "vary").contains(&"origin".to_owned()));
            assert_eq!(
                answer.header("access-control-allow-origin"),
                None,
                "{origin}"
            );
            assert_eq!(
                answer.header("access-control-allow-methods"),
                None,
                "{origin}"
            );
        }
    }
    let plain = alice.me().await.is(200);
    assert_eq!(plain.header("access-control-allow-origin"), None);
}

async fn what_no_handler_answers_is_told_to_a_named_origin_too() {
    let (server, alice) = named().await;
    let from_page = |call: Call| call.header("Origin", PAGE);
    for answer in [
        from_page(server.get("/identity/me")).await.is(401),
        from_page(server.get("/nothing")).await.is(404),
        from_page(server.get("/identity/login")).await.is(405),
        from_page(server.call(Method::POST, "/identity/login"))
            .await
            .is(415),
        from_page(server.get("/openapi/identity.yaml"))
            .await
            .is(200),
        from_page(server.get("/healthz")).await.is(200),
    ] {
        is_told(&answer, PAGE);
    }
    // An answer that takes longer than a request may, and is cut off.
    let held = server.database.hold();
    is_told(&from_page(alice.login()).await.is(503), PAGE);
    drop(held);
}

async fn static_files_are_compressed_for_who_reads_that() {
    let server = Server::start().await;
    let mut whole = 0;
    let mut packed = 0;
    for path in FILES {
        let plain = server.get(path).await.is(200);
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        let answer = server
            .get(path)
            .header("Accept-Encoding", "br;q=1.0, GZIP;q=0.5, *;q=0")
            .await
            .is(200);
        let length = |answer: &Answer| {
            let length = answer.header("content-length").expect(path);
            length.parse::<usize>().expect("a number")
        };
        whole += length(&plain);
        packed += length(&answer);
        if length(&plain) > 10_000 {
            let coding = answer.header("content-encoding");
            assert_eq!(coding.as_deref(), Some("gzip"), "{path}");
            assert_ne!(answer.header("etag"), plain.header("etag"), "{path}");
        }
        assert!(words(&answer, "vary").contains(&"accept-encoding".to_owned()));
        let refused = server.get(path).header("Accept-Encoding", "gzip;q=0").await;
        assert_eq!(refused.header("content-encoding"), None, "{path}");
    }
    assert!(packed * 3 < whole, "{packed} of {whole} bytes");
}

async fn static_files_are_not_sent_to_who_has_them() {
    let server = Server::start().await;
    for path in FILES {
        for coding in ["identity", "gzip"] {
            let ask = || server.get(path).header("Accept-Encoding", coding);
            let tag = ask().await.is(200).header("etag").expect(path);
            for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
                let again = ask().header("If-None-Match", &known).await.is(304);
                assert!(again.text.is_empty(), "{path}");
                assert_eq!(again.header("etag").as_deref(), Some(&*tag), "{path}");
            }
            ask().header("If-None-Match", "\"x\"").await.is(200);
        }
    }
    // With another name of the service, the page is different.
    let other = Server::with(|settings| settings.issuer_name = "Acme <&>".to_owned()).await;
    for path in ["/magic-link", "/verify-email", "/swagger-ui/"] {
        let tag = server.get(path).await.is(200).header("etag").expect(path);
        let page = other.get(path).header("If-None-Match", &tag).await.is(200);
        let escaped = ["Acme &lt;&amp;&gt;", "Acme &#60;&#38;&#62;"];
        let named = escaped.iter().any(|name| page.text.contains(name));
        assert!(named, "{path}: {}", page.text);
    }
}

async fn without_javascript_the_first_page_leads_to_the_documents() {
    let server = Server::start().await;
    let page = server.get("/swagger-ui/").await.is(200).text.clone();
    let hint = page.split("<noscript>").nth(1).expect("a hint");
    let hint = hint.split("</noscript>").next().expect("its end");
    assert!(hint.contains("needs JavaScript"), "{hint}");
    for name in ["identity", "netevia", "flashback", "veeam"] {
        let path = format!("/openapi/{name}.yaml");
        assert!(hint.contains(&format!("href=\"{path}\"")), "{hint}");
        server.get(&path).await.is(200);
    }
}

async fn answers_of_operations_are_never_compressed() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    for operation in &Contract::get().operations {
        let method: Method = operation.method.parse().expect("a method");
        let call = root.call(method, &operation.sample_path());
        let answer = call.header("Accept-Encoding", "gzip, br, deflate").await;
        assert_eq!(answer.header("content-encoding"), None, "{}", operation.id);
    }
}
