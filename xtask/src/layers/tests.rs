//! Tests with small sources that break each rule of the table, and some that follow it.

use super::breaches;

fn check(path: &str, text: &str) -> Vec<String> {
    breaches(&[(path.to_owned(), text.to_owned())]).expect("the source parses")
}

fn assert_breach(path: &str, text: &str, says: &str) {
    let found = check(path, text);
    assert!(
        found.len() == 1 && found[0].contains(says),
        "{path}: {text}\nexpected: {says}\nfound: {found:#?}"
    );
}

fn assert_kept(path: &str, text: &str) {
    assert_eq!(check(path, text), Vec::<String>::new(), "{path}: {text}");
}

#[test]
fn each_layer_is_held_to_its_row() {
    for (path, text, says) in [
        (
            "api/identity/login.rs",
            "use crate::store::users;",
            ":1: api must not use store",
        ),
        (
            "api/identity/login.rs",
            "use crate::factor::totp;",
            "api must not use factor",
        ),
        (
            "api/identity/login.rs",
            "use crate::vault::Vault;",
            "api must not use vault",
        ),
        (
            "api/identity/login.rs",
            "use crate::api::netevia::X;",
            "one API must not use another",
        ),
        (
            "api/identity/login.rs",
            "use super::super::netevia::X;",
            "one API must not use another",
        ),
        (
            "api/identity/login.rs",
            "use diesel::prelude::*;",
            "api must not name diesel",
        ),
        (
            "http/status.rs",
            "use crate::api::identity;",
            "http must not use api",
        ),
        (
            "http/status.rs",
            "use crate::store::users;",
            "http must not use store",
        ),
        (
            "http/status.rs",
            "use crate::flow::session;",
            "http must not use flow",
        ),
        (
            "flow/login.rs",
            "use crate::http::status;",
            "flow must not use http",
        ),
        (
            "flow/login.rs",
            "use crate::app::App;",
            "flow must not use app (app::App)",
        ),
        (
            "flow/login.rs",
            "use crate::app; type T = app::App;",
            "flow must not use app (app::App)",
        ),
        (
            "flow/login.rs",
            "use crate::courier::X;",
            "flow must not use courier",
        ),
        (
            "flow/login.rs",
            "use actix_web::HttpRequest;",
            "flow must not name actix_web",
        ),
        (
            "flow/login.rs",
            "use utoipa::ToSchema;",
            "flow must not name utoipa",
        ),
        (
            "flow/login.rs",
            "use diesel::prelude::*;",
            "flow must not name diesel",
        ),
        (
            "flow/login.rs",
            "use crate::schema::users;",
            "flow must not use schema",
        ),
        (
            "factor/totp.rs",
            "use crate::flow::login;",
            "factor must not use flow",
        ),
        (
            "factor/totp.rs",
            "use actix_web::web;",
            "factor must not name actix_web",
        ),
        (
            "courier/mod.rs",
            "use crate::flow::login;",
            "courier must not use flow",
        ),
        (
            "store/users.rs",
            "use crate::clock::Clock;",
            "store must not use clock",
        ),
        (
            "store/users.rs",
            "use crate::vault::Vault;",
            "store must not use vault",
        ),
        (
            "model/user.rs",
            "use crate::store::users;",
            "model must not use store",
        ),
        (
            "model/user.rs",
            "use crate::clock::Clock;",
            "model must not use clock",
        ),
        (
            "model/user.rs",
            "use utoipa::ToSchema;",
            "model must not name utoipa",
        ),
        (
            "clock.rs",
            "use crate::config::Settings;",
            "clock must not use config",
        ),
        (
            "outcome.rs",
            "use crate::flow::login;",
            "outcome must not use flow",
        ),
        (
            "vault.rs",
            "use crate::store::users;",
            "vault must not use store",
        ),
        (
            "app.rs",
            "use crate::http::status;",
            "app must not use http",
        ),
        (
            "cli.rs",
            "use crate::store::users;",
            "cli must not use store",
        ),
        ("helpers.rs", "", "helpers is in no layer"),
    ] {
        assert_breach(path, text, says);
    }
}

#[test]
fn what_the_table_allows_is_kept() {
    for (path, text) in [
        (
            "api/identity/login.rs",
            "use crate::{app::App, flow::login, http::Body, model::User, outcome::LoggedIn};",
        ),
        (
            "api/identity/login.rs",
            "use super::error::Refused; use crate::api::identity::error;",
        ),
        (
            "http/caller.rs",
            "use crate::flow::session::Session; use actix_web::HttpRequest;",
        ),
        (
            "flow/login.rs",
            "use crate::app::Ctx; use crate::{factor, store::users}; use super::challenge;",
        ),
        (
            "store/users.rs",
            "use crate::{model::User, schema::users}; use diesel::prelude::*;",
        ),
        (
            "model/user.rs",
            "#[diesel(table_name = crate::schema::users)] pub struct User;",
        ),
        ("serve.rs", "use crate::{api, http};"),
        ("lib.rs", "pub mod api; pub use crate::store::X;"),
    ] {
        assert_kept(path, text);
    }
}

#[test]
fn paths_are_found_wherever_they_stand() {
    for text in [
        "use crate::{model::User, store::users};",
        "use crate::store as db;",
        "use crate::store::{self};",
        "use crate::store; ",
        "use super::super::super::store::users;",
        "fn f() { crate::store::users::all(); }",
        "fn f(_: &crate::store::Conn) {}",
        "type T = Vec<crate::store::Conn>;",
        "fn f() { assert!(crate::store::users::all()); }",
        "wrap! { use crate::{model, store::users}; }",
        "#[with(crate::store::X)] struct S;",
        "mod inner { use super::super::super::super::store::users; }",
        "impl crate::store::Trait for S {}",
    ] {
        assert_breach("api/identity/x.rs", text, "api must not use store");
    }
}

#[test]
fn tests_may_use_everything() {
    assert_kept(
        "flow/login.rs",
        "#[cfg(test)] mod tests { use crate::http::X; use diesel::prelude::*; }",
    );
    assert_kept("flow/login.rs", "#[cfg(test)] use crate::http::X;");
    assert_breach(
        "flow/login.rs",
        "#[cfg(not(test))] use crate::http::X;",
        "flow must not use http",
    );
    let files = [
        (
            "flow/login.rs".to_owned(),
            "#[cfg(test)] mod tests;".to_owned(),
        ),
        (
            "flow/login/tests.rs".to_owned(),
            "use crate::http::X;".to_owned(),
        ),
    ];
    assert_eq!(
        breaches(&files).expect("the sources parse"),
        Vec::<String>::new()
    );
}

#[test]
fn the_sentence_names_file_and_line() {
    let found = check(
        "flow/login.rs",
        "//! x\n\nuse crate::{\n    model::User,\n    http::status,\n};\n",
    );
    assert_eq!(
        found,
        ["server/src/flow/login.rs:5: flow must not use http (http::status)"]
    );
}
