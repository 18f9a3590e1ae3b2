//! Reference tokens: what a client holds of a row, such as an `mfaToken`, a refresh token or a registration
//! token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::ids::Id;
use crate::secret::Secret;
use crate::typed;

const BYTES: usize = 16 + 16 + 32;

/// The kind of row that a reference points to. Each kind has its own prefix, so that none is taken for
/// another and secret scanners recognise them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceKind {
    /// An `mfaToken`, for a challenge.
    Challenge,
    /// A `registrationToken`, for a registration.
    Registration,
    /// A refresh token of a session.
    Refresh,
    /// The link in a challenge's mail.
    MagicLink,
    /// The link in a registration's mail.
    RegistrationLink,
    /// A passkey sign-in that named no user.
    Ceremony,
    /// The link in the mail for a new password.
    PasswordReset,
    /// The link that restores an address.
    EmailUndo,
}

impl ReferenceKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Challenge => "mfa_",
            Self::Registration => "reg_",
            Self::Refresh => "rt_",
            Self::MagicLink => "ml_",
            Self::RegistrationLink => "rl_",
            Self::Ceremony => "pk_",
            Self::PasswordReset => "pr_",
            Self::EmailUndo => "eu_",
        }
    }
}

/// A prefix, then base64url of user id ‖ row id ‖ 256-bit secret (ASVS 11.5.1).
///
/// The ids come first, so that each statement touches the rows of one user only. The database has only the
/// secret's hash.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The user, or the registration that may become one.
    pub user: Uuid,
    /// The row.
    pub row: Uuid,
    /// The secret, which proves that the holder was given this reference.
    pub secret: Secret<[u8; 32]>,
}

impl Reference {
    /// Makes a reference to a row of a user.
    pub fn new<U, R>(user: Id<U>, row: Id<R>, secret: Secret<[u8; 32]>) -> Self {
        Self {
            user: user.uuid(),
            row: row.uuid(),
            secret,
        }
    }

    /// Returns the user's id.
    pub const fn user<U>(&self) -> Id<U> {
        Id::new(self.user)
    }

    /// Returns the row's id.
    pub const fn row<R>(&self) -> Id<R> {
        Id::new(self.row)
    }

    /// Returns the token as the client gets it.
    pub fn print(&self, kind: ReferenceKind) -> Secret<String> {
        let mut bytes = Zeroizing::new([0_u8; BYTES]);
        bytes[..16].copy_from_slice(self.user.as_bytes());
        bytes[16..32].copy_from_slice(self.row.as_bytes());
        bytes[32..].copy_from_slice(self.secret.expose());
        let mut token = kind.prefix().to_owned();
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut token);
        Secret::new(token)
    }

    /// Reads a token that may have been pasted with spaces and invisible characters.
    pub fn parse_pasted(kind: ReferenceKind, token: &str) -> Option<Self> {
        let token = Zeroizing::new(typed::unspaced(token));
        Self::parse(kind, &token)
    }

    /// Reads a token of this kind; `None` for anything else.
    pub fn parse(kind: ReferenceKind, token: &str) -> Option<Self> {
        let encoded = token.strip_prefix(kind.prefix())?;
        // The buffer has room for more than needed, so that a longer text is refused and not cut off.
        let mut bytes = Zeroizing::new([0_u8; BYTES + 2]);
        let length = URL_SAFE_NO_PAD
            .decode_slice(encoded, bytes.as_mut_slice())
            .ok()?;
        let bytes = bytes.get(..length).filter(|bytes| bytes.len() == BYTES)?;
        let (user, rest) = bytes.split_at(16);
        let (row, secret) = rest.split_at(16);
        Some(Self {
            user: Uuid::from_slice(user).ok()?,
            row: Uuid::from_slice(row).ok()?,
            secret: Secret::new(secret.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Reference, ReferenceKind};
    use crate::Secret;
    use uuid::Uuid;

    #[test]
    fn a_reference_is_read_back_and_no_other_kind_takes_it() {
        let reference = Reference {
            user: Uuid::from_u128(1),
            row: Uuid::from_u128(u128::MAX),
            secret: Secret::new([7; 32]),
        };
        let token = reference.print(ReferenceKind::Challenge);
        let read = Reference::parse(ReferenceKind::Challenge, token.expose()).expect("readable");
        assert_eq!((read.user, read.row), (reference.user, reference.row));
        assert_eq!(read.secret.expose(), &[7; 32]);
        assert!(Reference::parse(ReferenceKind::Refresh, token.expose()).is_none());
        for broken in [
            "",
            "mfa_",
            &token.expose()[..80],
            &format!("{}AA", token.expose()),
        ] {
            assert!(Reference::parse(ReferenceKind::Challenge, broken).is_none());
        }
    }
}
