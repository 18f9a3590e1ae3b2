//! Runs scripts of clients that nobody here wrote, over TLS, and types for them what their users
//! would.

use std::collections::HashMap;
use std::process::Stdio;

use contract_tests::suite::vendor_python;
use contract_tests::tls::Proxy;
use contract_tests::{Authenticator, PASSWORD, Server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use contract_tests::gateway::Gateway;

/// Runs a script as the user with this address. Returns the lines that it prints.
///
/// If it prints `code` and a secret, it gets the code of an app with that secret. If it prints
/// `mail` or `text`, it gets the code of the newest mail or text message.
pub async fn run(
    server: &Server,
    email: &str,
    gateway: Option<&Gateway>,
    script: &str,
) -> Vec<String> {
    let proxy = Proxy::before(server.address).await;
    let mut running = Command::new(vendor_python())
        .args(["-c", script])
        .args([&proxy.address.to_string(), email, PASSWORD])
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
    let (mut told, mut apps) = (Vec::new(), HashMap::<String, Authenticator>::new());
    while let Some(line) = lines.next_line().await.expect("a line") {
        let code = match line.split_once(' ').unwrap_or((&line, "")) {
            ("code", secret) => {
                let app = apps
                    .entry(secret.to_owned())
                    .or_insert_with(|| Authenticator::new(secret));
                app.fresh_code(&server.clock)
            }
            ("mail", "") => server.mail.code_to(email).await,
            ("text", "") => gateway.expect("text messages").code().await,
            _told => {
                told.push(line);
                continue;
            }
        };
        let line = format!("{code}\n");
        let typing = typed.write_all(line.as_bytes());
        typing.await.expect("to be read");
    }
    let ended = running.wait().await.expect("an end");
    assert!(ended.success(), "{ended}, after {told:#?}");
    told
}
