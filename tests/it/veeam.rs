//! Shared code of the Veeam API's tests: its calls, and users of it.

use contract_tests::call::Method;
use contract_tests::{Answer, Authenticator, Call, Person, Server, Value, json};

/// A password that may be set.
pub const OTHER_PASSWORD: &str = "five copper kettles whistle";

/// Asks for tokens with these form fields.
pub fn token(server: &Server, fields: &[(&str, &str)]) -> Call {
    server.call(Method::POST, "/api/oauth2/token").form(fields)
}

/// Takes the first step of a sign-in.
pub fn sign_in(server: &Server, name: &str, password: &str) -> Call {
    let fields = [
        ("grant_type", "Password"),
        ("username", name),
        ("password", password),
    ];
    token(server, &fields)
}

/// Takes the second step of a sign-in.
pub fn second(server: &Server, mfa_token: &str, code: &str) -> Call {
    let fields = [
        ("grant_type", "Mfa"),
        ("mfa_token", mfa_token),
        ("mfa_code", code),
    ];
    token(server, &fields)
}

/// Exchanges a refresh token.
pub fn refresh(server: &Server, token_: &str) -> Call {
    let fields = [("grant_type", "Refresh_token"), ("refresh_token", token_)];
    token(server, &fields)
}

/// Returns the number of a signed-in user.
pub async fn number(person: &Person) -> i64 {
    person.me().await.is(200).number("number")
}

/// Makes a call that acts on the account with this number.
pub fn act(person: &Person, number: i64, what: &str) -> Call {
    person.call(Method::POST, &format!("/api/v1/users/{number}/{what}"))
}

/// Asks for a secret.
pub fn enable(person: &Person, number: i64, recreate: &Value) -> Call {
    act(person, number, "enableMfa").json(&json!({ "recreate": recreate }))
}

/// Proves the secret.
pub fn accept(person: &Person, number: i64, token: &str, code: &str) -> Call {
    act(person, number, "acceptMfa").json(&json!({ "code": code, "token": token }))
}

/// Returns the scratch codes of an answer.
pub fn scratch(answer: &Answer) -> Vec<String> {
    let codes = answer["scratchCodes"].as_array().expect("scratch codes");
    let codes = codes.iter().map(|code| code.as_str().expect("a string"));
    codes.map(str::to_owned).collect()
}

/// Sets up an app for oneself, to the end. Returns the scratch codes.
pub async fn enabled(person: &mut Person) -> Vec<String> {
    let own = number(person).await;
    let begun = enable(person, own, &json!(false)).await.is(200);
    person.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    let code = person.fresh_code();
    accept(person, own, &begun.text("token"), &code)
        .await
        .is(200);
    scratch(&begun)
}

/// Returns a registered user who typed their password a moment ago.
pub async fn registered(server: &Server, email: &str) -> Person {
    let mut person = server.registered(email).await;
    person.sign_in().await;
    person
}

/// Returns an administrator who typed their password a moment ago.
pub async fn root(server: &Server) -> Person {
    let mut root = server.administrator("root@example.com").await;
    root.sign_in().await;
    root
}

/// Disables an account, which no operation does today.
pub fn shut(server: &Server, email: &str) {
    let sql = format!("UPDATE users SET disabled_at = 1 WHERE email = '{email}'");
    server.database.run(&sql);
}
