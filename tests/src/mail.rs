//! A mail as its reader sees it.

use mailparse::{MailHeaderMap, ParsedMail, parse_mail};

/// A mail that arrived.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The receiver on the envelope.
    pub to: String,
    /// The sender on the envelope.
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
    /// Parses a message.
    ///
    /// # Panics
    /// Panics if it is not a message, or has no text/plain part.
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

    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<String> {
        let parsed = parse_mail(&self.raw).expect("a mail");
        parsed.headers.get_first_value(name)
    }

    /// Returns the code, if there is one: digits on a line of their own.
    pub fn code(&self) -> Option<String> {
        let code = |line: &&str| {
            (6..=10).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_digit())
        };
        self.text.lines().find(code).map(str::to_owned)
    }

    /// Returns the link's token, if there is one: what follows the `#`, on a line of its own.
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
