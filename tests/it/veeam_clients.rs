//! Veeam's own clients, unmodified from their registry, against a server of ours: what their users do all day.

use std::process::Stdio;

use contract_tests::suite::vendor_python;
use contract_tests::tls::Proxy;
use contract_tests::{Authenticator, PASSWORD, Server, tests};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

tests! {
    veeam_az_does_all_of_its_work_at_v8_1 needs VendorClients,
    veeam_easy_connect_does_all_of_its_work_at_v3 needs VendorClients,
}

/// Runs a script as an administrator who shares the server with Alice: the lines it writes. Where it writes
/// `code` and a secret, it is told what an app with that secret shows.
async fn told_by(script: &str) -> Vec<String> {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    server.administrator("root@example.com").await;
    let proxy = Proxy::before(server.address).await;
    let mut running = Command::new(vendor_python())
        .args(["-c", script])
        .args([&proxy.address.to_string(), "root@example.com", PASSWORD])
        .env("SSL_CERT_FILE", &proxy.authority)
        .env("REQUESTS_CA_BUNDLE", &proxy.authority)
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Python");
    let mut typed = running.stdin.take().expect("its input");
    let written = running.stdout.take().expect("its output");
    let mut lines = BufReader::new(written).lines();
    let (mut told, mut app) = (Vec::new(), None);
    while let Some(line) = lines.next_line().await.expect("a line") {
        match line.strip_prefix("code ") {
            Some(secret) => {
                let app = app.get_or_insert_with(|| Authenticator::new(secret));
                let code = format!("{}\n", app.fresh_code(&server.clock));
                typed.write_all(code.as_bytes()).await.expect("to be read");
            }
            None => told.push(line),
        }
    }
    let ended = running.wait().await.expect("an end");
    assert!(ended.success(), "{ended}, after {told:#?}");
    told
}

async fn veeam_az_does_all_of_its_work_at_v8_1() {
    let told = told_by(include_str!("clients/with_veeam_az.py")).await;
    let expected = [
        "listed ['alice@example.com', 'root@example.com']",
        "found root@example.com str Internal PortalAdmin True",
        "enabled True 5",
        "accepted 204",
        "asked True False",
        "disabled 204",
        "signed out 204",
        "refused 401 Unauthorized",
    ];
    assert_eq!(told, expected);
}

async fn veeam_easy_connect_does_all_of_its_work_at_v3() {
    let told = told_by(include_str!("clients/with_veeam_easy_connect.py")).await;
    let expected = [
        "listed ['alice@example.com', 'root@example.com']",
        "found root@example.com int PortalAdmin True",
        "enabled True 5",
        "accepted empty",
        "mfaEnabled True",
        "MFA Token in response - use 'mfa_token_login' to with access code to continue",
        "disabled empty",
        "mfaEnabled False",
        "signed out 204",
        "refused 401 Unauthorized",
    ];
    assert_eq!(told, expected);
}
