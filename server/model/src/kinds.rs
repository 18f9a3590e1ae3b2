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
                    concat!("the database has an unknown word for ", stringify!($name)).into()
                })
            }
        }
    )+};
}

/// Declares the methods, one row for each: the word in the database, the assurance of a session that used the method
/// after the password, and the claim `amr` of that session, with spaces between its values (RFC 8176 §2).
macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $assurance:ident, $amr:literal;)+) => {
        words! {
            /// A method: how a person proves who they are, beside the password. If the owner chose none, sign-in
            /// takes the first in this order that is on.
            FactorKind { $($(#[$doc])* $variant = $word,)+ }

            /// What a counter of wrong answers is for: a method, a kind of code set, or the second step before a
            /// new password.
            Counted {
                $($(#[$doc])* $variant = $word,)+
                /// Recovery codes.
                RecoveryCode = "recovery_code",
                /// Scratch codes.
                ScratchCode = "scratch_code",
                /// The second step before a new password, by any method.
                NewPassword = "password_reset",
            }
        }

        impl FactorKind {
            /// Returns the assurance of a session that used it after the password.
            pub const fn assurance(self) -> Assurance {
                match self { $(Self::$variant => Assurance::$assurance,)+ }
            }

            /// Returns the authentication methods of a session that used it after the password.
            pub const fn amr(self) -> &'static str {
                match self { $(Self::$variant => $amr,)+ }
            }
        }

        impl From<FactorKind> for Counted {
            fn from(method: FactorKind) -> Self {
                match method { $(FactorKind::$variant => Self::$variant,)+ }
            }
        }
    };
}

methods! {
    /// A time-based one-time password from an authenticator app (RFC 6238).
    Authenticator = "authenticator", Aal2, "pwd otp mfa";
    /// A code and a link, mailed to the proved address. Never raises a session to `aal2` (NIST SP
    /// 800-63B-4 §3.1.3.1). In `amr`, `email` is our own value: RFC 8176 has none for mail.
    Email = "email", TwoStep, "pwd email";
    /// A code by SMS to a proved phone number.
    Sms = "sms", Aal2, "pwd sms mfa";
    /// A passkey (WebAuthn).
    Passkey = "passkey", Aal2, "pwd pop mfa";
}

/// What an answer was given with: a method, or a code of a set that stands in for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub enum AnswerKind {
    /// A method of the user.
    Method(FactorKind),
    /// A code of a set. It has a counter and can be what a challenge waits for, but is never a row of `factors`.
    CodeSet(CodeSetKind),
}

impl AnswerKind {
    /// Returns the word as the database and the JSON of the native API spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method(kind) => kind.as_str(),
            Self::CodeSet(CodeSetKind::Recovery) => "recovery_code",
            Self::CodeSet(CodeSetKind::Scratch) => "scratch_code",
        }
    }

    /// Reads a word; `None` if it is unknown.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "recovery_code" => Some(Self::CodeSet(CodeSetKind::Recovery)),
            "scratch_code" => Some(Self::CodeSet(CodeSetKind::Scratch)),
            word => FactorKind::parse(word).map(Self::Method),
        }
    }

    /// Returns the method; `None` for a code that stands in for one.
    pub const fn method(self) -> Option<FactorKind> {
        match self {
            Self::Method(kind) => Some(kind),
            Self::CodeSet(_) => None,
        }
    }
}

impl From<FactorKind> for AnswerKind {
    fn from(kind: FactorKind) -> Self {
        Self::Method(kind)
    }
}

impl From<CodeSetKind> for AnswerKind {
    fn from(kind: CodeSetKind) -> Self {
        Self::CodeSet(kind)
    }
}

impl<DB: Backend> ToSql<Text, DB> for AnswerKind
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_str().to_sql(out)
    }
}

impl<DB: Backend> FromSql<Text, DB> for AnswerKind
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let word = String::from_sql(bytes)?;
        Self::parse(&word).ok_or_else(|| "the database holds an unknown word for AnswerKind".into())
    }
}

impl Counted {
    /// Returns what a wrong answer of this kind counts for, to a challenge with this purpose.
    ///
    /// Whoever reads the mailbox reaches the second step before a new password without the password. Their
    /// wrong answers must not stop a sign-in, so they have a counter of their own, for all methods together.
    pub fn of(purpose: Purpose, kind: AnswerKind) -> Self {
        match purpose {
            Purpose::PasswordReset => Self::NewPassword,
            Purpose::Setup
            | Purpose::Login
            | Purpose::Disable
            | Purpose::StepUp
            | Purpose::Action => kind.into(),
        }
    }
}

impl From<CodeSetKind> for Counted {
    fn from(kind: CodeSetKind) -> Self {
        match kind {
            CodeSetKind::Recovery => Self::RecoveryCode,
            CodeSetKind::Scratch => Self::ScratchCode,
        }
    }
}

impl From<AnswerKind> for Counted {
    fn from(kind: AnswerKind) -> Self {
        match kind {
            AnswerKind::Method(kind) => kind.into(),
            AnswerKind::CodeSet(kind) => kind.into(),
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
