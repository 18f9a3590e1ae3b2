//! Netevia's `/netevia/disablemfa/*`: actions of administrators on other accounts.

use contract_tests::call::Method;
use contract_tests::{PASSWORD, Server, json, tests};
use countersign::flow::operator;

use super::netevia::{Client, authenticate, enforced};

tests! {
    an_administrator_turns_mfa_off_for_others,
    nobody_else_does,
    only_a_profile_that_is_there,
    only_with_fresh_proof,
    what_a_policy_demands_stays,
}

const PATHS: [&str; 2] = ["/netevia/disablemfa/", "/netevia/disablemfa/authtorized/"];

/// Returns a signed-in administrator.
async fn administrator(server: &Server) -> Client {
    let mut root = Client::registered(server, "root@example.com").await;
    let promoted = server
        .app
        .call(async |ctx| operator::promote(ctx, "root@example.com").await);
    promoted.await.expect("promoted");
    let answer = authenticate(server, &root.email, PASSWORD).await.is(200);
    root.token = answer.text("token");
    root
}

async fn number(client: &Client) -> i64 {
    let me = client.call(Method::GET, "/identity/me").await.is(200);
    me.number("number")
}

async fn an_administrator_turns_mfa_off_for_others() {
    let server = Server::start().await;
    let root = administrator(&server).await;
    for (path, email) in PATHS
        .into_iter()
        .zip(["alice@example.com", "bob@example.com"])
    {
        let mut alice = Client::registered(&server, email).await;
        alice.enable_app().await;
        let profile = number(&alice).await;
        let off = root
            .call(Method::POST, &format!("{path}{profile}"))
            .header("Content-Type", "application/json")
            .await
            .is(200);
        assert_eq!(
            (&off["success"], &off["mfaEnabled"], &off["profileId"]),
            (&json!(true), &json!(false), &json!(profile))
        );
        authenticate(&server, email, PASSWORD)
            .await
            .is(200)
            .text("token");
        server.mail.notice_to(email, "no longer needed").await;
        let again = root.call(Method::POST, &format!("{path}{profile}")).await;
        assert_eq!(again.is(200)["mfaEnabled"], false, "it is off already");
    }
    let by_root = "SELECT count(*) AS found FROM audit_events WHERE event = 'factor_paused' AND actor_id IS NOT NULL";
    assert_eq!(server.database.number(by_root), 2);
}

async fn nobody_else_does() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let bob = Client::registered(&server, "bob@example.com").await;
    for path in PATHS {
        for profile in [number(&alice).await, number(&bob).await, 999] {
            let path = format!("{path}{profile}");
            alice
                .call(Method::POST, &path)
                .await
                .refused(403, "FORBIDDEN");
            server
                .call(Method::POST, &path)
                .await
                .refused(401, "TOKEN_INVALID");
        }
    }
    server.clock.advance(911);
    for path in PATHS {
        let late = alice.call(Method::POST, &format!("{path}1")).await;
        late.refused(401, "TOKEN_EXPIRED");
    }
}

async fn only_a_profile_that_is_there() {
    let server = Server::start().await;
    let root = administrator(&server).await;
    for path in PATHS {
        for profile in ["999", "2147483647"] {
            let refused = root.call(Method::POST, &format!("{path}{profile}")).await;
            refused.refused(404, "USER_NOT_FOUND");
        }
        for profile in [
            "0",
            "-1",
            "2147483648",
            "4294967296",
            "x",
            "1.5",
            "99999999999999999999",
        ] {
            let refused = root.call(Method::POST, &format!("{path}{profile}")).await;
            let refused = refused.refused(400, "VALIDATION");
            assert_eq!(refused["errors"][0]["field"], "path", "{profile}");
        }
    }
}

async fn only_with_fresh_proof() {
    let server = Server::start().await;
    let mut root = administrator(&server).await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_app().await;
    let profile = number(&alice).await;
    root.enable_app().await;
    for path in PATHS {
        let stale = root.call(Method::POST, &format!("{path}{profile}")).await;
        stale.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    }
    assert_eq!(alice.methods().await, json!(["authenticator"]));
    root.sign_in().await;
    root.call(Method::POST, &format!("{}{profile}", PATHS[0]))
        .await
        .is(200);
}

async fn what_a_policy_demands_stays() {
    let server = Server::start().await;
    let root = administrator(&server).await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let profile = number(&alice).await;
    enforced(&server, "alice@example.com").await;
    for path in PATHS {
        let refused = root.call(Method::POST, &format!("{path}{profile}")).await;
        refused.refused(403, "MFA_ENFORCED");
    }
}
