//! Writes the text of a letter by filling in the template of its message.

use crate::model::Time;
use crate::model::notice::Letter;

mod content;

pub(super) use content::{code, link_of};

/// The longest line, in characters.
const LINE: usize = 72;

/// A letter's subject and text. Lines end with `\n`.
pub(super) struct LetterText {
    pub(super) subject: String,
    pub(super) text: String,
}

/// Writes a letter in the name of `service`. The subject contains the time to the minute, because
/// mail programs hide a newer mail below an older one with the same subject, and with it a newer
/// code.
pub(super) fn write(letter: &Letter, service: &str) -> LetterText {
    let (code, minutes) = code(&letter.message);
    let lifetime = content::lifetime(minutes);
    let when = when(Time::from_micros(letter.at));
    let source = source(&letter.source);
    let fields = [
        ("service", service),
        ("code", code),
        ("lifetime", &lifetime),
        ("method", &content::method(&letter.message)),
        ("link", &content::link(&letter.message)),
        ("action", content::action(&letter.message)),
        ("remaining", &content::remaining(&letter.message)),
        ("name", content::name(&letter.message)),
        ("keys", &content::keys(&letter.message)),
        ("locked", content::locked(&letter.message)),
        ("late", &content::late(&letter.message)),
        ("source", &source),
        ("when", &when),
    ];
    let filled = fill(content::template(&letter.message), &fields);
    let (head, text) = filled.split_once("\n\n").unwrap_or(("", &filled));
    LetterText {
        subject: head.trim_start_matches("Subject: ").to_owned(),
        text: text.lines().map(wrapped).collect(),
    }
}

/// Breaks a line between words so that it can be read without scrolling (RFC 5322 §2.1.1: at most
/// 78 characters).
fn wrapped(line: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in line.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > LINE {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
    text
}

/// Formats a time as `2026-11-22 14:15 UTC`.
fn when(time: Time) -> String {
    let text = time.to_string();
    let (day, rest) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", rest.get(..5).unwrap_or(rest))
}

/// Returns in words where the call came from.
fn source(source: &str) -> String {
    match source {
        "console" => "the server's command line".to_owned(),
        address => format!("the network address {address}"),
    }
}

/// Fills the fields into a template in one pass: the content of a field is never filled again.
fn fill(template: &str, fields: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let field = after.split_once('}').and_then(|(name, after)| {
            let field = fields.iter().find(|(field, _)| *field == name);
            field.map(|(_, value)| (*value, after))
        });
        match field {
            Some((value, after)) => {
                filled.push_str(value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests;
