//! Passkeys by the SDK: what a program without a browser does, a device at hand.

use contract_tests::{Device, PASSWORD, Server, Value, tests};
use countersign_sdk::Failure;
use countersign_sdk::identity::{Client, types::*};

tests! {
    the_sdk_makes_a_passkey_and_signs_in_with_it,
}

fn credential(answer: Value) -> PasskeyCredential {
    serde_json::from_value(answer).expect("a credential")
}

async fn the_sdk_makes_a_passkey_and_signs_in_with_it() {
    let server = Server::start().await;
    let device = Device::new();
    by_sdk(&server, &device).await.expect("signed in");
}

async fn by_sdk(server: &Server, device: &Device) -> Result<(), Failure> {
    let client = Client::at(&server.url()).expect("a good address");
    let register = RegisterRequest {
        email: "alice@example.com".to_owned(),
        password: PASSWORD.into(),
        first_name: None,
        last_name: None,
    };
    let begun = client.register_user().body(register).send().await?;
    let proof = RegisterVerifyRequest {
        registration_token: begun.registration_token.clone(),
        code: server.mail.code_to("alice@example.com").await.into(),
    };
    let tokens = client.verify_registration().body(proof).send().await?;
    client.sign_in_with(&tokens);

    let setup = MfaSetupRequest {
        method: MfaMethod::Passkey,
        password: PASSWORD.into(),
        name: Some("Laptop".to_owned()),
        phone_number: None,
    };
    let begun = client.setup_mfa().body(setup).send().await?.into_inner();
    let MfaSetupResponse::PasskeyResponse(begun) = begun else {
        panic!("asked for a passkey, and got {begun:?}")
    };
    let made = device.create(&Value::Object(begun.public_key)).await;
    let proof = PasskeyVerifyRequest {
        mfa_token: begun.mfa_token,
        credential: credential(made.expect("a passkey")),
    };
    client.verify_passkey_setup().body(proof).send().await?;
    client.logout().send().await?;

    // As a second step.
    let login = LoginRequest {
        email: "alice@example.com".to_owned(),
        password: PASSWORD.into(),
    };
    let step = client.login().body(login).send().await?.into_inner();
    let LoginAnswer::MfaRequiredResponse(step) = step else {
        panic!("no second factor was asked for")
    };
    let asked = PasskeyOptionsRequest {
        mfa_token: step.mfa_token.clone(),
    };
    let asked = client.get_passkey_options().body(asked).send().await?;
    let options = Value::Object(asked.public_key.clone());
    let used = device.get(&options).await.expect("an assertion");
    let proof = PasskeyVerifyRequest {
        mfa_token: step.mfa_token,
        credential: credential(used),
    };
    let tokens = client.verify_passkey_login().body(proof).send().await?;
    client.sign_in_with(&tokens);
    let me = client.get_current_user().send().await?;
    assert_eq!(me.session.amr, ["pwd", "pop", "mfa"]);
    client.logout().send().await?;

    // Alone.
    let asked = client.get_sign_in_passkey_options().send().await?;
    let options = Value::Object(asked.public_key.clone());
    let used = device.get(&options).await.expect("an assertion");
    let proof = SignInPasskeyRequest {
        passkey_token: asked.passkey_token.clone(),
        credential: credential(used.clone()),
    };
    let tokens = client.sign_in_with_passkey().body(proof).send().await?;
    client.sign_in_with(&tokens);
    let me = client.get_current_user().send().await?;
    assert_eq!(me.email, "alice@example.com");
    assert_eq!(me.session.amr, ["pop", "user", "mfa"]);
    client.logout().send().await?;

    // The same answer a second time.
    let asked = client.get_sign_in_passkey_options().send().await?;
    let again = SignInPasskeyRequest {
        passkey_token: asked.passkey_token.clone(),
        credential: credential(used),
    };
    let refused = client.sign_in_with_passkey().body(again).send().await;
    let refused = refused.err().map(Failure::from).expect("a refusal");
    assert!(refused.to_string().contains("passkey"), "{refused}");
    Ok(())
}
