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

words! {
    /// How a factor proves a person.
    FactorKind {
        /// A six-digit code by mail. Never raises a session to `aal2` (N-053).
        Email = "email",
        /// A time-based one-time password from an authenticator app (RFC 6238).
        Authenticator = "authenticator",
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
        /// Two steps that are not two factor types NIST counts, as a password and a mailed code (N-053).
        TwoStep = "two-step",
        /// Two different factor types (N-001).
        Aal2 = "aal2",
    }
}
