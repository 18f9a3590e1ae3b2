//! Passkeys with the SDK: a program without a browser, using a device.

use contract_tests::{Device, PASSWORD, Server, Value, tests};
use countersign_sdk::identity::types::*;
use countersign_sdk::{Client, Failure};

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
    let client = Client::new(&server.url()).expect("a good address");
    let register = RegisterRequest::new("alice@example.com", PASSWORD);
    let begun = client.register_user(register).await?;
    let code = server.mail.code_to("alice@example.com").await;
    let proof = RegisterVerifyRequest::new(begun.registration_token, code);
    client.sign_in_with(&client.verify_registration(proof).await?);

    let setup = MfaSetupRequest::new(MfaMethod::Passkey, PASSWORD).name("Laptop");
    let begun = client.setup_mfa(setup).await?;
    let MfaSetupResponse::Passkey(begun) = begun else {
        panic!("asked for a passkey, and got {begun:?}")
    };
    let made = device.create(&Value::Object(begun.public_key)).await;
    let made = credential(made.expect("a passkey"));
    let proof = PasskeyVerifyRequest::new(begun.mfa_token, made);
    client.verify_passkey_setup(proof).await?;
    client.logout().await?;

    // As a second step.
    let login = LoginRequest::new("alice@example.com", PASSWORD);
    let step = client.login(login).await?;
    let LoginAnswer::MfaRequired(step) = step else {
        panic!("no second factor was asked for")
    };
    let asked = PasskeyOptionsRequest::new(&step.mfa_token);
    let asked = client.get_passkey_options(asked).await?;
    let options = Value::Object(asked.public_key);
    let used = device.get(&options).await.expect("an assertion");
    let proof = PasskeyVerifyRequest::new(step.mfa_token, credential(used));
    client.sign_in_with(&client.verify_passkey_login(proof).await?);
    let me = client.get_current_user().await?;
    assert_eq!(me.session.amr, ["pwd", "pop", "mfa"]);
    client.logout().await?;

    // Alone.
    let asked = client.get_sign_in_passkey_options().await?;
    let options = Value::Object(asked.public_key);
    let used = device.get(&options).await.expect("an assertion");
    let proof = SignInPasskeyRequest::new(asked.passkey_token, credential(used.clone()));
    client.sign_in_with(&client.sign_in_with_passkey(proof).await?);
    let me = client.get_current_user().await?;
    assert_eq!(me.email, "alice@example.com");
    assert_eq!(me.session.amr, ["pop", "user", "mfa"]);
    client.logout().await?;

    // The same answer again.
    let asked = client.get_sign_in_passkey_options().await?;
    let again = SignInPasskeyRequest::new(asked.passkey_token, credential(used));
    let refused = client.sign_in_with_passkey(again).await;
    let refused = refused.map(drop).expect_err("a refusal");
    assert!(refused.to_string().contains("passkey"), "{refused}");
    Ok(())
}
