//! Every reason to refuse, declared once: variant, code, class, sentence; and the fault, which is ours.

use std::borrow::Cow;
use std::fmt;

use crate::kinds::Scope;

/// What a refusal means to the caller; `http/status.rs` maps it to a status once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The request cannot be accepted as it is.
    Invalid,
    /// Nobody the server knows, or not proved well enough.
    Unauthenticated,
    /// Known, and not allowed.
    Forbidden,
    /// What the request names does not exist.
    Missing,
    /// It collides with what is there already.
    Conflict,
    /// Too often; it says when again.
    TooMany,
    /// We cannot right now; it says when again.
    Unavailable,
}

/// One field of a request that cannot be accepted: its JSON name, and our sentence about it.
///
/// The value is never in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The JSON name of the field, dotted when nested, `body` for the whole.
    pub field: String,
    /// What to do about it; it may name the number of a setting.
    pub message: Cow<'static, str>,
}

/// Declares the table of refusals.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$fdoc:meta])* $field:ident: $type:ty),+ })? $code:literal $class:ident $sentence:literal;)+) => {
        /// Why a request is refused. A refusal commits what the flow wrote before it.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Refusal {
            $($(#[$doc])* $name $({ $($(#[$fdoc])* $field: $type),+ })?,)+
        }

        impl Refusal {
            /// The stable machine code.
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$name $({ $($field: _),+ })? => $code,)+ }
            }

            /// What it means to the caller.
            pub const fn class(&self) -> Class {
                match self { $(Self::$name $({ $($field: _),+ })? => Class::$class,)+ }
            }

            /// One sentence that tells the caller what to do.
            pub const fn sentence(&self) -> &'static str {
                match self { $(Self::$name $({ $($field: _),+ })? => $sentence,)+ }
            }
        }
    };
}

