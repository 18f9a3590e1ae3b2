//! What holds across all APIs, derived from their documents, so that no new operation can be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use contract_tests::call::Method;
use contract_tests::contract::{Contract, Operation};
use contract_tests::{Answer, Call, PASSWORD, Person, Server, Value, json, tests};

tests! {
    without_the_second_factor_nothing_is_returned_that_opens_anything,
    a_reference_is_taken_only_where_its_purpose_fits,
    an_unfinished_sign_in_opens_what_finishes_or_abandons_it,
}

/// What an assertion looks like that no authenticator made.
fn credential() -> Value {
    json!({
        "id": "AAAAAAAAAAAAAAAAAAAAAA", "rawId": "AAAAAAAAAAAAAAAAAAAAAA", "type": "public-key",
        "response": { "clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA",
            "attestationObject": "AAAA" },
    })
}

/// The values to try for a field of a request, where there is more than one.
fn variants(field: &str) -> &'static [&'static str] {
    match field {
        "grant_type" => &["Password", "Mfa", "Refresh_token"],
        "method" | "mfaMethod" => &["authenticator", "email"],
        "mfaType" => &["GOOGLE_AUTH", "MAGIC_LINK", "PASSKEY"],
        "shortMessageType" => &["AttemptLogin", "ContactInfoUpdateRequest", "UNKNOWN"],
        _ => &[],
    }
}

/// The operations of all documents whose good answers have a token in them, with the fields it stands in.
fn returning_tokens() -> Vec<(&'static Operation, BTreeSet<String>)> {
    let mut found = Vec::new();
    for source in countersign::api::documents() {
        let document: Value = yaml_serde::from_str(source.yaml).expect("YAML");
        for operation in Contract::get().of(source.name) {
            let method = operation.method.to_lowercase();
            let answers = &document["paths"][&operation.path][&method]["responses"];
            let mut names = BTreeSet::new();
            for (status, answer) in answers.as_object().into_iter().flatten() {
                if status.starts_with('2') {
                    collect_tokens(&document, answer, &mut names);
                }
            }
            if !names.is_empty() {
                found.push((operation, names));
            }
        }
    }
    found
}

fn collect_tokens(document: &Value, value: &Value, names: &mut BTreeSet<String>) {
    if let Some(target) = value["$ref"].as_str() {
        let target = document.pointer(target.trim_start_matches('#'));
        return collect_tokens(
            document,
            target.expect("a reference that leads somewhere"),
            names,
        );
    }
    for (name, property) in value["properties"].as_object().into_iter().flatten() {
        let plain = name.replace('_', "").to_lowercase();
        if (plain.ends_with("token") || plain == "apikey") && property["type"] == "string" {
            names.insert(name.clone());
        }
    }
    match value {
        Value::Object(members) => {
            let members = members
                .iter()
                .filter(|(name, _)| !name.starts_with("example"));
            members.for_each(|(_, inner)| collect_tokens(document, inner, names));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_tokens(document, item, names)),
        _ => {}
    }
}

