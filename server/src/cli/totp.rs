//! `totp enrol`: gives a person of a running sandbox an authenticator app, with a QR code in the terminal.

use std::io;

use anyhow::{Context, Result, bail};
use clap::ArgMatches;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::terminal::print;
use super::text;
use crate::log;

/// Signs a person in, shows the QR code, and asks for the first code of the app.
pub(super) async fn enrol(matches: &ArgMatches) -> Result<()> {
    let url = text(matches, "url")?.trim_end_matches('/');
    let http = Client::builder().no_proxy().build()?;
    let person = person(&http, url, matches.get_one::<String>("email")).await?;
    let (email, password) = (word(&person, "email")?, word(&person, "password")?);
    let body = json!({ "email": email, "password": password });
    let signed_in = answer(http.post(format!("{url}/identity/login")).json(&body)).await?;
    let Some(bearer) = signed_in["accessToken"].as_str() else {
        bail!(
            "{email} has a second factor already: name somebody else with --email, or start the sandbox again"
        );
    };
    let body = json!({ "method": "authenticator", "password": password });
    let setup = http
        .post(format!("{url}/identity/mfa/setup"))
        .bearer_auth(bearer);
    let begun = answer(setup.json(&body)).await?;
    print(&format!(
        "{}\nScan this with your authenticator app, or type the secret {} into it.\nThe code that it shows for {email}: ",
        drawn(word(&begun, "otpauthUrl")?)?,
        word(&begun, "secret")?
    ))?;
    let mut code = String::new();
    io::stdin().read_line(&mut code)?;
    let body = json!({ "mfaToken": word(&begun, "mfaToken")?, "code": code.trim() });
    answer(
        http.post(format!("{url}/identity/mfa/setup/verify"))
            .json(&body),
    )
    .await?;
    print(&format!(
        "{email} signs in with the password `{password}` and a code of your app from now on: {url}/sign-in\n"
    ))
}

/// Returns the person of this address, or the first one without a method.
async fn person(http: &Client, url: &str, email: Option<&String>) -> Result<Value> {
    let people = answer(http.get(format!("{url}/sandbox/people"))).await?;
    let people = people["people"]
        .as_array()
        .context("nobody is in the sandbox")?;
    let chosen = |person: &&Value| match email {
        Some(email) => person["email"] == email.as_str(),
        None => person["mfaMethods"] == json!([]),
    };
    let found = people.iter().find(chosen).cloned();
    found.with_context(|| {
        let known: Vec<&str> = people
            .iter()
            .filter_map(|one| one["email"].as_str())
            .collect();
        format!(
            "the sandbox has no such person; it has {}",
            known.join(", ")
        )
    })
}

/// Sends a request, and returns its answer, or what a refusal says.
async fn answer(request: RequestBuilder) -> Result<Value> {
    let response = request.send().await.context(
        "the sandbox does not answer: start `countersign sandbox`, or name its address with --url",
    )?;
    let sandbox = response.headers().contains_key("countersign-sandbox");
    let good = response.status().is_success();
    let body: Value = response.json().await.unwrap_or_default();
    if !sandbox {
        bail!("this server is no sandbox: there, people turn their methods on themselves");
    }
    if !good {
        bail!(
            "{}",
            body["message"].as_str().unwrap_or("the sandbox refused it")
        );
    }
    Ok(body)
}

fn word<'a>(body: &'a Value, name: &str) -> Result<&'a str> {
    body[name]
        .as_str()
        .with_context(|| format!("the answer has no {name}"))
}

/// Draws a QR code in half blocks. Apps read dark on light, so colours are set where there are any, and the blocks
/// are the light parts where there are none, since most terminals are dark.
fn drawn(url: &str) -> Result<String> {
    let code = QrCode::new(url)?;
    if !log::in_colour(&io::stdout()) {
        let mut blocks = code.render::<Dense1x2>();
        blocks
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark);
        return Ok(blocks.build());
    }
    let image = code.render::<Dense1x2>().build();
    let lines = image
        .lines()
        .map(|line| format!("\u{1b}[30;107m{line}\u{1b}[0m\n"));
    Ok(lines.collect())
}
