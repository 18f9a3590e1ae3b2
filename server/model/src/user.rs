//! Users, registrations, and the rules for addresses and names.

use std::fmt;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use unicode_normalization::UnicodeNormalization;

use crate::ids::{OrganisationId, ResetId, UserId};
use crate::kinds::{OrganisationRole, Role};
use crate::refusal::Refusal;
use crate::schema;
use crate::time::Time;
use crate::typed;

/// A user: a person with an account.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::users, treat_none_as_default_value = false)]
pub struct User {
    /// The user's id, `sub` in access tokens.
    pub id: UserId,
    /// The integer id that some APIs print.
    pub number: i64,
    /// The proved address in canonical form (see [`canonical_address`]). Without a mailbox, it is the name
    /// they sign in with.
    pub email: String,
    /// Given name, if known.
    pub first_name: Option<String>,
    /// Family name, if known.
    pub last_name: Option<String>,
    /// What they may do beyond their own account.
    pub role: Role,
    /// The password's hash.
    pub password_hash: PasswordHash,
    /// When the account was created.
    pub created_at: Time,
    /// When the account was disabled, if it is.
    pub disabled_at: Option<Time>,
    /// Whether `email` is a proved address. If not, it is a name that receives no mail.
    pub mailbox: bool,
    /// What an administrator wrote about them.
    pub description: Option<String>,
    /// Their organisation, if they are in one.
    pub organisation_id: Option<OrganisationId>,
    /// Their role in the organisation.
    pub organisation_role: Option<OrganisationRole>,
    /// How often the password was changed. A new hash of the same password does not count.
    pub password_changes: i64,
}

impl User {
    /// Whether the account may sign in at all.
    pub const fn active(&self) -> bool {
        self.disabled_at.is_none()
    }
}

/// A password's hash, an Argon2id PHC string (RFC 9106). `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a PHC string.
    pub fn new(phc: String) -> Self {
        Self(phc)
    }

    /// Returns the PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password hash]")
    }
}

impl<DB: Backend> ToSql<Text, DB> for PasswordHash
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.as_str().to_sql(out)
    }
}

impl<DB: Backend> FromSql<Text, DB> for PasswordHash
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        String::from_sql(bytes).map(Self)
    }
}

/// A registration under way. Its id becomes the user's id once the address is proved.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::registrations, treat_none_as_default_value = false)]
pub struct Registration {
    /// A new random id, for known and unknown addresses alike.
    pub user_id: UserId,
    /// SHA-256 of the secret in the reference.
    pub secret_hash: Vec<u8>,
    /// The canonical address.
    pub address: String,
    /// Given name, if known.
    pub first_name: Option<String>,
    /// Family name, if known.
    pub last_name: Option<String>,
    /// Hash of the password that the account will have.
    pub password_hash: PasswordHash,
    /// Keyed hash of the mailed code; `None` if a link is mailed. If the address has an account, this is
    /// random, so that no code is right.
    pub code_hash: Option<Vec<u8>>,
    /// Tries used so far.
    pub attempts: i32,
    /// When it began.
    pub created_at: Time,
    /// When its code expires.
    pub expires_at: Time,
    /// When it became an account.
    pub consumed_at: Option<Time>,
    /// SHA-256 of the secret in the mailed link; `None` if a code is mailed or the address has an account.
    pub link_hash: Option<Vec<u8>>,
    /// The organisation that the account will found.
    pub organisation_name: Option<String>,
}

impl Registration {
    /// Checks that its code or its link may still be used.
    ///
    /// # Errors
    /// Refuses a used and an expired registration, each with its own reason.
    pub fn judge(&self, now: Time) -> Result<(), Refusal> {
        if let Some(at) = self.consumed_at {
            // It was ended because it had expired. It stays expired even if the clock goes back.
            return Err(match at >= self.expires_at {
                true => Refusal::RegistrationTokenExpired,
                false => Refusal::RegistrationTokenInvalid,
            });
        }
        // A beginning in the future means that the clock has gone back. That must not lengthen a life.
        match self.expires_at <= now || self.created_at.is_to_come(now) {
            true => Err(Refusal::RegistrationTokenExpired),
            false => Ok(()),
        }
    }
}

/// A mail for a new password: its link and its code, of which one may be used, once. An account has one; a
/// newer mail takes the place of an older one.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schema::password_resets, primary_key(user_id))]
#[diesel(treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct PasswordReset {
    /// The user; for an unknown address, an id made from its keyed hash.
    pub user_id: UserId,
    /// The id of this mail. The one before had another.
    pub id: ResetId,
    /// SHA-256 of the secret in the link.
    pub secret_hash: Vec<u8>,
    /// Keyed hash of the code. For an unknown address it is random, so that no code is right.
    pub code_hash: Vec<u8>,
    /// Tries of the code so far.
    pub attempts: i32,
    /// When it was mailed.
    pub created_at: Time,
    /// When link and code expire.
    pub expires_at: Time,
    /// When it was used, or ended early.
    pub consumed_at: Option<Time>,
}

impl PasswordReset {
    /// Checks that its link or its code may still be used.
    ///
    /// # Errors
    /// Refuses a used one and an expired one, each with its own reason.
    pub fn judge(&self, now: Time) -> Result<(), Refusal> {
        if let Some(at) = self.consumed_at {
            // It was ended because it had expired. It stays expired even if the clock goes back.
            return Err(match at >= self.expires_at {
                true => Refusal::ResetTokenExpired,
                false => Refusal::ResetTokenInvalid,
            });
        }
        // A beginning in the future means that the clock has gone back. That must not lengthen a life.
        match self.expires_at <= now || self.created_at.is_to_come(now) {
            true => Err(Refusal::ResetTokenExpired),
            false => Ok(()),
        }
    }
}

