//! The closed lists of words, such as methods, states and roles, each with its one spelling in the database.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;

/// Declares an enum whose variants are words in the database.
///
/// An unknown word is an error for its row only. So an old replica still works after a newer one wrote a new
/// word.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
        #[diesel(sql_type = Text)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// All words, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the word as the database and the JSON of the native API spell it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads a word; `None` if it is unknown.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl<DB: Backend> ToSql<Text, DB> for $name
        where
            str: ToSql<Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.as_str().to_sql(out)
            }
        }

        impl<DB: Backend> FromSql<Text, DB> for $name
        where
            String: FromSql<Text, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                let word = String::from_sql(bytes)?;
                Self::parse(&word).ok_or_else(|| {
                    concat!("the database holds an unknown word for ", stringify!($name)).into()
                })
            }
        }
    )+};
}

impl CodeSetKind {
    /// Returns the method of this kind of code, which also names the counter of its wrong tries.
    pub const fn method(self) -> FactorKind {
        match self {
            Self::Recovery => FactorKind::RecoveryCode,
            Self::Scratch => FactorKind::ScratchCode,
        }
    }
}

impl Counted {
    /// Returns what a wrong answer by `method` counts for, to a challenge with this purpose.
    ///
    /// Whoever reads the mailbox reaches the second step before a new password without the password. Their
    /// wrong answers must not stop a sign-in, so they have a counter of their own, for all methods together.
    pub fn of(purpose: Purpose, method: FactorKind) -> Self {
        match purpose {
            Purpose::PasswordReset => Self::NewPassword,
            Purpose::Setup
            | Purpose::Login
            | Purpose::Disable
            | Purpose::StepUp
            | Purpose::Action => method.into(),
        }
    }
}

impl From<FactorKind> for Counted {
    fn from(method: FactorKind) -> Self {
        match method {
            FactorKind::Email => Self::Email,
            FactorKind::Authenticator => Self::Authenticator,
            FactorKind::Sms => Self::Sms,
            FactorKind::Passkey => Self::Passkey,
            FactorKind::RecoveryCode => Self::RecoveryCode,
            FactorKind::ScratchCode => Self::ScratchCode,
        }
    }
}

impl OrganisationRole {
    /// Whether this role may act on other members.
    pub const fn administers(self) -> bool {
        match self {
            Self::Owner | Self::Administrator => true,
            Self::Member => false,
        }
    }
}

words! {
    /// A method: how a person proves who they are, beside the password. This includes the two kinds of codes
    /// that stand in for another method.
    FactorKind {
        /// A code and a link, mailed to the proved address. Never raises a session to `aal2` (NIST SP
        /// 800-63B-4 §3.1.3.1).
        Email = "email",
        /// A time-based one-time password from an authenticator app (RFC 6238).
        Authenticator = "authenticator",
        /// A code by SMS to a proved phone number.
        Sms = "sms",
        /// A passkey (WebAuthn).
        Passkey = "passkey",
        /// A recovery code. It has a counter and can be a challenge's method, but is never a row of
        /// `factors`.
        RecoveryCode = "recovery_code",
        /// One of Veeam's eight-digit scratch codes. It has no row of `factors` either.
        ScratchCode = "scratch_code",
    }

    /// What a counter of wrong answers is for: a method, or the second step before a new password.
    Counted {
        /// Codes by mail.
        Email = "email",
        /// Codes of authenticator apps.
        Authenticator = "authenticator",
        /// Codes by SMS.
        Sms = "sms",
        /// Passkeys.
        Passkey = "passkey",
        /// Recovery codes.
        RecoveryCode = "recovery_code",
        /// Scratch codes.
        ScratchCode = "scratch_code",
        /// The second step before a new password, by any method.
        NewPassword = "password_reset",
    }

    /// A kind of code set.
    CodeSetKind {
        /// Ten codes of sixteen symbols of Crockford's base32.
        Recovery = "recovery",
        /// Veeam's five codes of eight digits.
        Scratch = "scratch",
    }

    /// A user's role in their organisation.
    OrganisationRole {
        /// Founded it. May do everything that an administrator of it may.
        Owner = "owner",
        /// May demand a second factor, and help members.
        Administrator = "administrator",
        /// May act on their own account only.
        Member = "member",
    }

    /// How far a factor has come from set-up to use.
    FactorState {
        /// Set up, but not proved.
        Pending = "pending",
        /// Proved, but sign-in does not ask for it.
        Ready = "ready",
        /// Sign-in asks for it.
        On = "on",
    }

    /// What a challenge may be used for. It cannot be used for another purpose.
    Purpose {
        /// Proves a factor that is being set up.
        Setup = "setup",
        /// Finishes a sign-in.
        Login = "login",
        /// Proves a factor that is being turned off.
        Disable = "disable",
        /// Proves the person again in an open session (RFC 9470).
        StepUp = "step_up",
        /// Confirms an act that the client names, such as Netevia's `shortMessageType`.
        Action = "action",
        /// Is the second step before a forgotten password is replaced.
        PasswordReset = "password_reset",
    }

    /// What a user may do beyond their own account.
    Role {
        /// Nothing beyond their own account.
        User = "user",
        /// Administers the server and all its users.
        Administrator = "administrator",
    }

    /// What an API key may be used for.
    Scope {
        /// Checking other users' access tokens.
        TokensValidate = "tokens:validate",
        /// Listing users.
        UsersRead = "users:read",
    }

    /// How strongly a session was authenticated, as its `acr` claim says.
    Assurance {
        /// One factor.
        Aal1 = "aal1",
        /// Two steps that are not two factor types, such as a password and a mailed code (NIST SP 800-63B-4
        /// §3.1.3.1).
        TwoStep = "two-step",
        /// Two different factor types (NIST SP 800-63B-4 §2.2).
        Aal2 = "aal2",
    }
}
