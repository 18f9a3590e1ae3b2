//! What people type and paste into the fields of all four APIs: invisible characters, digits of
//! other scripts, phone numbers in various forms, bodies with a byte-order mark.

use contract_tests::call::Method;
use contract_tests::{Answer, Authenticator, Call, PASSWORD, Server, json, tests};

use super::flashback;
use super::netevia::{self, PHONE, authenticate, with_texts};
use super::veeam;

tests! {
    an_apps_code_is_read_however_it_was_pasted,
    a_code_that_was_sent_is_read_however_it_was_pasted,
    a_code_that_stands_in_is_read_however_it_was_pasted,
    a_links_token_is_read_however_it_was_pasted,
    an_address_is_read_however_it_was_pasted,
    letters_of_every_script_stand_in_addresses_and_names,
    a_number_is_read_as_people_write_it,
    numbers_whose_zero_is_theirs_are_taken,
    a_byte_order_mark_at_the_head_of_a_body_is_dropped,
    a_body_that_is_not_read_is_told_so,
    phones_are_masked_alike,
    a_code_is_said_to_be_sent_only_when_it_was,
    an_app_shows_the_whole_address,
}

/// Returns the same code as it comes from a mail program, a messenger or an input method.
fn pasted(code: &str) -> Vec<String> {
    let middle = code.len() / 2;
    let (first, second) = code.split_at(middle);
    let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).expect("a wide form");
    let mut all: Vec<String> = [
        "\u{200b}", "\u{2060}", "\u{feff}", "\u{ad}", "\u{200e}", "\u{2212}", "\u{2011}",
        "\u{202f}", "\u{3000}",
    ]
    .iter()
    .map(|sign| format!("{sign}{first}{sign}{second}{sign}"))
    .collect();
    all.push(format!("\u{202a}{code}\u{202c}"));
    all.push(format!("\u{2066}{code}\u{2069}"));
    all.push(code.replace('-', "").chars().map(wide).collect());
    all
}

/// Returns one of those forms, a different one each time.
fn one(code: &str, turn: &mut usize) -> String {
    let all = pasted(code);
    *turn += 1;
    all[*turn % all.len()].clone()
}

async fn an_apps_code_is_read_however_it_was_pasted() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    for place in 0..pasted("123456").len() {
        let token = alice.begin_sign_in().await;
        let code = pasted(&alice.fresh_code()).swap_remove(place);
        let answer = server.verify_login(&token, &code).await;
        assert_eq!(answer.status, 200, "{code:?}: {}", answer.text);
        alice.keep(&answer);
    }
    // Digits of other scripts.
    for zero in ['٠', '۰', '०', '০', '๐', '𝟘'] {
        let token = alice.begin_sign_in().await;
        let digit = |c: char| char::from_u32(u32::from(zero) + u32::from(c) - 0x30);
        let code: Option<String> = alice.fresh_code().chars().map(digit).collect();
        let answer = server.verify_login(&token, &code.expect("digits")).await;
        assert_eq!(answer.status, 200, "{zero}: {}", answer.text);
        alice.keep(&answer);
    }
    // The other operations and the other APIs.
    let mut turn = 0;
    let begun = alice.begin_step_up(&json!({})).await.is(200);
    let code = one(&alice.fresh_code(), &mut turn);
    let lifted = alice.verify_step_up(&begun.text("mfaToken"), &code).await;
    alice.access_token = lifted.is(200).text("accessToken");
    for _ in 0..3 {
        let begun = authenticate(&server, &alice.email, PASSWORD).await.is(200);
        let code = one(&alice.fresh_code(), &mut turn);
        let second = netevia::second(&server, &begun.text("mfaToken"), &code);
        second.await.is(200);
        let begun = veeam::sign_in(&server, &alice.email, PASSWORD).await;
        let code = one(&alice.fresh_code(), &mut turn);
        let token = begun.is(200).text("mfa_token");
        veeam::second(&server, &token, &code).await.is(200);
        let begun = flashback::login(&server, &alice.email, PASSWORD).await;
        let code = one(&alice.fresh_code(), &mut turn);
        let body = json!({ "mfaType": "GOOGLE_AUTH", "code": code });
        let bearer = begun.is(200).text("accessToken");
        let verify = server.post("/mfa/verify-login", &body).bearer(&bearer);
        verify.await.is(200);
    }
    let begun = alice.begin_disable("authenticator").await.is(200);
    let code = one(&alice.fresh_code(), &mut turn);
    let off = server.verify_disable(&begun.text("mfaToken"), &code);
    off.await.is(200);
}

