//! A mail as its reader sees it.

use mailparse::{MailHeaderMap, ParsedMail, parse_mail};

/// A mail that arrived.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Whom the envelope names.
    pub to: String,
    /// Whom the envelope says it is from.
    pub from: String,
    /// The subject.
    pub subject: String,
    /// The Message-ID.
    pub message_id: String,
    /// The text/plain part.
    pub text: String,
    /// The message as it came.
    pub raw: Vec<u8>,
}

impl Mail {
    /// Reads a message.
    ///
    /// # Panics
    /// When it is none, or has no text/plain part.
    pub fn read(from: &str, to: &str, raw: &[u8]) -> Self {
        let parsed = parse_mail(raw).expect("a mail");
        let header = |name: &str| parsed.headers.get_first_value(name).unwrap_or_default();
        let plain = plain(&parsed).expect("a text/plain part");
        Self {
            to: to.to_owned(),
            from: from.to_owned(),
            subject: header("Subject"),
            message_id: header("Message-ID"),
            text: plain
                .get_body()
                .expect("a readable body")
                .replace("\r\n", "\n"),
            raw: raw.to_owned(),
        }
    }

    /// A header of it.
    pub fn header(&self, name: &str) -> Option<String> {
        let parsed = parse_mail(&self.raw).expect("a mail");
        parsed.headers.get_first_value(name)
    }

    /// The code, if it carries one: unbroken digits, a line of their own.
    pub fn code(&self) -> Option<String> {
        let code = |line: &&str| {
            (6..=10).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_digit())
        };
        self.text.lines().find(code).map(str::to_owned)
    }

    /// The token of the link, if it carries one: what stands behind the `#`, on a line of its own.
    pub fn link(&self) -> Option<String> {
        let links = self.text.lines().filter(|line| line.starts_with("http"));
        let token = links.filter_map(|line| line.split_once('#')).next();
        token.map(|(_, token)| token.to_owned())
    }
}

fn plain<'a, 'b>(mail: &'b ParsedMail<'a>) -> Option<&'b ParsedMail<'a>> {
    if mail.ctype.mimetype == "text/plain" {
        return Some(mail);
    }
    mail.subparts.iter().find_map(plain)
}