/// The names of an operation's fields.
fn fields(operation: &Operation) -> Vec<String> {
    let body = operation.body.as_ref();
    let properties = body.and_then(|body| body["properties"].as_object());
    properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

/// The bodies to try: every field that is known here, once for each variant of one of them.
fn bodies(operation: &Operation, known: &BTreeMap<&str, Value>) -> Vec<Value> {
    let fields = fields(operation);
    let mut base = json!({});
    for name in &fields {
        if let Some(value) = known.get(name.as_str()) {
            base[name] = value.clone();
        }
    }
    let Some(choice) = fields.iter().find(|name| !variants(name).is_empty()) else {
        return vec![base];
    };
    let chosen = variants(choice).iter().map(|value| {
        let mut body = base.clone();
        body[choice] = json!(value);
        body
    });
    chosen.collect()
}

/// A call of an operation with a body, as JSON or as a form.
fn call(server: &Server, operation: &Operation, body: &Value) -> Call {
    let method: Method = operation.method.parse().expect("a method");
    let call = server.call(method, &operation.sample_path());
    match &operation.body {
        None => call,
        Some(_) if operation.body_is_form => {
            let members = body.as_object().into_iter().flatten();
            let pairs: Vec<(&str, &str)> = members
                .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
                .collect();
            call.form(&pairs)
        }
        Some(_) => call.json(body),
    }
}

/// Whether a text ends in a UUID: an id, which is no secret and stands in the log.
fn is_id(text: &str) -> bool {
    let end = text.len().checked_sub(36).and_then(|at| text.get(at..));
    let lengths = |uuid: &str| uuid.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    end.is_some_and(lengths)
}

/// All texts of an answer that could be tokens, by where they stand.
fn texts(value: &Value, place: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text)
            if text.len() >= 16 && !text.contains(char::is_whitespace) && !is_id(text) =>
        {
            found.insert(place.to_owned(), text.clone());
        }
        Value::Object(members) => {
            for (name, inner) in members {
                texts(inner, &format!("{place}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, place, found)),
        _ => {}
    }
}

/// Somebody with an app on, who has a session from before that it ended.
async fn with_app(server: &Server, email: &str) -> (Person, Person) {
    let stale = server.registered(email).await;
    let mut person = Person::signed_in(server, email, &stale.login().await.is(200));
    person.enable_authenticator().await;
    (person, stale)
}

async fn without_the_second_factor_nothing_is_returned_that_opens_anything() {
    let server = Server::with(|settings| settings.policy.mail_calls_per_source = 100_000).await;
    let operations = returning_tokens();
    assert!(
        operations.len() >= 12,
        "{} operations only",
        operations.len()
    );
    let mut returned = BTreeMap::new();
    for (number, (operation, _)) in operations.iter().enumerate() {
        let email = format!("alice{number}@example.com");
        let (alice, stale) = with_app(&server, &email).await;
        let mut understood = false;
        for bearer in ["none", "pending", "stale"] {
            let mut known: BTreeMap<&str, Value> = BTreeMap::new();
            let asked = server.register(&email).await.is(202);
            let passkey = server
                .post("/identity/passkey/options", &json!({}))
                .await
                .is(200);
            for name in ["email", "login", "userName", "username"] {
                known.insert(name, json!(email));
            }
            known.insert("password", json!(PASSWORD));
            known.insert("code", json!(alice.wrong_code()));
            known.insert("mfa_code", json!(alice.wrong_code()));
            known.insert("refreshToken", json!(stale.refresh_token));
            known.insert("refresh_token", json!(stale.refresh_token));
            known.insert("registrationToken", json!(asked.text("registrationToken")));
            known.insert("passkeyToken", json!(passkey.text("passkeyToken")));
            known.insert("credential", credential());
            known.insert("firstName", json!("Alice"));
            known.insert("name", json!("x"));
            known.insert("scopes", json!(["users:read"]));
            let count = bodies(operation, &known).len();
            for index in 0..count {
                let pending = alice.begin_sign_in().await;
                for name in ["mfaToken", "mfa_token", "token"] {
                    known.insert(name, json!(pending));
                }
                // Netevia's `token` is another name of `code`.
                if operation.api == "netevia" {
                    known.insert("token", json!(alice.wrong_code()));
                }
                let body = &bodies(operation, &known)[index];
                let call = call(&server, operation, body);
                let answer = match bearer {
                    "pending" => call.bearer(&pending).await,
                    "stale" => call.bearer(&stale.access_token).await,
                    _nobody => call.await,
                };
                assert!(answer.status < 500, "{}: {}", operation.name(), answer.text);
                understood |= answer["code"] != "VALIDATION";
                if answer.status < 300 {
                    texts(&answer.body, &operation.name(), &mut returned);
                }
            }
        }
        assert!(
            understood,
            "{} was never called as it must be",
            operation.name()
        );
    }
    assert!(returned.len() >= 4, "{returned:?}");
    for (place, text) in &returned {
        opens_nothing(&server, place, text).await;
    }
    // That the probes would find a token that opens something.
    let bob = server.registered("bob@example.com").await;
    bob.me().await.is(200);
    server.refresh(&bob.refresh_token).await.is(200);
}

/// That a text is neither a bearer of what needs a finished sign-in, nor refreshes into one.
async fn opens_nothing(server: &Server, place: &str, text: &str) {
    let secured = Contract::get().operations.iter();
    for operation in secured.filter(|one| one.is_secured() && !one.security.pending) {
        let answer = call(server, operation, &json!({})).bearer(text).await;
        assert_eq!(answer.status, 401, "{place} opens {}", operation.name());
    }
    for (operation, field) in refreshing() {
        let mut body = json!({ "grant_type": "Refresh_token" });
        if operation.api != "veeam" {
            body = json!({});
        }
        body[&field] = json!(text);
        let answer = call(server, operation, &body).await;
        assert!(
            answer.status >= 400,
            "{place} refreshes at {}",
            operation.name()
        );
    }
}

/// The operations that trade a refresh token for an access token.
fn refreshing() -> Vec<(&'static Operation, String)> {
    let mut found = Vec::new();
    for (operation, _) in returning_tokens() {
        let names = fields(operation);
        let field = names
            .iter()
            .find(|name| ["refreshToken", "refresh_token"].contains(&name.as_str()));
        found.extend(field.map(|field| (operation, field.clone())));
    }
    assert!(!found.is_empty());
    found
}

async fn an_unfinished_sign_in_opens_what_finishes_or_abandons_it() {
    let server = Server::start().await;
    let (alice, _) = with_app(&server, "alice@example.com").await;
    let pending: Vec<&Operation> = Contract::get()
        .operations
        .iter()
        .filter(|operation| operation.security.pending)
        .collect();
    let paths: Vec<&str> = pending
        .iter()
        .map(|operation| operation.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "/mfa/status",
            "/mfa/magic-link/send",
            "/mfa/passkey/auth-options",
            "/mfa/verify-login",
            "/user/logout"
        ]
    );
    for operation in pending {
        let token = alice.begin_sign_in().await;
        let answer = call(&server, operation, &json!({})).bearer(&token).await;
        assert_ne!(answer.status, 401, "{}: {}", operation.name(), answer.text);
    }
}

/// Every kind of reference that one person can hold.
struct Held {
    alice: Person,
    kinds: BTreeMap<&'static str, String>,
}

impl Held {
    async fn make(server: &Server, root: &Person, number: usize) -> Self {
        let email = format!("alice{number}@example.com");
        let mut alice = server.registered(&email).await;
        alice.enable_authenticator().await;
        alice.sign_in().await;
        let setup = alice.begin_setup("email").await.is(200);
        let link = server.mail.link_to(&email).await;
        let step_up = alice.post("/identity/step-up", &json!({})).await.is(200);
        let disable = alice.begin_disable("authenticator").await.is(200);
        let asked = server
            .register(&format!("bob{number}@example.com"))
            .await
            .is(202);
        let passkey = server
            .post("/identity/passkey/options", &json!({}))
            .await
            .is(200);
        let carol = format!("carol{number}@example.com");
        let body = super::flashback::registration(&carol, None);
        server.post("/user/register", &body).await.is(201);
        let kinds = BTreeMap::from([
            ("access", alice.access_token.clone()),
            ("api key", root.api_key(&["users:read"]).await),
            ("disable", disable.text("mfaToken")),
            ("link", link),
            ("login", alice.begin_sign_in().await),
            ("passkey", passkey.text("passkeyToken")),
            ("refresh", alice.refresh_token.clone()),
            ("registration", asked.text("registrationToken")),
            ("registration link", server.mail.link_to(&carol).await),
            ("setup", setup.text("mfaToken")),
            ("step-up", step_up.text("mfaToken")),
        ]);
        Self { alice, kinds }
    }
}

/// The kinds of references that fit into a field of an operation. A field that is not here makes the test fail.
fn fitting(operation: &Operation, field: &str) -> Option<&'static [&'static str]> {
    Some(match (operation.name().as_str(), field) {
        ("identity verifyRegistration", "registrationToken") => &["registration"],
        (_, "refreshToken" | "refresh_token") => &["refresh"],
        // Judges any token, for a service that has a key; nothing is opened by it.
        ("identity validateToken", "token") => &[],
        ("identity verifyMfaSetup" | "identity verifyPasskeySetup", "mfaToken") => &["setup"],
        (
            "identity switchMfaMethod"
            | "identity getPasskeyOptions"
            | "identity verifyMfaLogin"
            | "identity verifyPasskeyLogin",
            "mfaToken",
        ) => &["login"],
        ("identity verifyMfaDisable", "mfaToken") => &["disable"],
        ("identity resendMfaCode", "mfaToken") => &["disable", "login", "setup", "step-up"],
        ("identity verifyStepUp" | "identity verifyPasskeyStepUp", "mfaToken") => &["step-up"],
        ("identity openMagicLink", "token") => &["link"],
        ("identity signInWithPasskey", "passkeyToken") => &["passkey"],
        ("netevia completeAuthentication", "mfaToken") => &["login"],
        // Another name of `code`.
        ("netevia completeAuthentication", "token") => &[],
        ("netevia sendVerificationCode", "mfaToken") => &["login", "setup"],
        ("netevia checkVerificationCode", "mfaToken") => &["login", "setup"],
        ("flashback verifyMfaSetup" | "flashback activateMagicLink", "token") => &["link"],
        ("flashback verifyMfaLogin", "token") => &["link"],
        ("flashback verifyEmail", "token") => &["registration link"],
        ("veeam requestToken", "mfa_token") => &["login"],
        ("veeam acceptMfa", "token") => &["setup"],
        _ => return None,
    })
}

/// Whether an answer shows that the reference was taken: what is wrong then is only the code beside it.
fn took(answer: &Answer) -> bool {
    let beyond = [
        "AUTHENTICATOR_CLOCK_OFF",
        "INVALID_MFA_CODE",
        "INVALID_REGISTRATION_CODE",
        "PASSKEY_REFUSED",
        "RESEND_COOLDOWN",
        "RESEND_ONLY_FOR_EMAIL",
    ];
    answer.status < 300
        || answer["code"]
            .as_str()
            .is_some_and(|code| beyond.contains(&code))
}

async fn a_reference_is_taken_only_where_its_purpose_fits() {
    let server = Server::with(|settings| settings.policy.mail_calls_per_source = 100_000).await;
    let references = [
        "mfaToken",
        "mfa_token",
        "passkeyToken",
        "refreshToken",
        "refresh_token",
        "registrationToken",
        "token",
    ];
    let mut taken = BTreeSet::new();
    let all = Contract::get().operations.iter().enumerate();
    for (number, operation) in all.filter(|(_, operation)| operation.id != "logout") {
        let fields = fields(operation);
        let named = fields
            .iter()
            .filter(|name| references.contains(&name.as_str()));
        for (ordinal, field) in named.enumerate() {
            let fits = fitting(operation, field);
            let fits = fits.unwrap_or_else(|| panic!("{}.{field}: what fits?", operation.name()));
            let number = number * 10 + ordinal;
            // An own one each time: administrators must have signed in lately.
            let root = format!("root{number}@example.com");
            let root = server.administrator(&root).await;
            let held = Held::make(&server, &root, number).await;
            let alice = &held.alice;
            for (kind, reference) in &held.kinds {
                let known: BTreeMap<&str, Value> = BTreeMap::from([
                    ("code", json!(alice.wrong_code())),
                    ("mfa_code", json!(alice.wrong_code())),
                    ("credential", credential()),
                    (field.as_str(), json!(reference)),
                ]);
                for body in bodies(operation, &known) {
                    let call = call(&server, operation, &body);
                    let call = match operation.security.bearer {
                        true => call.bearer(&alice.access_token),
                        false => call,
                    };
                    let answer = call.await;
                    assert!(answer.status < 500, "{}: {}", operation.name(), answer.text);
                    let place = format!("{}.{field} of {kind}", operation.name());
                    if took(&answer) {
                        assert!(fits.contains(kind), "{place}: {}", answer.text);
                        taken.insert(operation.name());
                    }
                }
            }
        }
    }
    for operation in [
        "identity verifyMfaLogin",
        "identity refreshToken",
        "identity openMagicLink",
    ] {
        assert!(
            taken.contains(operation),
            "{operation} took nothing: {taken:?}"
        );
    }
}