async fn a_code_that_was_sent_is_read_however_it_was_pasted() {
    let server = Server::start().await;
    let mut turn = 0;
    for _ in 0..4 {
        let email = format!("alice{turn}@example.com");
        let begun = server.register(&email).await.is(202);
        let code = one(&server.mail.code_to(&email).await, &mut turn);
        let proved = server.prove(&begun.text("registrationToken"), &code).await;
        let mut alice = contract_tests::Person::signed_in(&server, &email, &proved.is(201));
        let begun = alice.begin_setup("email").await.is(200);
        let code = one(&server.mail.code_to(&email).await, &mut turn);
        let on = server.verify_setup(&begun.text("mfaToken"), &code);
        on.await.is(200);
        let token = alice.begin_sign_in().await;
        let code = one(&server.mail.code_to(&email).await, &mut turn);
        let answer = server.verify_login(&token, &code).await.is(200);
        alice.keep(&answer);
    }
    let (server, gateway) = with_texts().await;
    let bob = netevia::Client::registered(&server, "bob@example.com").await;
    let body = json!({ "mfaMethod": "sms", "phoneNumber": PHONE });
    let begun = bob.enable(&body).await.is(200);
    let code = one(&gateway.code().await, &mut turn);
    bob.prove(&begun.text("mfaToken"), &code).await.is(200);
    let token = bob.begin().await.text("mfaToken");
    let code = one(&gateway.code().await, &mut turn);
    netevia::second(&server, &token, &code).await.is(200);
}

async fn a_code_that_stands_in_is_read_however_it_was_pasted() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    for (place, code) in codes.iter().enumerate() {
        let token = alice.begin_sign_in().await;
        let code = pasted(code).swap_remove(place + 2);
        let answer = server.verify_login(&token, &code).await;
        assert_eq!(answer.status, 200, "{code:?}: {}", answer.text);
    }
    let mut bob = veeam::registered(&server, "bob@example.com").await;
    let codes = veeam::enabled(&mut bob).await;
    let mut turn = 4;
    for code in &codes {
        let begun = veeam::sign_in(&server, &bob.email, PASSWORD).await.is(200);
        let code = one(code, &mut turn);
        let token = begun.text("mfa_token");
        let answer = veeam::second(&server, &token, &code).await;
        assert_eq!(answer.status, 200, "{code:?}: {}", answer.text);
    }
}

async fn a_links_token_is_read_however_it_was_pasted() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    server.wait(3600);
    let token = alice.begin_sign_in().await;
    let link = server.mail.link_to(&alice.email).await;
    let link = format!("\u{feff}{}\u{200b}{}\u{2060} ", &link[..9], &link[9..]);
    let verified = server.verify_login(&token, &link).await;
    assert_eq!(verified.status, 200, "{}", verified.text);
    server.wait(3600);
    alice.begin_sign_in().await;
    let link = server.mail.link_to(&alice.email).await;
    let opened = server.open_link(&format!("\u{200b}{link}\u{202f}")).await;
    assert_eq!(opened.is(200).text("code").len(), 6);
}

async fn an_address_is_read_however_it_was_pasted() {
    let server = Server::start().await;
    let wide = "ａｌｉｃｅ＠ｅｘａｍｐｌｅ．ｃｏｍ";
    let begun = server.register(wide).await.is(202);
    let code = server.mail.code_to("alice@example.com").await;
    let made = server.prove(&begun.text("registrationToken"), &code).await;
    assert_eq!(made.is(201)["user"]["email"], "alice@example.com");
    for email in [
        wide,
        "\u{feff}alice@example.com",
        "alice@example.com\u{200b}\u{a0}",
        "al\u{ad}ice@exam\u{200d}ple.com",
        "\u{202a}alice@example.com\u{202c}",
    ] {
        server.login(email, PASSWORD).await.is(200);
        authenticate(&server, email, PASSWORD).await.is(200);
        flashback::login(&server, email, PASSWORD).await.is(200);
        veeam::sign_in(&server, email, PASSWORD).await.is(200);
    }
    let begun = server.register("jean\u{2011}luc@example.com").await.is(202);
    let code = server.mail.code_to("jean-luc@example.com").await;
    let made = server.prove(&begun.text("registrationToken"), &code).await;
    assert_eq!(made.is(201)["user"]["email"], "jean-luc@example.com");
    // A visible mistake is still refused.
    for email in ["alice smith@example.com", "alice@exa mple.com"] {
        let refused = server.register(email).await.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "email");
    }
    // A name must not look like another user's address.
    let root = veeam::root(&server).await;
    let body = json!({ "name": "bob\u{ff20}example.com", "password": PASSWORD });
    let refused = root.post("/api/v1/users", &body).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
}