refusals! {
    /// Fields of the request cannot be read or accepted.
    Validation {
        /// The fields, each with a sentence.
        errors: Vec<FieldError>
    } "VALIDATION" Invalid "The request could not be accepted. Correct the fields listed in errors and send it again.";
    /// The password typed again is wrong.
    InvalidPassword "INVALID_PASSWORD" Invalid "The password is not correct. Please check it and try again.";
    /// The method is on already.
    MfaAlreadyEnabled "MFA_ALREADY_ENABLED" Invalid "This method is already enabled. Give a further one a name of its own, or disable it first.";
    /// No method is on.
    MfaNotEnabled "MFA_NOT_ENABLED" Invalid "No MFA method is enabled on this account. Set one up first.";
    /// This method is not on.
    MfaMethodNotEnabled "MFA_METHOD_NOT_ENABLED" Invalid "This MFA method is not enabled on this account. Choose one of the enabled methods.";
    /// The challenge reference is unknown, used or somebody else's.
    MfaTokenInvalid "MFA_TOKEN_INVALID" Invalid "This mfaToken is not valid or was already used. Please start again.";
    /// The challenge is past its lifetime.
    MfaTokenExpired "MFA_TOKEN_EXPIRED" Invalid "This mfaToken has expired. Please start again.";
    /// The challenge was made for another step.
    MfaWrongPurpose "MFA_WRONG_PURPOSE" Invalid "This mfaToken was issued for another step. Send it to the operation it was issued for.";
    /// The code does not fit.
    InvalidMfaCode {
        /// Tries left on this challenge.
        attempts_remaining: u32
    } "INVALID_MFA_CODE" Invalid "The code is not correct. Check it and try again.";
    /// The code is right but was accepted before (RFC 6238 §5.2).
    UsedMfaCode {
        /// Tries left on this challenge.
        attempts_remaining: u32,
        /// Seconds until the authenticator shows a code that was not used.
        retry_after: u32
    } "INVALID_MFA_CODE" Invalid "This code was already used. Wait for the next code and try again.";
    /// The method was never set up.
    MfaMethodNotConfigured "MFA_METHOD_NOT_CONFIGURED" Invalid "This MFA method is not set up on this account. Set it up and prove it first.";
    /// The server is not set up to offer the method, or not to this number.
    MfaMethodUnavailable "MFA_METHOD_UNAVAILABLE" Invalid "This MFA method is not offered here. Choose another method.";
    /// A passkey's answer does not verify.
    PasskeyRefused {
        /// Tries left on this challenge.
        attempts_remaining: u32
    } "PASSKEY_REFUSED" Invalid "The passkey was not accepted. Ask for new options and try again.";
    /// The code is right for another time: the clock of the device is off.
    AuthenticatorClockOff {
        /// Tries left on this challenge.
        attempts_remaining: u32,
        /// How far the device's clock is ahead, in seconds; negative when it is behind.
        offset_seconds: i32
    } "AUTHENTICATOR_CLOCK_OFF" Invalid "The code fits another time. Set the clock of the authenticator's device automatically and try again.";
    /// The user belongs to no organisation.
    NoOrganisation "NO_ORGANISATION" Invalid "This account belongs to no organisation. Register one first.";
    /// Somebody signs in by this name already.
    NameTaken "NAME_TAKEN" Invalid "This name is taken. Choose another one.";
    /// The authenticator this challenge was to prove is gone.
    AuthenticatorNotConfigured "AUTHENTICATOR_NOT_CONFIGURED" Invalid "No authenticator app is being set up on this account. Start the set-up again.";
    /// The method is not one we know.
    InvalidMfaMethod "INVALID_MFA_METHOD" Invalid "This MFA method cannot be used here. Choose another method.";
    /// Only mailed codes can be sent again.
    ResendOnlyForEmail "RESEND_ONLY_FOR_EMAIL" Invalid "Only codes by e-mail or SMS can be sent again. Use your authenticator app or passkey.";
    /// The registration reference is unknown or used.
    RegistrationTokenInvalid "REGISTRATION_TOKEN_INVALID" Invalid "This registrationToken is not valid or was already used. Please register again.";
    /// The registration is past its lifetime.
    RegistrationTokenExpired "REGISTRATION_TOKEN_EXPIRED" Invalid "This registration has expired. Please register again.";
    /// The registration's code does not fit.
    InvalidRegistrationCode {
        /// Tries left on this registration.
        attempts_remaining: u32
    } "INVALID_REGISTRATION_CODE" Invalid "The code is not correct. Check the latest e-mail and try again.";
    /// Unknown address or wrong password: one answer for both (ASVS 6.3.8).
    InvalidCredentials "INVALID_CREDENTIALS" Unauthenticated "The e-mail address or the password is not correct. Please check both and try again.";
    /// The token is missing, forged, of another kind, or its session has ended.
    TokenInvalid {
        /// Whether a token was sent at all (RFC 6750 §3: `error` only then).
        sent: bool
    } "TOKEN_INVALID" Unauthenticated "The token is missing or not valid. Please sign in again.";
    /// The token was good and is past its lifetime.
    TokenExpired "TOKEN_EXPIRED" Unauthenticated "The token has expired. Refresh it, or sign in again.";
    /// The session is too old or too weak for this act (RFC 9470).
    InsufficientUserAuthentication {
        /// How old the sign-in may be, in seconds.
        max_age: u32
    } "INSUFFICIENT_USER_AUTHENTICATION" Unauthenticated "This needs a sign-in of the last minutes, second step included. Step up or sign in again, and repeat the request.";
    /// The API key is unknown, expired, deleted or mistyped.
    ApiKeyInvalid "API_KEY_INVALID" Unauthenticated "The API key is missing or not valid. Check the X-API-Key header, or ask an administrator for a new key.";
    /// The administrator role is missing.
    Forbidden "FORBIDDEN" Forbidden "This needs the administrator role. Ask an administrator to do it or to give you the role.";
    /// An organisation's people act on no administrator of the server.
    BeyondServerAdministrator "FORBIDDEN" Forbidden "This user is an administrator of the server. Ask another administrator of the server to do it.";
    /// An organisation's administrators act on no owner of it.
    BeyondOwner "FORBIDDEN" Forbidden "This user is an owner of the organisation. Ask an owner or an administrator of the server to do it.";
    /// The credentials do not carry the scope.
    InsufficientScope {
        /// The scope that is missing.
        scope: Scope
    } "INSUFFICIENT_SCOPE" Forbidden "The credentials do not carry the scope this needs. Use an API key that has the scope named in scope.";
    /// A policy demands a second factor, and this would take the last one away.
    MfaEnforced "MFA_ENFORCED" Forbidden "Your organisation demands a second factor. Set up another method before you turn this one off.";
    /// The method was added after the session began, and cannot prove who is in it.
    MfaMethodTooNew "MFA_METHOD_TOO_NEW" Forbidden "This method was added after this session began. Use an older method, or sign in again.";
    /// The method was stopped by too many wrong codes.
    MfaMethodLocked "MFA_METHOD_LOCKED" Forbidden "This method is locked after too many wrong codes. Use another method or ask an administrator for help.";
    /// The user was deleted or disabled between two steps.
    UserNotFound "USER_NOT_FOUND" Missing "This account no longer exists. Please register again.";
    /// No user has this number.
    UnknownUser "USER_NOT_FOUND" Missing "There is no user with this id. List the users to find the right one.";
    /// No factor of the user has this id.
    FactorNotFound "FACTOR_NOT_FOUND" Missing "There is no MFA method with this id on your account. List the methods to find the right one.";
    /// No key has this id.
    ApiKeyNotFound "API_KEY_NOT_FOUND" Missing "There is no API key with this id. List the keys to find the right one.";
    /// The path belongs to no operation.
    NotFound "NOT_FOUND" Missing "There is nothing at this address. Check the path against the API description.";
    /// Nobody could administer the server any more.
    LastAdministrator "LAST_ADMINISTRATOR" Conflict "This is the last administrator. Make somebody else an administrator first.";
    /// The caller has as many live keys as one may have.
    ApiKeyLimit "API_KEY_LIMIT" Conflict "You have reached the limit of live API keys. Delete one that is no longer needed and try again.";
    /// The challenge takes no more codes; another one is let in at once.
    MfaChallengeUsedUp "TOO_MANY_MFA_ATTEMPTS" TooMany "All tries of this mfaToken are used up. Please start again.";
    /// The factor takes no more codes for now.
    TooManyMfaAttempts {
        /// Seconds until a new challenge is let in.
        retry_after: u32
    } "TOO_MANY_MFA_ATTEMPTS" TooMany "Too many wrong codes. Wait for the time given in retryAfter and start again.";
    /// The account had its share of code mails.
    TooManyMfaEmails {
        /// Seconds until the next one may be sent.
        retry_after: u32
    } "TOO_MANY_MFA_EMAILS" TooMany "Too many codes were sent to this account. Wait for the time given in retryAfter and try again.";
    /// The account or the number had its share of SMS.
    TooManyMfaSms {
        /// Seconds until the next one may be sent.
        retry_after: u32
    } "TOO_MANY_MFA_SMS" TooMany "Too many SMS were sent to this account or number. Wait for the time given in retryAfter or use another method.";
    /// The challenge had its resends.
    MaxResendLimit {
        /// Seconds until a new challenge may send.
        retry_after: u32
    } "MAX_RESEND_LIMIT" TooMany "The code cannot be sent again for this mfaToken. Wait for the time given in retryAfter and start again.";
    /// The last mail of the challenge is too fresh.
    ResendCooldown {
        /// Seconds until it may be sent again.
        retry_after: u32
    } "RESEND_COOLDOWN" TooMany "A code was sent a moment ago. Check your inbox, or wait for the time given in retryAfter and try again.";
    /// Too many wrong passwords for this address from this source.
    TooManyPasswordAttempts {
        /// Seconds until the next try is compared.
        retry_after: u32
    } "TOO_MANY_PASSWORD_ATTEMPTS" TooMany "Too many wrong passwords. Wait for the time given in retryAfter and try again.";
    /// The registration takes no more codes.
    TooManyRegistrationAttempts {
        /// Seconds until a new registration is let in.
        retry_after: u32
    } "TOO_MANY_REGISTRATION_ATTEMPTS" TooMany "Too many wrong codes. Wait for the time given in retryAfter and register again.";
    /// The source had its share of calls that send mail.
    TooManyRequests {
        /// Seconds until the next one is let in.
        retry_after: u32
    } "TOO_MANY_REQUESTS" TooMany "This was asked for too often. Wait for the time given in retryAfter and try again.";
    /// A queue is full; nothing was done.
    Busy {
        /// Seconds after which to try again.
        retry_after: u32
    } "SERVICE_UNAVAILABLE" Unavailable "The service is busy. Wait for the time given in retryAfter and try again.";
}

