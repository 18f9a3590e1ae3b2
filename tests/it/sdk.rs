//! The SDK's modules against a real server: each document's client can read what the server
//! answers.

use contract_tests::{PASSWORD, Person, Server, tests};
use countersign_sdk::{Client, Failure, Lifted, Problem, Retry, Session, StepUp};
use countersign_sdk::{flashback, identity, netevia, veeam};

tests! {
    flashbacks_client_signs_in,
    netevias_client_signs_in,
    veeams_client_signs_in,
    one_session_serves_the_clients_of_all_documents,
    an_act_that_needs_fresh_proof_asks_for_it_and_goes_on,
    a_conversation_registers_sets_up_and_signs_in,
    a_challenge_comes_back_with_what_was_wrong,
}

fn client(server: &Server) -> Client {
    let builder = Client::builder(&server.url()).retry(Retry::never());
    builder.build().expect("this machine")
}

async fn with_app(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice
}

async fn flashbacks_client_signs_in() {
    use flashback::types::{LoginRequest, MfaType, VerifyMfaLoginError, VerifyMfaLoginRequest};

    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let client = flashback::Client::from(&client(&server));
    let login = LoginRequest::new(&alice.email, PASSWORD);
    let asked = client.login(login).await.expect("asked");
    assert!(asked.mfa_required);
    assert_eq!(asked.mfa_methods, [MfaType::GoogleAuth]);
    client.sign_in_with(&asked);
    let status = client.get_mfa_status().await.expect("a status");
    assert!(!status.data.session_verified);

    let proof = |code: String| VerifyMfaLoginRequest::new(MfaType::GoogleAuth).code(code);
    let wrong = proof(alice.wrong_code());
    let refused = client.verify_mfa_login(wrong).await;
    let Err(VerifyMfaLoginError::InvalidMfaCode {
        attempts_remaining, ..
    }) = refused
    else {
        panic!("typed: {refused:?}")
    };
    assert_eq!(attempts_remaining, 4);

    let right = proof(alice.fresh_code());
    let done = client.verify_mfa_login(right).await;
    client.sign_in_with(&done.expect("signed in"));
    let profile = client.get_profile().await.expect("a profile");
    assert!(profile.success);
    client.logout().await.expect("signed out");
    assert!(!client.is_signed_in());
}

async fn netevias_client_signs_in() {
    use netevia::types::{AuthRequest, AuthResponse, CompleteAuthRequest, SignInMethod};

    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let client = netevia::Client::from(&client(&server));
    let login = AuthRequest::new(PASSWORD).email(&alice.email);
    let asked = client.authenticate(login).await;
    let AuthResponse::MfaRequired(asked) = asked.expect("asked") else {
        panic!("a second factor")
    };
    assert_eq!(asked.mfa_method, SignInMethod::Authenticator);
    let proof = CompleteAuthRequest::new(asked.mfa_token).code(alice.fresh_code());
    let done = client.complete_authentication(proof).await;
    client.sign_in_with(&done.expect("signed in"));
    let off = client.disable_mfa_sign_in().await.expect("fresh");
    assert!(!off.mfa_enabled);
}

async fn veeams_client_signs_in() {
    use veeam::types::{RequestTokenError, TokenRequest};

    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let client = veeam::Client::from(&client(&server));
    let password = |password: &str| {
        TokenRequest::new()
            .grant_type("Password")
            .username("alice@example.com")
            .password(password)
    };
    let refused = client.request_token(password("guessed")).await;
    let refused = refused.expect_err("a wrong password");
    assert!(refused.message().is_some() && refused.request_id().is_some());
    assert!(matches!(
        refused,
        RequestTokenError::InvalidCredentials { .. }
    ));

    let asked = client.request_token(password(PASSWORD)).await;
    let asked = asked.expect("asked");
    assert!(asked.session().is_none(), "a second factor first");
    let proof = TokenRequest::new()
        .grant_type("Mfa")
        .mfa_token(asked.mfa_token.expect("a token"))
        .mfa_code(alice.fresh_code());
    let done = client.request_token(proof).await;
    client.sign_in_with(done.expect("signed in").session().expect("tokens"));
    let users = client.list_users().await.expect("a list");
    assert_eq!(users.results.len(), 1);
    assert!(users.results[0].mfa_enabled);
}

async fn one_session_serves_the_clients_of_all_documents() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let client = client(&server);
    client.sign_in_with(Session::bearer(alice.access_token.as_str()));
    let me = client.get_current_user().await.expect("signed in");
    assert_eq!(me.email, alice.email);
    let status = flashback::Client::from(&client).get_mfa_status().await;
    assert!(!status.expect("signed in").data.is_enabled);
    let users = veeam::Client::from(&client);
    assert_eq!(users.list_users().await.expect("a list").total_count, 1);
    let first = users.list_users().limit(1).stream().next().await;
    first.expect("an entry").expect("a user");
}

async fn an_act_that_needs_fresh_proof_asks_for_it_and_goes_on() {
    use identity::types::{MfaVerifyRequest, StepUpResponse};

    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    // Fresh proof lasts five minutes; the access token lives for fifteen.
    server.clock.advance(400);
    let code = alice.fresh_code();
    let ask = move |wanted: StepUp| {
        let code = code.clone();
        async move {
            let client = identity::Client::from(&wanted);
            let StepUpResponse::MfaRequired(step) = client.begin_step_up().await? else {
                panic!("a challenge")
            };
            let proof = MfaVerifyRequest::new(step.mfa_token, code);
            let done = client.verify_step_up(proof).await?;
            Ok::<Lifted, Failure>(Lifted::from(&done))
        }
    };
    let client = Client::builder(&server.url()).step_up(ask);
    let client = client.build().expect("this machine");
    client.sign_in_with(Session::new(
        alice.access_token.as_str(),
        alice.refresh_token.as_str(),
        900,
    ));
    let codes = client.generate_recovery_codes().await;
    assert_eq!(codes.expect("lifted").remaining, 10);
    let lifted = client.session().expect("signed in");
    assert_ne!(lifted.access_token().expose(), alice.access_token);
    assert_eq!(lifted.refresh_token().expose(), alice.refresh_token);
}

