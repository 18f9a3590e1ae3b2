//! Names of people, companies, devices and keys, in all four APIs: what they may hold.

use contract_tests::{Answer, PASSWORD, Person, Server, Value, json, tests};

use super::{flashback, veeam};

tests! {
    names_show_something_and_hide_nothing,
}

/// A name that is refused.
#[derive(Clone, Copy)]
struct Odd {
    name: &'static str,
    /// Whether it hides or reverses something. If not, it only shows nothing.
    harmful: bool,
}

const ODD: [Odd; 8] = [
    nothing(" "),
    nothing("\u{3164}"),
    harmful("\u{200b}"),
    harmful("\u{202e}ecilA"),
    harmful("Al\u{200b}ice"),
    harmful("\u{200f}Alice"),
    harmful("\u{2066}Alice\u{2069}"),
    harmful("Al\nice"),
];

const fn nothing(name: &'static str) -> Odd {
    let harmful = false;
    Odd { name, harmful }
}

const fn harmful(name: &'static str) -> Odd {
    let harmful = true;
    Odd { name, harmful }
}

impl Odd {
    /// Asserts that an answer refuses the name, and says why.
    fn is_refused(self, answer: &Answer, field: &str) {
        let Self { name, harmful } = self;
        let errors = &answer["errors"];
        let of_field = |one: &&Value| one["field"] == field;
        let message = match errors.as_array() {
            Some(list) => list.iter().find(of_field).map(|one| one["message"].clone()),
            // Veeam's API lists them in this form.
            None => Some(errors[field][0].clone()),
        };
        let message = message.unwrap_or_else(|| panic!("{field} {name:?}: {}", answer.text));
        let message = message.as_str().expect("a sentence");
        let word = match harmful {
            true => "hide or reverse",
            false => "visible character",
        };
        assert!(message.contains(word), "{field} {name:?}: {message}");
        assert_eq!(answer.status, 400, "{}", answer.text);
    }

    /// Asserts that nobody registers with the name.
    async fn is_no_persons(self, server: &Server, email: &str) {
        for field in ["firstName", "lastName"] {
            let mut body = json!({ "email": email, "password": PASSWORD });
            body[field] = json!(self.name);
            let answer = server.post("/identity/register", &body).await;
            self.is_refused(&answer, field);
            let mut body = flashback::registration(email, Some("Acme"));
            body[field] = json!(self.name);
            let answer = server.post("/user/register", &body).await;
            self.is_refused(&answer, field);
        }
    }

    /// Asserts that no company has the name. An invisible one counts as left out, like that of a
    /// device.
    async fn is_no_companys(self, server: &Server, email: &str) {
        let mut body = flashback::registration(email, Some("Acme"));
        body["companyName"] = json!(self.name);
        let answer = server.post("/user/register", &body).await;
        match self.harmful {
            true => self.is_refused(&answer, "companyName"),
            false => drop(answer.is(201)),
        }
    }

    /// Asserts that no app, no API key and no user of Veeam's API has the name.
    async fn is_nothings_else(self, alice: &Person, root: &Person) {
        let name = self.name;
        for (person, path, body) in [
            (
                alice,
                "/identity/mfa/setup",
                json!({ "method": "authenticator", "password": PASSWORD, "name": name }),
            ),
            (
                root,
                "/identity/api-keys",
                json!({ "name": name, "scopes": ["tokens:validate"] }),
            ),
            (
                root,
                "/api/v1/users",
                json!({ "name": name, "password": PASSWORD }),
            ),
        ] {
            self.is_refused(&person.post(path, &body).await, "name");
        }
    }
}

async fn names_show_something_and_hide_nothing() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    let root = veeam::root(&server).await;
    for (place, odd) in ODD.into_iter().enumerate() {
        let email = format!("b{place}@example.com");
        odd.is_no_persons(&server, &email).await;
        odd.is_no_companys(&server, &email).await;
        odd.is_nothings_else(&alice, &root).await;
    }
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let factor = alice.factor_id("authenticator").await;
    let refused = alice.rename(&factor, "\u{202e}yeK").await;
    refused.refused(400, "VALIDATION");
    for name in ["می‌خواهم", "👩‍🔬", "Ключ №1", "क्‍ष"] {
        let renamed = alice.rename(&factor, name).await;
        assert_eq!(renamed.status / 100, 2, "{name}: {}", renamed.text);
    }
}
