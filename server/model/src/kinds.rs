//! The small closed word lists of the domain, each with the one spelling the database knows.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;

/// Declares an enum whose variants are words in the database.
///
/// Reading an unknown word is an error for that row only, so an old replica survives a word that a
/// newer one wrote.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
        #[diesel(sql_type = Text)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every word of the list, in its order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as the database and the JSON of the native API spell it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads a word; `None` for one this list does not know.
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

impl FactorKind {
    /// Whether its code is sent, and can be sent again.
    pub const fn is_sent(self) -> bool {
        match self {
            Self::Email | Self::Sms => true,
            Self::Authenticator | Self::Passkey | Self::RecoveryCode | Self::ScratchCode => false,
        }
    }
}

impl CodeSetKind {
    /// The method, and the counter of wrong tries, of this kind of code.
    pub const fn method(self) -> FactorKind {
        match self {
            Self::Recovery => FactorKind::RecoveryCode,
            Self::Scratch => FactorKind::ScratchCode,
        }
    }
}

impl OrganisationRole {
    /// Whether they may act on other members.
    pub const fn administers(self) -> bool {
        match self {
            Self::Owner | Self::Administrator => true,
            Self::Member => false,
        }
    }
}

words! {
    /// How a person proves who they are beside the password: the kinds of factors, and the two kinds of
    /// codes that stand in for one.
    FactorKind {
        /// The proved mailbox: a code and a link by mail. Never raises a session to `aal2` (NIST SP 800-63B-4 §3.1.3.1).
        Email = "email",
        /// A time-based one-time password from an authenticator app (RFC 6238).
        Authenticator = "authenticator",
        /// A code by SMS to a proved number.
        Sms = "sms",
        /// A passkey (WebAuthn).
        Passkey = "passkey",
        /// A recovery code: a method of a challenge and a counter, never a row of `factors`.
        RecoveryCode = "recovery_code",
        /// One of Veeam's eight-digit scratch codes: likewise.
        ScratchCode = "scratch_code",
    }

    /// A kind of code set.
    CodeSetKind {
        /// Ten codes of sixteen Crockford symbols.
        Recovery = "recovery",
        /// Veeam's five codes of eight digits (seed 003).
        Scratch = "scratch",
    }

    /// What a user is in their organisation.
    OrganisationRole {
        /// Made it; everything an administrator may.
        Owner = "owner",
        /// May demand a second factor, and help members.
        Administrator = "administrator",
        /// Their own account only.
        Member = "member",
    }

    /// Where a factor stands between set-up and use (ARCHITECTURE, "One factor state serves four APIs").
    FactorState {
        /// Issued, unproved.
        Pending = "pending",
        /// Proved, not asked at sign-in.
        Ready = "ready",
        /// Asked at sign-in.
        On = "on",
    }

    /// What a challenge may be used for; a challenge of one purpose opens nothing else.
    Purpose {
        /// Proves a factor that is being set up.
        Setup = "setup",
        /// Finishes a sign-in.
        Login = "login",
        /// Proves a factor that is being turned off.
        Disable = "disable",
        /// Proves the person once more in a session that is open (RFC 9470).
        StepUp = "step_up",
        /// Confirms an act that a client names, as Netevia's `shortMessageType`.
        Action = "action",
    }

    /// What a user may do beyond their own account.
    Role {
        /// Their own account only.
        User = "user",
        /// Everything an administrator may.
        Administrator = "administrator",
    }

    /// What an API key opens.
    Scope {
        /// Judge other users' access tokens.
        TokensValidate = "tokens:validate",
        /// List users.
        UsersRead = "users:read",
    }

    /// The assurance of a session, as its `acr` claim says it.
    Assurance {
        /// One factor.
        Aal1 = "aal1",
        /// Two steps that are not two factor types, as a password and a mailed code (NIST SP 800-63B-4 §3.1.3.1).
        TwoStep = "two-step",
        /// Two different factor types (NIST SP 800-63B-4 §2.2).
        Aal2 = "aal2",
    }
}
