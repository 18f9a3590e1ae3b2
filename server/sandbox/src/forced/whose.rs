//! Whose call one is, by all that it carries: addresses, references, bearers.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use url::form_urlencoded;
use uuid::Uuid;

use crate::app::Ctx;
use crate::model::user::address_as_typed;
use crate::model::{Result, UserId};
use crate::store::{registrations, users};

/// Bytes of a reference, which begins with its user's id.
const REFERENCE: usize = 64;

/// Those whom a call names.
#[derive(Default)]
pub(super) struct NamedUsers {
    addresses: Vec<String>,
    ids: Vec<UserId>,
}

impl NamedUsers {
    /// Everybody whom headers, query and body name.
    pub(super) fn of(headers: &HeaderMap, query: &str, body: &[u8]) -> Self {
        let mut named = Self::default();
        let bearer = headers
            .get(AUTHORIZATION)
            .and_then(|sent| sent.to_str().ok());
        if let Some((_, token)) = bearer.and_then(|sent| sent.split_once(' ')) {
            named.token(token.trim());
        }
        for (_, value) in form_urlencoded::parse(query.as_bytes()) {
            named.text(&value);
        }
        match serde_json::from_slice(body) {
            Ok(json) => named.json(&json),
            Err(_) => {
                for (_, value) in form_urlencoded::parse(body) {
                    named.text(&value);
                }
            }
        }
        named
    }

    fn json(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter().for_each(|item| self.json(item)),
            Value::Object(members) => members.values().for_each(|member| self.json(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str) {
        if text.contains('@') {
            self.addresses.push(address_as_typed(text));
        }
        self.token(text);
    }

    /// The user in an access token or in a reference, which need not be good any more.
    fn token(&mut self, text: &str) {
        let claims = text.split('.').nth(1).and_then(decoded);
        let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
        let subject = claims.as_ref().and_then(|claims| claims["sub"].as_str());
        let of_claims = subject.and_then(|subject| {
            let id = subject.rsplit_once("user-").map_or(subject, |(_, id)| id);
            Uuid::try_parse(id).ok()
        });
        let reference = text.split_once('_').and_then(|(_, rest)| decoded(rest));
        let reference = reference.filter(|bytes| bytes.len() == REFERENCE);
        let of_reference = reference.and_then(|bytes| Uuid::from_slice(bytes.get(..16)?).ok());
        let found = [of_claims, of_reference].into_iter().flatten();
        self.ids.extend(found.map(UserId::new));
    }

    /// Their addresses.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub(super) async fn addresses(self, ctx: &Ctx) -> Result<Vec<String>> {
        let Self { mut addresses, ids } = self;
        let known = ctx.read(move |tx| {
            let mut known = Vec::new();
            for id in &ids {
                known.extend(users::find(tx, *id)?.map(|user| user.email));
                known.extend(registrations::find(tx, *id)?.map(|begun| begun.address));
            }
            Ok(known)
        });
        addresses.extend(known.await?);
        Ok(addresses)
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}