impl Refusal {
    /// One field that cannot be accepted.
    pub fn field(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Validation {
            errors: vec![FieldError {
                field: field.to_owned(),
                message: message.into(),
            }],
        }
    }
}

/// A fault of ours or of something we depend on: rolled back, logged once at the edge, never shown.
#[derive(Debug)]
pub struct Fault {
    /// Whether a dependency failed (503, try again) and not our own code (500).
    pub dependency: bool,
    /// What happened, for the log only.
    pub cause: anyhow::Error,
}

impl Fault {
    /// A bug of ours: 500.
    pub fn bug(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            dependency: false,
            cause: cause.into(),
        }
    }

    /// A dependency that does not do its part: 503.
    pub fn dependency(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            dependency: true,
            cause: cause.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)
    }
}

/// A refusal commits what came before it; a fault rolls it back.
#[derive(Debug)]
pub enum Error {
    /// The caller may not, or must do otherwise.
    Refused(Refusal),
    /// Ours to mend.
    Fault(Fault),
}

/// What flows, factors and the store return.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<anyhow::Error> for Error {
    fn from(cause: anyhow::Error) -> Self {
        Self::Fault(Fault::bug(cause))
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::DatabaseErrorKind as Kind;
        use diesel::result::Error as Diesel;
        let dependency = match &error {
            // `Unknown` is how both drivers report a lock, a full disk, an I/O error or a server
            // that is shutting down.
            Diesel::DatabaseError(
                Kind::ClosedConnection
                | Kind::UnableToSendCommand
                | Kind::SerializationFailure
                | Kind::ReadOnlyTransaction
                | Kind::Unknown,
                _,
            )
            | Diesel::BrokenTransactionManager => true,
            _ => false,
        };
        let cause = anyhow::Error::new(error).context("database");
        Self::Fault(Fault { dependency, cause })
    }
}
