//! Clients written only from a vendor's pages, by somebody who had seen nothing else of this
//! project.

use contract_tests::{Server, tests};

use super::netevia::with_texts;
use super::scripts;

tests! {
    a_client_of_netevias_pages_does_all_of_its_work needs VendorClients,
    a_client_of_synswis_page_does_all_of_its_work needs VendorClients,
}

async fn a_client_of_netevias_pages_does_all_of_its_work() {
    let (server, gateway) = with_texts().await;
    server.registered("alice@example.com").await;
    let script = include_str!("clients/with_netevia_pages.py");
    let told = scripts::run(&server, "alice@example.com", Some(&gateway), script).await;
    let expected = [
        "nobody 401 401",
        "no token 401 401",
        "signed in by password alone",
        "fax 400",
        "sms without a number 400",
        "sms to no number 400",
        "email on 200 email True",
        "off by the same token 200 False",
        "signed in by password alone",
        "email on 200 email True",
        "second step email False",
        "wrong code 400 INVALID_MFA_CODE",
        "signed in 200",
        "off 200 False",
        "signed in by password alone",
        "authenticator on 200 authenticator False",
        "wrong code 400 INVALID_MFA_CODE",
        "verified 200 authenticator True",
        "second step authenticator False",
        "wrong code 400 INVALID_MFA_CODE",
        "signed in 200",
        "off 200 False",
        "signed in by password alone",
        "sms on 200 sms False",
        "wrong code 400 INVALID_MFA_CODE",
        "verified 200 sms True",
        "second step sms False",
        "signed in 200",
        "off 200 False",
        "signed in by password alone",
        "off again 200 False",
    ];
    assert_eq!(told, expected);
}

async fn a_client_of_synswis_page_does_all_of_its_work() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let script = include_str!("clients/with_synswi_pages.py");
    let told = scripts::run(&server, "alice@example.com", None, script).await;
    let expected = [
        "settings True True []",
        "nothing to disable 400 MFA_NOT_ENABLED",
        "wrong password 400 INVALID_PASSWORD",
        "no such method 400 INVALID_MFA_METHOD",
        "wrong code 400 INVALID_MFA_CODE",
        "wrong token 400 MFA_TOKEN_INVALID",
        "enabled authenticator ['authenticator'] True True",
        "Authenticator MFA enabled successfully. Your account is now more secure.",
        "used token 400 MFA_TOKEN_INVALID",
        "enabled already 400 MFA_ALREADY_ENABLED",
        "second step authenticator ['authenticator'] False",
        "wrong purpose 400 MFA_WRONG_PURPOSE",
        "not enabled 400 MFA_METHOD_NOT_ENABLED",
        "nothing to resend 400 RESEND_ONLY_FOR_EMAIL",
        "wrong code 400 INVALID_MFA_CODE",
        "settings True True ['authenticator']",
        "sent email",
        "enabled email ['authenticator', 'email'] True True",
        "Email MFA enabled successfully. Your account is now more secure.",
        "second step authenticator ['authenticator', 'email'] False",
        "switched email",
        "resent at once 429 RESEND_COOLDOWN",
        "settings True True ['authenticator', 'email']",
        "wrong code 400 INVALID_MFA_CODE",
        "disabled email ['authenticator']",
        "disabled authenticator []",
        "settings True True []",
    ];
    assert_eq!(told, expected);
}
