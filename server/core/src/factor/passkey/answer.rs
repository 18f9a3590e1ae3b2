//! Reads an authenticator's answer before the library judges it, and refuses what WebAuthn forbids but the
//! library accepts.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_cbor_2::{Deserializer, Value as Cbor};
use serde_json::Value;

/// The greatest length of a credential id, in bytes (WebAuthn §7.1, step 25).
const ID_MAX: usize = 1023;

/// Where the flags are in the authenticator data: after the hash of the domain (WebAuthn §6.1).
const FLAGS_AT: usize = 32;
/// Where the new credential begins: after the flags and the counter.
const MADE_AT: usize = FLAGS_AT + 5;
/// Bytes of the authenticator's model id. The length of the credential id follows.
const MODEL: usize = 16;
/// The flag of a passkey that may be synchronised.
const BACKUP_ELIGIBLE: u8 = 0b0000_1000;
/// The flag of a passkey that is synchronised.
const BACKED_UP: u8 = 0b0001_0000;
/// The flag that extensions follow the key.
const EXTENSIONS: u8 = 0b1000_0000;

/// Why an answer is refused. For the log only.
pub(super) type Flaw = &'static str;

/// An answer that can be read. Nothing of it is proved yet.
#[derive(Clone, Debug)]
pub(super) struct ReadAnswer<T> {
    /// The answer for the library to judge.
    pub credential: T,
    /// The origin that the client says it is from, as an exact string.
    pub origin: String,
    /// Whether the passkey may be synchronised.
    pub backup_eligible: bool,
}

/// Reads the answer to the options of a registration.
///
/// # Errors
/// Returns why it is refused.
pub(super) fn registration<T: DeserializeOwned>(answer: Value) -> Result<ReadAnswer<T>, Flaw> {
    let answer = plain(answer)?;
    let object = bytes(&answer, "/response/attestationObject")?;
    let object: Attestation =
        serde_cbor_2::from_slice(&object).map_err(|_| "its attestation cannot be read")?;
    if object.fmt == "none" && object.att_stmt != Cbor::Map(std::collections::BTreeMap::new()) {
        return Err("it attests nothing and says with what");
    }
    let Cbor::Bytes(data) = object.auth_data else {
        return Err("its authenticator data are no bytes");
    };
    if credential_id(&data)? != bytes(&answer, "/rawId")? {
        return Err("rawId is not the id of the passkey");
    }
    given(answer, &data)
}

/// Reads the answer to the options of a sign-in.
///
/// # Errors
/// Returns why it is refused.
pub(super) fn assertion<T: DeserializeOwned>(answer: Value) -> Result<ReadAnswer<T>, Flaw> {
    let mut answer = plain(answer)?;
    // Some clients send an empty string in place of no value.
    if let Some(handle) = answer.pointer_mut("/response/userHandle")
        && handle == ""
    {
        *handle = Value::Null;
    }
    let data = bytes(&answer, "/response/authenticatorData")?;
    given(answer, &data)
}

/// The attestation of a new passkey.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attestation {
    fmt: String,
    att_stmt: Cbor,
    auth_data: Cbor,
}

/// The parts of the client data that the library does not check.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    #[serde(default)]
    top_origin: Option<IgnoredAny>,
}

fn given<T: DeserializeOwned>(answer: Value, data: &[u8]) -> Result<ReadAnswer<T>, Flaw> {
    let client_data: ClientData =
        serde_json::from_slice(&bytes(&answer, "/response/clientDataJSON")?)
            .map_err(|_| "its client data cannot be read")?;
    // None of our pages asks inside a frame of another origin (WebAuthn §7.1, §7.2).
    if client_data.cross_origin == Some(true) || client_data.top_origin.is_some() {
        return Err("it was given in a frame of another page");
    }
    let flags = data
        .get(FLAGS_AT)
        .ok_or("its authenticator data end early")?;
    let backup_eligible = flags & BACKUP_ELIGIBLE != 0;
    if flags & BACKED_UP != 0 && !backup_eligible {
        return Err("it is synchronised and says that it cannot be");
    }
    Ok(ReadAnswer {
        credential: serde_json::from_value(answer).map_err(|_| "it lacks a part")?,
        origin: client_data.origin,
        backup_eligible,
    })
}

/// Returns the id of the new passkey, if only announced data follow its key.
fn credential_id(data: &[u8]) -> Result<&[u8], Flaw> {
    let early = "its authenticator data end early";
    let flags = data.get(FLAGS_AT).ok_or(early)?;
    let made = data.get(MADE_AT + MODEL..).ok_or(early)?;
    let (length, rest) = made.split_first_chunk::<2>().ok_or(early)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if !(1..=ID_MAX).contains(&length) {
        return Err("the id of the passkey is too long, or there is none");
    }
    let (id, rest) = rest.split_at_checked(length).ok_or(early)?;
    let mut rest = after_one(rest)?;
    if flags & EXTENSIONS != 0 {
        rest = after_one(rest)?;
    }
    if rest.is_empty() {
        Ok(id)
    } else {
        Err("something stands after the key")
    }
}

/// Returns what follows one CBOR item.
fn after_one(data: &[u8]) -> Result<&[u8], Flaw> {
    let mut items = Deserializer::from_slice(data);
    IgnoredAny::deserialize(&mut items).map_err(|_| "its key cannot be read")?;
    data.get(items.byte_offset()..)
        .ok_or("its key cannot be read")
}

/// Returns the answer in the URL-safe alphabet of base64, and checks that its two ids are equal. Some clients
/// use the standard alphabet.
fn plain(mut answer: Value) -> Result<Value, Flaw> {
    url_safe(answer.get_mut("id"));
    url_safe(answer.get_mut("rawId"));
    if let Some(Value::Object(response)) = answer.get_mut("response") {
        for (_, field) in response.iter_mut() {
            url_safe(Some(field));
        }
    }
    if answer["type"] != "public-key" {
        return Err("it is of another type");
    }
    if answer["id"] != answer["rawId"] {
        return Err("id is not rawId");
    }
    Ok(answer)
}

fn url_safe(field: Option<&mut Value>) {
    if let Some(Value::String(text)) = field {
        *text = text
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_");
    }
}

/// Decodes a base64url field.
fn bytes(answer: &Value, pointer: &str) -> Result<Vec<u8>, Flaw> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    BASE64URL_NOPAD
        .decode(text.unwrap_or_default().as_bytes())
        .map_err(|_| "a field is no base64url")
}
