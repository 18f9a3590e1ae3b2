//! A tiny HTTP server that answers a sign-in as a future server might: with content that today's
//! documents do not know.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::apis::Api;
use crate::openapi::resolve;

/// What is new in the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The password is refused with an unknown code.
    Code,
    /// An unknown second factor is asked for.
    Value,
    /// Every object has an unknown field.
    Field,
}

/// The unknown code.
pub const CODE: &str = "SOME_LATER_CODE";
/// The unknown method of the second factor.
pub const VALUE: &str = "carrier_pigeon";
const FIELD: &str = "addedLater";

/// The answers to the two calls of a sign-in.
#[derive(Clone)]
struct Answers {
    second_path: String,
    first: Reply,
    second: Reply,
}

#[derive(Clone)]
struct Reply {
    status: u16,
    media: String,
    body: String,
}

/// Starts the server, which runs until the process ends. Returns its URL.
///
/// # Errors
///
/// Fails if the document has no examples of a sign-in, or no port is free.
pub fn start(api: &Api, spec: &Value, news: News) -> Result<String> {
    let answers = Answers {
        second_path: api.second.0.to_owned(),
        first: match news {
            News::Code => refusal(api, spec)?,
            News::Value | News::Field => success(spec, api.first, news)?,
        },
        second: success(spec, api.second, news)?,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a port")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = answers.clone();
            // A client that hangs up early has seen enough.
            std::thread::spawn(move || drop(answer(stream, &answers)));
        }
    });
    Ok(url)
}

fn answer(stream: TcpStream, answers: &Answers) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if chunked {
        body = chunks(&mut reader)?;
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    // If both steps share a path, the grant tells them apart.
    let mfa = String::from_utf8_lossy(&body).contains("grant_type=Mfa");
    let form = String::from_utf8_lossy(&body).contains("grant_type=");
    let second = path == answers.second_path && (mfa || !form);
    let reply = match second {
        true => &answers.second,
        false => &answers.first,
    };
    let head = format!(
        "HTTP/1.1 {} .\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        reply.status,
        reply.media,
        reply.body.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes())?;
    stream.write_all(reply.body.as_bytes())
}

/// Reads a chunked body (RFC 9112 §7.1), from a client that did not know its length.
fn chunks(reader: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim(), 16).unwrap_or(0);
        reader.by_ref().take(size).read_to_end(&mut body)?;
        let mut end = String::new();
        reader.read_line(&mut end)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Returns the refusal of a wrong password, with the unknown code.
fn refusal(api: &Api, spec: &Value) -> Result<Reply> {
    let (media, mut body) = example(spec, api.first.0, "401", "InvalidCredentials")?;
    body["code"] = json!(CODE);
    Ok(Reply {
        status: 401,
        media,
        body: body.to_string(),
    })
}

/// Returns the example of a success, with the new content.
fn success(spec: &Value, (path, name): (&str, &str), news: News) -> Result<Reply> {
    let (media, mut body) = example(spec, path, "200", name)?;
    match news {
        News::Field => add_field(&mut body),
        News::Value => {
            for key in ["method", "mfaMethod", "mfa_method"] {
                if body.get(key).is_some() {
                    body[key] = json!(VALUE);
                }
            }
            if body.get("mfaMethods").is_some() {
                body["mfaMethods"] = json!([VALUE]);
            }
        }
        News::Code => {}
    }
    Ok(Reply {
        status: 200,
        media,
        body: body.to_string(),
    })
}

/// Returns media type and body of an answer's example; without a name, the only one.
fn example(spec: &Value, path: &str, status: &str, name: &str) -> Result<(String, Value)> {
    let answer = resolve(spec, &spec["paths"][path]["post"]["responses"][status]);
    let content = answer["content"].as_object();
    let (media, content) = content
        .and_then(|content| content.iter().next())
        .with_context(|| format!("{path} has no {status}"))?;
    let named = resolve(spec, &content["examples"][name])["value"].clone();
    let first = content["examples"]
        .as_object()
        .and_then(|all| all.values().next());
    let first = first.map(|example| resolve(spec, example)["value"].clone());
    let found = [named, content["example"].clone()].into_iter().chain(first);
    let body = found.into_iter().find(Value::is_object);
    let body = body.with_context(|| format!("{path} has no example {name} of {status}"))?;
    Ok((media.clone(), body))
}

fn add_field(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(add_field);
            map.insert(FIELD.to_owned(), json!({ "note": "new" }));
        }
        Value::Array(list) => list.iter_mut().for_each(add_field),
        _plain => {}
    }
}
