//! Veeam's own clients, unmodified from their registry, against our server, doing what their users
//! do.

use contract_tests::{Server, tests};

use super::scripts;

tests! {
    veeam_az_does_all_of_its_work_at_v8_1 needs VendorClients,
    veeam_easy_connect_does_all_of_its_work_at_v3 needs VendorClients,
}

/// Runs a script as an administrator of a server on which Alice has an account, too. Returns its
/// lines.
async fn told_by(script: &str) -> Vec<String> {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    server.administrator("root@example.com").await;
    scripts::run(&server, "root@example.com", None, script).await
}

async fn veeam_az_does_all_of_its_work_at_v8_1() {
    let told = told_by(include_str!("clients/with_veeam_az.py")).await;
    let expected = [
        "detected 8.1",
        "of others None 7",
        "about ['serverVersion']",
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