async fn letters_of_every_script_stand_in_addresses_and_names() {
    let server = Server::start().await;
    for (email, name) in [
        ("अमित.कुमार@example.com", "अमित कुमार"),
        ("สมชาย.ก้อง@example.com", "สมชาย ก้อง"),
        ("நிலா@example.com", "நிலா"),
        ("محمّد@example.com", "محمّد"),
    ] {
        let body = json!({ "email": email, "password": PASSWORD, "firstName": name });
        let begun = server.post("/identity/register", &body).await.is(202);
        let code = server.mail.code_to(email).await;
        let made = server.prove(&begun.text("registrationToken"), &code).await;
        let made = made.is(201);
        assert_eq!(
            (&made["user"]["email"], &made["user"]["firstName"]),
            (&json!(email), &json!(name))
        );
        server.login(email, PASSWORD).await.is(200);
    }
}

fn begin_sms(person: &contract_tests::Person, number: &str) -> Call {
    let body = json!({ "method": "sms", "password": PASSWORD, "phoneNumber": number });
    person.post("/identity/mfa/setup", &body)
}

async fn a_number_is_read_as_people_write_it() {
    let (server, gateway) = netevia::with_texts_and(|settings| {
        settings.policy.sms_per_number_hour = 20;
        settings.policy.sms_per_number_day = 40;
    })
    .await;
    for (place, number) in [
        "tel:+1-202-555-0123",
        "+1\u{2011}202\u{2011}555\u{2011}0123",
        "+1 202\u{2013}555\u{2013}0123",
        "+1\u{202f}202\u{202f}555\u{202f}0123",
        "\u{ff0b}１\u{3000}２０２５５５０１２３",
        "\u{202a}+1 (202) 555-0123\u{202c}",
    ]
    .into_iter()
    .enumerate()
    {
        let alice = server
            .registered(&format!("alice{place}@example.com"))
            .await;
        let begun = begin_sms(&alice, number).await.is(200);
        let message = gateway.next().await;
        assert_eq!(message.to(), PHONE, "{number:?}");
        let proved = server.verify_setup(&begun.text("mfaToken"), &message.code());
        proved.await.is(200);
        server.wait(3600);
        let bob = netevia::Client::registered(&server, &format!("bob{place}@example.com")).await;
        let body = json!({ "mfaMethod": "sms", "phoneNumber": number });
        let begun = bob.enable(&body).await.is(200);
        assert_eq!(begun["status"], "pending");
        let message = gateway.next().await;
        assert_eq!(message.to(), PHONE, "{number:?}");
        server.wait(3600);
    }
}

async fn numbers_whose_zero_is_theirs_are_taken() {
    let (server, gateway) = netevia::with_texts_and(|settings| {
        settings.sms_countries = ["CI", "BJ", "IT", "GB"]
            .map(|country| country.parse().expect("a country"))
            .to_vec();
    })
    .await;
    for (place, (typed, number)) in [
        ("+2250708123456", "+2250708123456"),
        ("+229 01 95 12 34 56", "+2290195123456"),
        ("+39 02 3661 8300", "+390236618300"),
        ("+44 (0) 7400 123456", "+447400123456"),
    ]
    .into_iter()
    .enumerate()
    {
        let alice = server
            .registered(&format!("alice{place}@example.com"))
            .await;
        begin_sms(&alice, typed).await.is(200);
        assert_eq!(gateway.next().await.to(), number);
    }
}

async fn a_byte_order_mark_at_the_head_of_a_body_is_dropped() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let with_mark =
        |call: Call, media: &str, text: &str| call.body(media, format!("\u{feff}{text}"));
    let login = json!({ "email": alice.email, "password": PASSWORD }).to_string();
    let call = server.call(Method::POST, "/identity/login");
    with_mark(call, "application/json", &login).await.is(200);
    let call = server.call(Method::POST, "/user/login");
    with_mark(call, "application/json; charset=utf-8", &login)
        .await
        .is(200);
    let body = json!({ "login": alice.email, "password": PASSWORD }).to_string();
    let call = server.call(Method::POST, "/api/auth/v2");
    with_mark(call, "application/json; charset=\"UTF-8\"", &body)
        .await
        .is(200);
    let form = format!(
        "grant_type=Password&username={}&password={}",
        alice.email,
        PASSWORD.replace(' ', "+")
    );
    let call = server.call(Method::POST, "/api/oauth2/token");
    with_mark(call, "application/x-www-form-urlencoded", &form)
        .await
        .is(200);
    // An operation whose body may be left out.
    let call = alice.call(Method::POST, "/identity/validate-token");
    with_mark(call, "application/json", "{}").await.is(200);
}

