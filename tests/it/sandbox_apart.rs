//! What keeps the sandbox and every other server apart; and the command that runs beside it.

use std::path::Path;

use contract_tests::call::Method;
use contract_tests::contract::Contract;
use contract_tests::{Sandbox, Server, json, port, process, tests};
use countersign::sandbox;
use serde_json::Value;

tests! {
    no_other_server_has_anything_of_it,
    no_other_server_takes_its_tokens,
    no_other_server_opens_its_folder,
    pages_of_other_sites_reach_nothing_of_it,
    it_opens_nothing_of_another_server,
    a_command_runs_beside_it_and_its_exit_status_counts,
}

async fn no_other_server_has_anything_of_it() {
    let server = Server::start().await;
    assert!(!Contract::get().of_the_sandbox.is_empty());
    for operation in &Contract::get().of_the_sandbox {
        let method: Method = operation.method.parse().expect("a method");
        let answer = server.call(method, &operation.path).json(&json!({})).await;
        let answer = answer.refused(404, "NOT_FOUND");
        assert_eq!(answer.header("countersign-sandbox"), None);
    }
    for kind in ["openapi/sandbox.yaml", "openapi/lenient/sandbox.json"] {
        server
            .get(&format!("/{kind}"))
            .await
            .refused(404, "NOT_FOUND");
    }
    let page = server.get("/swagger-ui/").await.is(200);
    assert!(!page.text.contains("sandbox.yaml"));
    assert!(!page.text.contains("try_it"), "the plugin of Try It");
    assert!(page.text.contains("<code>countersign sandbox</code>"));
    let sandbox = Sandbox::start().await;
    let page = sandbox.get("/swagger-ui/").await.is(200);
    assert!(page.text.contains("./try_it.js"));
    for file in ["try_it.js", "try_it.css"] {
        let path = format!("/swagger-ui/{file}");
        sandbox.get(&path).await.is(200);
        server.get(&path).await.refused(404, "NOT_FOUND");
    }
}

/// Takes the sandbox's mark out of a key file.
fn unmark(file: &Path) {
    let text = std::fs::read_to_string(file).expect("a key file");
    let mut ring: Value = serde_json::from_str(&text).expect("JSON");
    let mark = ring.as_object_mut().expect("an object").remove("sandbox");
    assert_eq!(mark, Some(Value::Bool(true)), "the mark");
    std::fs::write(file, ring.to_string()).expect("written");
}

/// Even with the same keys, the same database and the same address.
async fn no_other_server_takes_its_tokens() {
    let sandbox = Sandbox::start().await;
    let token = sandbox.login("none@example.com").await.text("accessToken");
    let place = sandbox.inner.place().to_owned();
    let address = format!("http://localhost:{}", sandbox.address.port());
    let server = Server::with(|settings| {
        for file in ["countersign.db", "countersign.db-wal", "keys.json"] {
            let to = settings.data_dir.join(file);
            std::fs::copy(place.join(file), to).expect("a copy");
        }
        unmark(&settings.data_dir.join("keys.json"));
        let copy = settings.data_dir.join("countersign.db");
        settings.database_url = countersign::config::DatabaseUrl::Sqlite(copy);
        settings.public_url = address;
    })
    .await;
    sandbox.get("/identity/me").bearer(&token).await.is(200);
    let keys = server.get("/.well-known/jwks.json").await.is(200);
    assert_eq!(
        keys.body,
        sandbox.get("/.well-known/jwks.json").await.is(200).body
    );
    server
        .get("/identity/me")
        .bearer(&token)
        .await
        .refused(401, "TOKEN_INVALID");
    server
        .login("none@example.com", sandbox::PASSWORD)
        .await
        .is(200);
}

/// One that was killed leaves its folder, with passwords that everybody knows.
async fn no_other_server_opens_its_folder() {
    let sandbox = Sandbox::start().await;
    let folder = sandbox.inner.place().to_owned();
    let folder = folder.to_str().expect("a path");
    let arguments = ["serve", "--data-dir", folder];
    let (code, said) = process::ended(Path::new("/"), port::of_ones_own(), &arguments).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a sandbox made it"), "{said}");
}

async fn pages_of_other_sites_reach_nothing_of_it() {
    let sandbox = Sandbox::start().await;
    let reset = || sandbox.call(Method::POST, "/sandbox/reset");
    let own = format!("http://{}", sandbox.address);
    for origin in ["http://localhost:5173", "http://127.0.0.1:3000", &own] {
        reset().header("Origin", origin).await.is(200);
    }
    reset().header("Sec-Fetch-Site", "none").await.is(200);
    for origin in ["https://evil.example", "http://203.0.113.7", "null"] {
        let refused = reset().header("Origin", origin).await;
        refused.refused(403, "FOREIGN_PAGE");
    }
    for operation in &Contract::get().of_the_sandbox {
        let method: Method = operation.method.parse().expect("a method");
        let path = operation.path.replace("{operationId}", "login");
        let call = sandbox.call(method, &path).json(&json!({}));
        let refused = call.header("Origin", "https://evil.example").await;
        refused.refused(403, "FOREIGN_PAGE");
    }
    let refused = reset().header("Sec-Fetch-Site", "cross-site").await;
    refused.refused(403, "FOREIGN_PAGE");
    let read = |host: &str| sandbox.get("/sandbox/messages").header("Host", host);
    for host in [
        "localhost:8080",
        "countersign:8080",
        "192.0.2.1",
        "[::1]:8080",
    ] {
        read(host).await.is(200);
    }
    for host in ["evil.example:8080", "localhost.evil.example"] {
        read(host).await.refused(403, "FOREIGN_PAGE");
    }
}

async fn it_opens_nothing_of_another_server() {
    let folder = tempfile::tempdir().expect("a folder");
    for (flag, value) in [
        ("--database-url", "sqlite:countersign.db"),
        ("--database-url", "postgres://app@localhost/app"),
        ("--key-file", "keys.json"),
        ("--data-dir", "data"),
        ("--smtp-url", "smtp://localhost"),
    ] {
        let arguments = ["sandbox", flag, value];
        let (code, said) = process::ended(folder.path(), port::of_ones_own(), &arguments).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("the sandbox"), "{said}");
    }
    let made = std::fs::read_dir(folder.path())
        .expect("the folder")
        .count();
    assert_eq!(made, 0);
}

async fn a_command_runs_beside_it_and_its_exit_status_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = port::of_ones_own();
    let command =
        "echo \"$COUNTERSIGN_URL\"; exec 3<>/dev/tcp/localhost/${COUNTERSIGN_URL##*:} && exit 7";
    let command = format!("bash -c '{command}'");
    let arguments = ["sandbox", "--exec", &command];
    let (code, said) = process::ended(folder.path(), address, &arguments).await;
    assert_eq!(code, Some(7), "{said}");
    // Passkeys work at a name, and at no address.
    assert_eq!(said.trim(), format!("http://localhost:{}", address.port()));
    let arguments = ["sandbox", "--exec", "kill -9 $$"];
    let (code, _) = process::ended(folder.path(), address, &arguments).await;
    assert_eq!(code, Some(137));
}
