//! The main job, end to end: register, set up a second factor, sign out, sign in again with it.

use contract_tests::{Server, tests};

tests! {
    a_person_registers_sets_up_an_app_and_signs_in_with_it needs Oathtool,
}

async fn a_person_registers_sets_up_an_app_and_signs_in_with_it() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_out().await.is(204);
    alice.me().await.refused(401, "TOKEN_INVALID");

    let token = alice.begin_sign_in().await;
    let code = alice.fresh_code();
    let signed_in = server.verify_login(&token, &code).await.is(200);
    alice.keep(&signed_in);
    let me = alice.me().await.is(200);
    assert_eq!(me["session"]["acr"], "aal2");
}