async fn a_body_that_is_not_read_is_told_so() {
    let server = Server::start().await;
    let utf_16: Vec<u8> = "\u{feff}{}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let alice = server.registered("alice@example.com").await;
    let operations = [
        ("/identity/login", "application/json"),
        ("/identity/validate-token", "application/json"),
        ("/api/auth/v2", "application/json"),
        ("/user/login", "application/json"),
        ("/api/oauth2/token", "application/x-www-form-urlencoded"),
    ];
    for (path, media) in operations {
        let told = |answer: Answer, word: &str| {
            let refused = answer.refused(415, "UNSUPPORTED_MEDIA_TYPE");
            let field = match path {
                "/api/oauth2/token" => "detail",
                _ => "message",
            };
            assert!(
                refused.text(field).contains(word),
                "{path}: {}",
                refused.text
            );
        };
        let call = || alice.call(Method::POST, path);
        for coding in ["gzip", "br", "identity, gzip"] {
            let packed = call().header("Content-Encoding", coding).body(media, "{}");
            told(packed.await, "plain UTF-8");
        }
        for charset in ["utf-16", "iso-8859-1", "\"utf-16le\""] {
            let typed = format!("{media}; charset={charset}");
            told(call().body(&typed, "{}").await, "plain UTF-8");
        }
        told(call().body(media, utf_16.clone()).await, "plain UTF-8");
        told(call().body("text/plain", "{}").await, "Content-Type");
        let as_it_is = call().header("Content-Encoding", "identity");
        let answer = as_it_is
            .body(&format!("{media}; charset=UTF-8"), "{}")
            .await;
        assert_ne!(answer.status, 415, "{path}: {}", answer.text);
    }
}

async fn phones_are_masked_alike() {
    let (server, gateway) = with_texts().await;
    let alice = server.registered("alice@example.com").await;
    let begun = begin_sms(&alice, PHONE).await.is(200);
    let masked = begun.text("phoneNumber");
    let code = gateway.code().await;
    let proved = server.verify_setup(&begun.text("mfaToken"), &code);
    proved.await.is(200);
    assert_eq!(alice.factor("sms").await["target"], json!(masked));
    server.wait(3600);
    let bob = netevia::Client::registered(&server, "bob@example.com").await;
    let body = json!({ "mfaMethod": "sms", "phoneNumber": PHONE });
    let begun = bob.enable(&body).await.is(200);
    assert_eq!(begun["phoneNumber"], json!(masked));
}

async fn a_code_is_said_to_be_sent_only_when_it_was() {
    let (server, gateway) = with_texts().await;
    let mut alice = server.registered("alice@example.com").await;
    let begun = begin_sms(&alice, PHONE).await.is(200);
    assert!(
        begun
            .text("message")
            .starts_with("Verification code sent by SMS")
    );
    let code = gateway.code().await;
    let proved = server.verify_setup(&begun.text("mfaToken"), &code);
    proved.await.is(200);
    let token = alice.begin_sign_in().await;
    gateway.code().await;
    server.clock.advance(60);
    let again = server.resend(&token).await.is(200);
    assert!(
        again
            .text("message")
            .starts_with("Verification code sent by SMS"),
        "{}",
        again.text
    );
    let answer = server.verify_login(&token, &gateway.code().await).await;
    alice.keep(&answer.is(200));
    let lifting = alice.begin_step_up(&json!({})).await.is(200);
    assert!(
        lifting
            .text("message")
            .starts_with("Verification code sent by SMS")
    );
    gateway.code().await;
    // The operator has removed the country of this number from the list.
    server
        .database
        .run("UPDATE factors SET target = '+4915123456789'");
    let sent = gateway.taken().len();
    for begun in [
        alice.begin_step_up(&json!({})).await.is(200),
        alice.begin_disable("sms").await.is(200),
    ] {
        let message = begun.text("message");
        assert!(message.starts_with("No code can be sent"), "{message}");
    }
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), sent);
}

async fn an_app_shows_the_whole_address() {
    let server = Server::with(|settings| {
        settings.issuer_name = "I".repeat(64);
    })
    .await;
    let local = "a".repeat(64);
    let domain = format!("{}.{}.example.com", "b".repeat(60), "c".repeat(60));
    let email = format!("{local}@{domain}");
    let alice = server.registered(&email).await;
    let begun = alice.begin_setup("authenticator").await.is(200);
    let url = begun.text("otpauthUrl").replace("%40", "@");
    assert!(url.contains(&email), "{url}");
    Authenticator::new(&begun.text("secret"));
    let letters = "ж".repeat(32);
    let email = format!("{letters}@{domain}");
    let bob = server.registered(&email).await;
    let begun = bob.begin_setup("authenticator").await.is(200);
    assert!(begun.text("otpauthUrl").contains(&domain), "{}", begun.text);
}
