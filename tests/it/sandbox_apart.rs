//! What keeps the sandbox and every other server apart; and the command that runs beside it.

use contract_tests::call::Method;
use contract_tests::contract::Contract;
use contract_tests::{Sandbox, Server, json, port, process, tests};
use countersign::sandbox;

tests! {
    no_other_server_has_anything_of_it,
    no_other_server_takes_its_tokens,
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
    assert_eq!(said.trim(), format!("http://{address}"));
    let arguments = ["sandbox", "--exec", "kill -9 $$"];
    let (code, _) = process::ended(folder.path(), address, &arguments).await;
    assert_eq!(code, Some(137));
}
