//! The Veeam API when the server or the request as a whole is broken: every operation answers with
//! problem details.

use contract_tests::call::at_once;
use contract_tests::contract::{Contract, Operation};
use contract_tests::{Call, PASSWORD, Person, Server, json, tests};

use crate::veeam::{act, enable, number, root, sign_in};

tests! {
    without_its_database_every_operation_is_unavailable,
    a_row_that_makes_no_sense_is_a_fault_of_ours,
    another_media_type_is_refused,
    a_body_that_is_too_large_is_refused,
    a_body_that_never_comes_is_refused,
    an_expired_token_is_told_from_an_invalid_one,
    unknown_paths_and_methods_are_told_in_problem_details,
    a_bodiless_call_may_have_a_media_type,
}

fn operations() -> impl Iterator<Item = &'static Operation> {
    Contract::get().of("veeam")
}

struct World {
    root: Person,
    own: i64,
    token: String,
}

impl World {
    async fn make(server: &Server) -> Self {
        let root = root(server).await;
        let own = number(&root).await;
        let begun = enable(&root, own, &json!(false)).await.is(200);
        Self {
            root,
            own,
            token: begun.text("token"),
        }
    }

    /// Makes a call of an operation that succeeds as long as the server works.
    fn call(&self, operation: &Operation) -> Call {
        let body = match operation.id.trim_end_matches("V81") {
            "requestToken" => return sign_in(&self.root.server, "root@example.com", PASSWORD),
            "addUser" => json!({ "name": "bob", "password": "five copper kettles whistle" }),
            "updateUser" => json!({ "description": "x" }),
            "enableMfa" => json!({ "recreate": false }),
            "acceptMfa" => json!({ "token": self.token, "code": "123456" }),
            _without_a_body => return self.bare(operation),
        };
        self.bare(operation).json(&body)
    }

    /// Makes a call of an operation without a body.
    fn bare(&self, operation: &Operation) -> Call {
        let path = operation.path.replace("{id}", &self.own.to_string());
        let method = operation.method.parse().expect("a method");
        self.root.call(method, &path)
    }
}

async fn without_its_database_every_operation_is_unavailable() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    server.database.cut();
    for operation in operations() {
        let answer = world.call(operation).await;
        answer.refused(503, "SERVICE_UNAVAILABLE");
    }
    server.database.mend();
}

async fn a_row_that_makes_no_sense_is_a_fault_of_ours() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    for statement in [
        "UPDATE sessions SET acr = 'nonsense'",
        "UPDATE users SET role = 'nonsense'",
    ] {
        server.database.run(statement);
    }
    for operation in operations() {
        let answer = world.call(operation).await;
        let answer = answer.refused(500, "INTERNAL");
        assert!(!answer.text.contains("nonsense"), "{}", answer.text);
        assert_eq!(answer["title"], "Internal Server Error");
    }
}

async fn another_media_type_is_refused() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    for operation in operations().filter(|operation| operation.body.is_some()) {
        let refused = world.bare(operation).body("text/plain", "x=y").await;
        refused.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
}

async fn a_body_that_never_comes_is_refused() {
    let server = Server::with(|settings| settings.header_timeout_seconds = 1).await;
    let world = World::make(&server).await;
    let calls = operations()
        .filter(|operation| operation.body.is_some())
        .map(|operation| {
            let media = match operation.body_is_form {
                true => "application/x-www-form-urlencoded",
                false => "application/json",
            };
            world.bare(operation).without_its_body(media)
        });
    for answer in at_once(calls).await {
        let refused = answer.refused(408, "REQUEST_TIMEOUT");
        assert_eq!(refused["title"], "Request Timeout");
    }
}

async fn a_body_that_is_too_large_is_refused() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    for operation in operations().filter(|operation| operation.body.is_some()) {
        let media = match operation.body_is_form {
            true => "application/x-www-form-urlencoded",
            false => "application/json",
        };
        let refused = world.bare(operation).body(media, " ".repeat(17_000)).await;
        refused.refused(413, "PAYLOAD_TOO_LARGE");
    }
}

async fn an_expired_token_is_told_from_an_invalid_one() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    server.clock.advance(1_000);
    for operation in operations().filter(|operation| operation.is_secured()) {
        let refused = world.call(operation).await;
        refused.refused(401, "TOKEN_EXPIRED");
    }
}

async fn unknown_paths_and_methods_are_told_in_problem_details() {
    let server = Server::start().await;
    let root = root(&server).await;
    let refused = root.get("/api/v1/users/1/unknownMfa").await;
    refused.refused(404, "NOT_FOUND");
    let refused = root.get("/api/v1/users/1/enableMfa").await;
    let refused = refused.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(refused.header("allow").as_deref(), Some("POST"));
}

async fn a_bodiless_call_may_have_a_media_type() {
    let server = Server::start().await;
    let root = root(&server).await;
    let own = number(&root).await;
    let call = act(&root, own, "disableMfa").header("Content-Type", "application/json");
    call.await.is(200);
}