const CAROL: &str = "carol@example.com";

/// Registers Carol, after a wrong code.
async fn registers(client: &Client, server: &Server) {
    let registering = client.register(identity::types::RegisterRequest::new(CAROL, PASSWORD));
    let registration = registering.await.expect("registered");
    let refused = registration
        .verify("000000")
        .await
        .expect_err("a wrong code");
    assert_eq!(refused.code(), Some("INVALID_REGISTRATION_CODE"));
    let code = server.mail.code_to(CAROL).await;
    let signed_in = refused.open.verify(code).await.expect("proved");
    assert_eq!(signed_in.user.email, CAROL);
    assert!(client.is_signed_in());
}

/// Turns codes by mail on.
async fn sets_up_mail(client: &Client, server: &Server) {
    use identity::types::{MfaMethod, MfaSetupRequest};

    let set_up = client
        .set_up(MfaSetupRequest::new(MfaMethod::Email, PASSWORD))
        .await;
    let code = server.mail.code_to(CAROL).await;
    let done = set_up.expect("begun").verify(code).await.expect("on");
    assert_eq!(done.mfa_methods, [MfaMethod::Email]);
}

/// Signs in with a code that is sent again.
async fn signs_in_by_mail(client: &Client, server: &Server) {
    use identity::SignIn;
    use identity::types::MfaMethod;

    let asked = client.sign_in(CAROL, PASSWORD).await.expect("asked");
    let SignIn::Challenge(challenge) = asked else {
        panic!("a second factor is on")
    };
    assert_eq!(challenge.method(), &MfaMethod::Email);
    let _replaced = server.mail.code_to(CAROL).await;
    server.clock.advance(60);
    let challenge = challenge.resend().await.expect("sent again");
    assert!(challenge.resend_after().is_some_and(|seconds| seconds > 0));
    let code = server.mail.code_to(CAROL).await;
    challenge.answer(code).await.expect("signed in");
}

/// Lifts the session by fresh proof: its access token is another one then, its refresh token is not.
async fn steps_up_by_mail(client: &Client, server: &Server) {
    use identity::SteppingUp;
    use identity::types::StepUpRequest;

    let before = client.session().expect("signed in");
    let asked = client.step_up(StepUpRequest::new()).await.expect("asked");
    let SteppingUp::Challenge(challenge) = asked else {
        panic!("a second factor is on")
    };
    let code = server.mail.code_to(CAROL).await;
    challenge.answer(code).await.expect("fresh proof");
    let after = client.session().expect("signed in");
    assert_ne!(
        after.access_token().expose(),
        before.access_token().expose()
    );
    assert_eq!(
        after.refresh_token().expose(),
        before.refresh_token().expose()
    );
}

/// Turns codes by mail off.
async fn turns_mail_off(client: &Client, server: &Server) {
    use identity::types::{MfaDisableRequest, MfaMethod};

    let off = client
        .turn_off(MfaDisableRequest::new(MfaMethod::Email, PASSWORD))
        .await;
    let code = server.mail.code_to(CAROL).await;
    let done = off.expect("begun").verify(code).await.expect("off");
    assert!(done.mfa_methods.is_empty());
}

async fn a_conversation_registers_sets_up_and_signs_in() {
    let server = Server::start().await;
    let client = client(&server);
    registers(&client, &server).await;
    sets_up_mail(&client, &server).await;
    client.logout().await.expect("signed out");
    server.clock.advance(60);
    signs_in_by_mail(&client, &server).await;
    server.clock.advance(600);
    steps_up_by_mail(&client, &server).await;
    turns_mail_off(&client, &server).await;
}

async fn a_challenge_comes_back_with_what_was_wrong() {
    use identity::types::{MfaMethod, VerifyMfaLoginError};
    use identity::{Refused, SignIn};

    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let client = client(&server);
    let wrong = client.sign_in(&*alice.email, "not the password").await;
    assert_eq!(
        wrong.expect_err("refused").code(),
        Some("INVALID_CREDENTIALS")
    );
    let SignIn::Challenge(challenge) = client
        .sign_in(&*alice.email, PASSWORD)
        .await
        .expect("asked")
    else {
        panic!("a second factor is on")
    };
    let off = challenge
        .switch_to(MfaMethod::Sms)
        .await
        .expect_err("not on");
    assert_eq!(off.code(), Some("MFA_METHOD_NOT_ENABLED"));
    let refused = off
        .open
        .answer(alice.wrong_code())
        .await
        .expect_err("wrong");
    let Refused {
        open,
        error: VerifyMfaLoginError::InvalidMfaCode {
            attempts_remaining, ..
        },
    } = refused
    else {
        panic!("typed: {refused:?}")
    };
    assert_eq!(attempts_remaining, 4);
    assert!(!client.is_signed_in());
    let signed_in = open.answer(alice.fresh_code()).await.expect("signed in");
    assert_eq!(signed_in.user.email, alice.email);
    assert_eq!(
        client.get_current_user().await.expect("me").email,
        alice.email
    );
}
