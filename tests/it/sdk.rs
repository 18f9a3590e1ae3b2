//! The SDK's modules against a real server: what each document's client reads is what the server answers.

use contract_tests::{PASSWORD, Person, Server, tests};
use countersign_sdk::{Failure, Front, Lifted, Problem, Repeats, StepUp};
use countersign_sdk::{flashback, identity, netevia, veeam};

tests! {
    flashbacks_client_signs_in,
    netevias_client_signs_in,
    veeams_client_signs_in,
    one_session_serves_the_clients_of_all_documents,
    an_act_that_needs_fresh_proof_asks_for_it_and_goes_on,
}

fn front(server: &Server) -> Front {
    let builder = Front::builder(&server.url()).repeats(Repeats::never());
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
    let client = flashback::Client::from(&front(&server));
    let login = LoginRequest {
        device_info: Default::default(),
        email: alice.email.clone(),
        password: PASSWORD.into(),
    };
    let asked = client.login().body(login).send().await.expect("asked");
    assert!(asked.mfa_required);
    assert_eq!(asked.mfa_methods, [MfaType::GoogleAuth]);
    client.sign_in_with(&asked);
    let status = client.get_mfa_status().send().await.expect("a status");
    assert!(!status.data.session_verified);

    let proof = |code: String| VerifyMfaLoginRequest {
        code: Some(code.into()),
        credential: None,
        mfa_type: MfaType::GoogleAuth,
        token: None,
    };
    let wrong = proof(alice.wrong_code());
    let refused = client.verify_mfa_login().body(wrong).send().await;
    let Err(flashback::Error::ErrorResponse(refused)) = refused else {
        panic!("an error of the operation")
    };
    let VerifyMfaLoginError::InvalidMfaCodeErrorResponse(wrong) = refused.into_inner() else {
        panic!("typed")
    };
    assert_eq!(wrong.attempts_remaining, 4);

    let right = proof(alice.fresh_code());
    let done = client.verify_mfa_login().body(right).send().await;
    client.sign_in_with(&done.expect("signed in"));
    let profile = client.get_profile().send().await.expect("a profile");
    assert!(profile.success);
    client.logout().send().await.expect("signed out");
    assert!(!client.is_signed_in());
}

async fn netevias_client_signs_in() {
    use netevia::types::{AuthRequest, AuthResponse, CompleteAuthRequest, SignInMethod};

    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let client = netevia::Client::from(&front(&server));
    let login = AuthRequest {
        email: Some(alice.email.clone()),
        login: None,
        password: PASSWORD.into(),
        user_name: None,
    };
    let asked = client.authenticate().body(login).send().await;
    let AuthResponse::MfaRequiredResponse(asked) = asked.expect("asked").into_inner() else {
        panic!("a second factor")
    };
    assert_eq!(asked.mfa_method, SignInMethod::Authenticator);
    let proof = CompleteAuthRequest {
        code: Some(alice.fresh_code().into()),
        mfa_token: asked.mfa_token,
        token: None,
    };
    let done = client.complete_authentication().body(proof).send().await;
    let done = done.expect("signed in");
    client.sign_in_with(&*done);
    let off = client.disable_mfa_sign_in().send().await.expect("fresh");
    assert!(!off.mfa_enabled);
}

async fn veeams_client_signs_in() {
    use veeam::types::{RequestTokenError, TokenRequest};

    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let client = veeam::Client::from(&front(&server));
    let password = |password: &str| TokenRequest {
        grant_type: Some("Password".to_owned()),
        mfa_code: None,
        mfa_token: None,
        password: Some(password.into()),
        refresh_token: None,
        username: Some("alice@example.com".to_owned()),
    };
    let refused = client
        .request_token()
        .body(password("guessed"))
        .send()
        .await;
    let refused = refused.expect_err("a wrong password");
    assert!(refused.message().is_some() && refused.request_id().is_some());
    let veeam::Error::ErrorResponse(refused) = refused else {
        panic!("an error of the operation")
    };
    assert!(matches!(
        refused.into_inner(),
        RequestTokenError::InvalidCredentialsErrorResponse(_)
    ));

    let asked = client.request_token().body(password(PASSWORD)).send().await;
    let asked = asked.expect("asked").into_inner();
    assert!(asked.session().is_none(), "a second factor first");
    let proof = TokenRequest {
        grant_type: Some("Mfa".to_owned()),
        mfa_code: Some(alice.fresh_code().into()),
        mfa_token: asked.mfa_token,
        password: None,
        refresh_token: None,
        username: None,
    };
    let done = client.request_token().body(proof).send().await;
    client.sign_in_with(done.expect("signed in").session().expect("tokens"));
    let users = client.list_users().send().await.expect("a list");
    assert_eq!(users.results.len(), 1);
    assert!(users.results[0].mfa_enabled);
}

async fn one_session_serves_the_clients_of_all_documents() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let front = front(&server);
    front.sign_in_with(countersign_sdk::Session::bearer(
        alice.access_token.as_str(),
    ));
    let me = identity::Client::from(&front)
        .get_current_user()
        .send()
        .await;
    assert_eq!(me.expect("signed in").email, alice.email);
    let status = flashback::Client::from(&front)
        .get_mfa_status()
        .send()
        .await;
    assert!(!status.expect("signed in").data.is_enabled);
    let users = veeam::Client::from(&front).list_users().send().await;
    assert_eq!(users.expect("signed in").total_count, 1);
}

async fn an_act_that_needs_fresh_proof_asks_for_it_and_goes_on() {
    use identity::types::{MfaVerifyRequest, StepUpRequest, StepUpResponse};

    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    alice.sign_in().await;
    // P-33: five minutes; the access token lives fifteen.
    server.clock.advance(400);
    let code = alice.fresh_code();
    let ask = move |wanted: StepUp| {
        let code = code.clone();
        async move {
            let client = identity::Client::from(wanted.front());
            let begun = client.begin_step_up().body(StepUpRequest::default());
            let StepUpResponse::ChallengeResponse(step) = begun.send().await?.into_inner() else {
                panic!("a challenge")
            };
            let proof = MfaVerifyRequest {
                mfa_token: step.mfa_token,
                code: code.into(),
            };
            let done = client.verify_step_up().body(proof).send().await?;
            Ok::<Lifted, Failure>(Lifted::from(&done))
        }
    };
    let front = Front::builder(&server.url()).step_up(ask);
    let front = front.build().expect("this machine");
    front.sign_in_with(countersign_sdk::Session::new(
        alice.access_token.as_str().into(),
        alice.refresh_token.as_str().into(),
        900,
    ));
    let client = identity::Client::from(&front);
    let codes = client.generate_recovery_codes().send().await;
    assert_eq!(codes.expect("lifted").remaining, 10);
    let lifted = front.session().expect("signed in");
    assert_ne!(lifted.access_token().expose(), alice.access_token);
    assert_eq!(lifted.refresh_token().expose(), alice.refresh_token);
}
