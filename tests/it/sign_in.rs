//! The main job, end to end: register, set up a second factor, sign out, and sign in again with it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract_tests::{Authenticator, Server, json, tests};

tests! {
    a_person_registers_sets_up_an_app_and_signs_in_with_it needs Oathtool,
    a_person_sets_up_codes_by_mail_and_signs_in_with_one,
    without_a_factor_the_password_is_enough,
    with_both_methods_on_the_app_is_asked_for_and_mail_is_a_switch_away,
    an_app_gets_its_secret_in_three_forms,
    a_code_may_be_typed_with_spaces_and_dashes,
    the_secret_of_a_set_up_app_is_never_told_again,
}

async fn a_person_registers_sets_up_an_app_and_signs_in_with_it() {
    let server = Server::start().await;
    let begun = server.register("alice@example.com").await.is(202);
    let code = server.mail.code_to("alice@example.com").await;
    let proved = server
        .prove(&begun.text("registrationToken"), &code)
        .await
        .is(201);
    assert_eq!(proved["user"]["email"], "alice@example.com");
    assert_eq!(proved["user"]["mfaEnabled"], false);
    assert_eq!(proved["expiresIn"], 900);
    let mut alice = contract_tests::Person::signed_in(&server, "alice@example.com", &proved);
    let me = alice.me().await.is(200);
    assert_eq!(me["session"]["acr"], "aal1");
    assert_eq!(me["session"]["amr"], json!(["pwd"]));

    let setup = alice.begin_setup("authenticator").await.is(200);
    assert_eq!(
        alice.me().await.is(200)["mfaMethods"],
        json!([]),
        "nothing is on before its proof"
    );
    let app = Authenticator::new(&setup.text("secret"));
    let code = app.by_oathtool(server.clock.now());
    let enabled = server
        .verify_setup(&setup.text("mfaToken"), &code)
        .await
        .is(200);
    assert_eq!(enabled["mfaMethods"], json!(["authenticator"]));
    assert_eq!(enabled["method"], "authenticator");
    assert_eq!(enabled["enabledAt"], "2026-11-22T14:00:07.000Z");
    server.mail.notice_to("alice@example.com", "on").await;

    alice.sign_out().await.is(204);
    alice.me().await.refused(401, "TOKEN_INVALID");
    let asked = alice.login().await.is(200);
    assert_eq!(asked["mfaRequired"], true);
    assert_eq!(asked["method"], "authenticator");
    assert_eq!(asked["mfaMethods"], json!(["authenticator"]));
    assert!(
        asked["accessToken"].is_null(),
        "no token before the second factor"
    );
    server.clock.advance(30);
    let code = app.by_oathtool(server.clock.now());
    let signed_in = server
        .verify_login(&asked.text("mfaToken"), &code)
        .await
        .is(200);
    alice.keep(&signed_in);
    let me = alice.me().await.is(200);
    assert_eq!(me["mfaEnabled"], true);
    assert_eq!(me["session"]["acr"], "aal2");
    assert_eq!(me["session"]["amr"], json!(["pwd", "otp", "mfa"]));
}

async fn a_person_sets_up_codes_by_mail_and_signs_in_with_one() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let setup = alice.begin_setup("email").await.is(200);
    assert_eq!(setup["method"], "email");
    let code = server.mail.code_to("alice@example.com").await;
    let enabled = server
        .verify_setup(&setup.text("mfaToken"), &code)
        .await
        .is(200);
    assert_eq!(enabled["mfaMethods"], json!(["email"]));

    alice.sign_out().await.is(204);
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "email");
    let mail = server
        .mail
        .next("code", "alice@example.com", |mail| mail.code().is_some())
        .await;
    let code = mail.code().expect("a code");
    let signed_in = server
        .verify_login(&asked.text("mfaToken"), &code)
        .await
        .is(200);
    alice.keep(&signed_in);
    let me = alice.me().await.is(200);
    assert_eq!(
        me["session"]["acr"], "two-step",
        "a mailbox is no second factor of NIST's"
    );
    assert_eq!(me["session"]["amr"], json!(["pwd", "email"]));
}

async fn without_a_factor_the_password_is_enough() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    alice.sign_out().await.is(204);
    let signed_in = alice.login().await.is(200);
    assert!(signed_in["mfaRequired"].is_null());
    assert_eq!(signed_in["tokenType"], "Bearer");
    let token = signed_in.text("accessToken");
    server.get("/identity/me").bearer(&token).await.is(200);
}

async fn with_both_methods_on_the_app_is_asked_for_and_mail_is_a_switch_away() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.enable_authenticator().await;
    let asked = alice.login().await.is(200);
    assert_eq!(asked["method"], "authenticator");
    assert_eq!(asked["mfaMethods"], json!(["authenticator", "email"]));

    let token = asked.text("mfaToken");
    let switched = server.switch(&token, "email").await.is(200);
    assert_eq!(switched["method"], "email");
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_login(&token, &code).await.is(200);

    let token = alice.begin_sign_in().await;
    let code = alice.fresh_code();
    let signed_in = server.verify_login(&token, &code).await.is(200);
    assert_eq!(
        signed_in["user"]["mfaMethods"],
        json!(["authenticator", "email"])
    );
}

async fn an_app_gets_its_secret_in_three_forms() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let setup = alice.begin_setup("authenticator").await.is(200);
    let (secret, url) = (setup.text("secret"), setup.text("otpauthUrl"));
    assert_eq!(secret.len(), 32, "160 bits in base32");
    assert!(
        url.starts_with("otpauth://totp/Countersign:alice%40example.com?"),
        "{url}"
    );
    assert!(
        url.contains(&format!("secret={secret}")) && url.contains("issuer=Countersign"),
        "{url}"
    );
    assert!(
        !url.to_ascii_lowercase().contains("algorithm=sha2"),
        "{url}"
    );
    assert_eq!(scanned(&setup.text("qrCode")), url);
}

/// Reads the picture's content, as a camera would.
fn scanned(data_uri: &str) -> String {
    let image = data_uri
        .strip_prefix("data:image/png;base64,")
        .expect("a data URI");
    let bytes = STANDARD.decode(image).expect("base64");
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("its size")];
    let info = reader.next_frame(&mut pixels).expect("a picture");
    let (width, height) = (info.width as usize, info.height as usize);
    let mut prepared =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "one QR code");
    grids[0].decode().expect("readable").1
}

async fn a_code_may_be_typed_with_spaces_and_dashes() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    for between in [" ", "-", "\u{2013}", " - ", "\t"] {
        let token = alice.begin_sign_in().await;
        let code = alice.fresh_code();
        let typed = format!(" {}{between}{} ", &code[..3], &code[3..]);
        server.verify_login(&token, &typed).await.is(200);
    }
}

async fn the_secret_of_a_set_up_app_is_never_told_again() {
    let server = Server::start().await;
    let mut alice = server.administrator("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let key = alice.api_key(&["users:read"]).await;
    let secret = alice.authenticator.clone().expect("an app").secret;
    for path in [
        "/identity/me",
        "/identity/users",
        "/identity/api-keys",
        "/.well-known/jwks.json",
    ] {
        let answer = alice.get(path).await.is(200);
        for told in [
            &secret,
            &key,
            &alice.refresh_token,
            &alice.access_token,
            &alice.password,
        ] {
            assert!(
                !answer.text.contains(told.as_str()),
                "{path} tells a secret"
            );
        }
        assert!(!answer.text.contains("argon2"), "{path} tells a hash");
    }
    alice
        .begin_setup("authenticator")
        .await
        .refused(400, "MFA_ALREADY_ENABLED");
}