/// The greatest length of an address, in bytes (RFC 5321 §4.5.3.1.3, less the angle brackets).
pub const ADDRESS_MAX: usize = 254;

/// Returns the canonical form of an address that a request has in its field `email`.
///
/// # Errors
/// Refuses a text that cannot be an address, as [`canonical_address`] does.
pub fn judge_address(typed: &str) -> Result<String, Refusal> {
    let sentence = "This must be an e-mail address, such as alice@example.com.";
    canonical_address(typed).ok_or_else(|| Refusal::field("email", sentence))
}

/// Returns the refusal of an address that has an account, where the caller may know that.
pub fn address_taken() -> Refusal {
    Refusal::field("email", "This address has an account already.")
}

/// Returns the canonical form of an address, in which addresses are stored and compared: NFC, lower case, the
/// domain in ASCII, without surrounding spaces and invisible characters. Full-width characters become ASCII,
/// and every dash becomes `-`, since input methods and word processors insert them.
///
/// Returns `None` if no mail can be sent to it: not exactly one `@`, a quoted or empty local part, a domain
/// without a dot or with other characters than letters, digits and hyphens, control characters, or too long.
pub fn canonical_address(typed: &str) -> Option<String> {
    let visible = typed::visible(typed);
    let folded = visible.trim().nfc().map(folded);
    let address = folded.collect::<String>().to_lowercase();
    let (local, domain) = address.split_once('@')?;
    let unjoined = |text: &str| text.replace(typed::joins, "");
    let local = unjoined(local);
    // A domain has many spellings in Unicode and one in ASCII (UTS 46). UTS 46 knows where joiners belong.
    // Elsewhere they were pasted by accident.
    let domain = idna::domain_to_ascii(domain)
        .or_else(|_| idna::domain_to_ascii(&unjoined(domain)))
        .ok()?;
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && !local.starts_with(typed::is_mark)
        && local.chars().all(|c| {
            c.is_alphanumeric() || typed::is_mark(c) || "!#$%&'*+-/=?^_`{|}~.".contains(c)
        });
    let labels: Vec<&str> = domain.split('.').collect();
    let domain_ok = labels.len() >= 2
        && labels.iter().all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
    let address = format!("{local}@{domain}");
    (local_ok && domain_ok && address.len() <= ADDRESS_MAX).then_some(address)
}

/// Turns full-width characters into ASCII, and every dash into `-`.
fn folded(c: char) -> char {
    match u32::from(c) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(c),
        _ if typed::is_dash(c) => '-',
        _ => c,
    }
}

/// Returns the canonical form of what somebody signs in with: an address in its canonical form, a name in
/// NFC, lower case, trimmed and without invisible characters. Limits use this form too.
pub fn address_as_typed(typed: &str) -> String {
    canonical_address(typed).unwrap_or_else(|| {
        let visible = typed::visible(typed);
        visible.trim().nfc().collect::<String>().to_lowercase()
    })
}

#[cfg(test)]
mod tests {
    use super::canonical_address;

    #[test]
    fn addresses_have_one_form() {
        assert_eq!(
            canonical_address(" Alice+x@Example.COM ").as_deref(),
            Some("alice+x@example.com")
        );
        let composed = canonical_address("zo\u{eb}@example.com");
        assert_eq!(canonical_address("zoe\u{308}@example.com"), composed);
        assert!(composed.is_some());
        for pasted in [
            "alice@\u{ff45}xample.com",
            "\u{feff}alice@example.com\u{200b}",
            "\u{202a}al\u{ad}ice@exam\u{2060}ple.com\u{202c}\u{202f}",
            "ali\u{200d}ce@exam\u{200c}ple.com",
            "ａｌｉｃｅ＠ｅｘａｍｐｌｅ．ｃｏｍ",
            "\u{a0}alice@example\u{3002}com\u{3000}",
        ] {
            let read = canonical_address(pasted);
            assert_eq!(read.as_deref(), Some("alice@example.com"), "{pasted:?}");
        }
        let dashed = canonical_address("a\u{2011}b@ex\u{2212}ample.com");
        assert_eq!(dashed.as_deref(), Some("a-b@ex-ample.com"));
        // Where a joiner makes a different word, it stays (IDNA2008).
        let persian = canonical_address("a@\u{646}\u{627}\u{645}\u{647}\u{200c}\u{627}\u{6cc}.com");
        assert_eq!(persian.as_deref(), Some("a@xn--mgba3gch31f060k.com"));
    }

    #[test]
    fn letters_of_every_script_are_letters() {
        for local in [
            "अमित.कुमार",
            "நிலா",
            "สมชาย.ก้อง",
            "မောင်",
            "ଓଡ଼ିଆ",
            "עִבְרִית",
            "محمّد",
            "ngũgĩ",
            "e\u{301}\u{323}x",
        ] {
            let address = format!("{local}@example.com");
            assert!(canonical_address(&address).is_some(), "{address}");
        }
        assert_eq!(canonical_address("\u{301}a@example.com"), None);
    }

    #[test]
    fn what_no_mail_reaches_is_refused() {
        for bad in [
            "",
            "alice",
            "@example.com",
            "alice@",
            "alice@localhost",
            "alice@@example.com",
            "\"a b\"@example.com",
            "a\r\nb@example.com",
            "alice@example..com",
            ".a@example.com",
            "alice@-example.com",
            "alice@[127.0.0.1]",
            "<alice@example.com>",
            "a@b.c d",
            "a b@example.com",
            "a\u{3000}b@example.com",
            "\u{200b}@example.com",
        ] {
            assert_eq!(canonical_address(bad), None, "{bad:?}");
        }
        assert!(canonical_address(&format!("a@{}.com", "x".repeat(250))).is_none());
    }
}
