//! Every reason to refuse, declared once: variant, fields, code, class and sentence. What an error is on the wire
//! follows from its row.
//!
//! A variant's fields are what its error has beside the fields of all errors, `attempts_remaining` as
//! `attemptsRemaining`; a few types stay on the server (see [`extra::Extra`]). Several rows may share a code. For
//! clients they are one error: a field that all these rows have is required, the others are optional.
//!
//! A new refusal is one row here, its name in the `refuses!` of each operation that can answer it, a schema in the
//! documents of these operations, and texts for the pages: see "A refusal" in `server/README.md`. Its status follows
//! from its class, and its headers from class and fields (`server/http/src/status.rs`).

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::kinds::Scope;

pub mod extra;

use extra::{Checks, Extra, Field, Reason};

/// What a refusal means to the caller. `server/http/src/status.rs` maps it to a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The request cannot be accepted as it is.
    Invalid,
    /// The caller is unknown, or not authenticated well enough.
    Unauthenticated,
    /// The caller is known, but not allowed to do this.
    Forbidden,
    /// What the request names does not exist.
    Missing,
    /// The address does not take this method.
    Method,
    /// The body did not come in time.
    Late,
    /// It conflicts with the present state.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The body is of another media type or encoding.
    MediaType,
    /// Too many calls. The error says when to try again.
    TooMany,
    /// The server failed.
    Internal,
    /// Not possible right now. The error says when to try again.
    Unavailable,
}

/// A field of a request that cannot be accepted: its JSON name, and a sentence about it.
///
/// It never contains the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The JSON name of the field, dotted if nested, or `body` for the whole body.
    pub field: String,
    /// What to do about it. It may contain the value of a setting.
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
            /// Returns its row.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name $({ $($field: _),+ })? => Kind::$name,)+ }
            }

            /// Returns what its error has beside the fields of all errors, by the names on the wire.
            pub fn extras(&self) -> Map<String, Value> {
                match self {
                    $(Self::$name $({ $($field),+ })? => extra::members([
                        $($((stringify!($field), $field.value())),+)?
                    ]),)+
                }
            }
        }

        /// The rows of the table: refusals without the values of their fields.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $name,)+
        }

        impl Kind {
            /// All rows.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable machine code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it means to the caller.
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)+ }
            }

            /// One sentence that tells the caller what to do.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)+ }
            }

            /// Returns a refusal of this row, for documents and tests.
            pub fn sample(self) -> Refusal {
                match self {
                    $(Self::$name => Refusal::$name $({ $($field: <$type as Extra>::sample()),+ })?,)+
                }
            }

            /// The fields of the row that clients see.
            pub fn fields(self) -> impl Iterator<Item = Field> {
                let fields: &[Field] = match self {
                    $(Self::$name => &[$($(Field {
                        name: stringify!($field),
                        shape: <$type as Extra>::SHAPE,
                    }),+)?],)+
                };
                fields.iter().copied().filter(Field::is_seen)
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
    /// A wrong password was typed where an act must be confirmed.
    InvalidPassword "INVALID_PASSWORD" Invalid "The password is not correct. Please check it and try again.";
    /// The method is already on.
    MfaAlreadyEnabled "MFA_ALREADY_ENABLED" Invalid "This method is already enabled. Give another one its own name, or disable this one first.";
    /// No method is on.
    MfaNotEnabled "MFA_NOT_ENABLED" Invalid "No MFA method is enabled on this account. Set one up first.";
    /// This method is not on.
    MfaMethodNotEnabled "MFA_METHOD_NOT_ENABLED" Invalid "This MFA method is not enabled on this account. Choose one of the enabled methods.";
    /// The challenge reference is unknown, used, or belongs to somebody else.
    MfaTokenInvalid "MFA_TOKEN_INVALID" Invalid "This mfaToken is not valid or was already used. Please start again.";
    /// The challenge has expired.
    MfaTokenExpired "MFA_TOKEN_EXPIRED" Invalid "This mfaToken has expired. Please start again.";
    /// The challenge was made for another purpose.
    MfaWrongPurpose "MFA_WRONG_PURPOSE" Invalid "This mfaToken was issued for another step. Send it to the operation it was issued for.";
    /// The code is wrong.
    InvalidMfaCode {
        /// Tries left for this challenge.
        attempts_remaining: u32
    } "INVALID_MFA_CODE" Invalid "The code is not correct. Check it and try again.";
    /// The code is right but was already used (RFC 6238 §5.2).
    UsedMfaCode {
        /// Why it is refused although it is right.
        reason: Reason,
        /// Tries left for this challenge.
        attempts_remaining: u32,
        /// Seconds until the authenticator shows a code that was not used.
        retry_after: u32
    } "INVALID_MFA_CODE" Invalid "This code was already used. Wait for the next code and try again.";
    /// The method was never set up.
    MfaMethodNotConfigured "MFA_METHOD_NOT_CONFIGURED" Invalid "This MFA method is not set up on this account. Set it up and prove it first.";
    /// The server does not offer this method, or not for this phone number.
    MfaMethodUnavailable "MFA_METHOD_UNAVAILABLE" Invalid "This MFA method is not offered here. Choose another method.";
    /// A passkey's answer cannot be verified.
    PasskeyRefused {
        /// Tries left for this challenge.
        attempts_remaining: u32
    } "PASSKEY_REFUSED" Invalid "The passkey was not accepted. Ask for new options and try again.";
    /// The code is right for another time: the device's clock is wrong.
    AuthenticatorClockOff {
        /// Tries left for this challenge.
        attempts_remaining: u32,
        /// Seconds by which the device's clock is ahead; negative if it is behind.
        offset_seconds: i32
    } "AUTHENTICATOR_CLOCK_OFF" Invalid "The code is right for another time. Set the clock of the authenticator's device automatically and try again.";
    /// The user belongs to no organisation.
    NoOrganisation "NO_ORGANISATION" Invalid "This account belongs to no organisation. Register one first.";
    /// Another factor of the same kind, or another account, has this name.
    NameTaken "NAME_TAKEN" Invalid "This name is taken. Choose another one.";
    /// The authenticator that this challenge was to prove no longer exists.
    AuthenticatorNotConfigured "AUTHENTICATOR_NOT_CONFIGURED" Invalid "No authenticator app is being set up on this account. Start the set-up again.";
    /// The method cannot be used for this.
    InvalidMfaMethod "INVALID_MFA_METHOD" Invalid "This MFA method cannot be used here. Choose another method.";
    /// The method's codes are not sent, so they cannot be sent again.
    ResendOnlyForEmail "RESEND_ONLY_FOR_EMAIL" Invalid "Only codes by e-mail or SMS can be sent again. Use your authenticator app or passkey.";
    /// The registration reference is unknown or used.
    RegistrationTokenInvalid "REGISTRATION_TOKEN_INVALID" Invalid "This registrationToken is not valid or was already used. Please register again.";
    /// The registration has expired.
    RegistrationTokenExpired "REGISTRATION_TOKEN_EXPIRED" Invalid "This registration has expired. Please register again.";
    /// The registration's code is wrong.
    InvalidRegistrationCode {
        /// Tries left for this registration.
        attempts_remaining: u32
    } "INVALID_REGISTRATION_CODE" Invalid "The code is not correct. Check the latest e-mail and try again.";
    /// The link or the code for a new password is unknown, used, or replaced by a newer one.
    ResetTokenInvalid "RESET_TOKEN_INVALID" Invalid "This link or code is not valid or was already used. Please ask for a new mail.";
    /// The link or the code for a new password has expired.
    ResetTokenExpired "RESET_TOKEN_EXPIRED" Invalid "This link or code has expired. Please ask for a new mail.";
    /// The code for a new password is wrong.
    InvalidResetCode {
        /// Tries left for the code of this mail.
        attempts_remaining: u32
    } "INVALID_RESET_CODE" Invalid "The code is not correct. Check the latest e-mail and try again.";
    /// No new address waits for a code in this session.
    EmailChangeInvalid "EMAIL_CHANGE_INVALID" Invalid "No new address waits for this code. Please ask for it again.";
    /// The code for a new address has expired.
    EmailChangeExpired "EMAIL_CHANGE_EXPIRED" Invalid "This code has expired. Please ask for the new address again.";
    /// The code for a new address is wrong.
    InvalidEmailChangeCode {
        /// Tries left for this request.
        attempts_remaining: u32
    } "INVALID_EMAIL_CHANGE_CODE" Invalid "The code is not correct. Check the latest e-mail to the new address and try again.";
    /// The link that restores an address is unknown or used, or the link of an earlier change was used.
    UndoTokenInvalid "UNDO_TOKEN_INVALID" Invalid "This link is not valid or was already used. Please open the link of the earliest e-mail about a changed address.";
    /// The link that restores an address has expired.
    UndoTokenExpired "UNDO_TOKEN_EXPIRED" Invalid "This link has expired: an address can be restored for 72 hours. Please ask the operator for help.";
    /// The address is unknown or the password is wrong: one answer for both (ASVS 6.3.8).
    InvalidCredentials "INVALID_CREDENTIALS" Unauthenticated "The e-mail address or the password is not correct. Please check both and try again.";
    /// The token is missing, forged or of another kind, or its session has ended.
    TokenInvalid {
        /// Whether a token was sent at all. Only then does the header have an `error` (RFC 6750 §3).
        sent: bool
    } "TOKEN_INVALID" Unauthenticated "The token is missing or not valid. Please sign in again.";
    /// The token was valid, but has expired.
    TokenExpired "TOKEN_EXPIRED" Unauthenticated "The token has expired. Refresh it, or sign in again.";
    /// The session's proof is too old or too weak for this act (RFC 9470).
    InsufficientUserAuthentication {
        /// The greatest age of the proof, in seconds.
        max_age: u32
    } "INSUFFICIENT_USER_AUTHENTICATION" Unauthenticated "This needs fresh proof of who you are. Step up or sign in again, and repeat the request.";
    /// The API key is unknown, expired, deleted or mistyped.
    ApiKeyInvalid "API_KEY_INVALID" Unauthenticated "The API key is missing or not valid. Check the X-API-Key header, or ask an administrator for a new key.";
    /// The caller lacks the administrator role.
    Forbidden "FORBIDDEN" Forbidden "This needs the administrator role. Ask an administrator to do it or to give you the role.";
    /// The sandbox's own API takes no calls of pages of other sites, or by names that lead to it from elsewhere.
    ForeignPage "FOREIGN_PAGE" Forbidden "The sandbox refuses calls from other sites. Call it as localhost or under its public_url, and not from a page of another site.";
    /// A member of an organisation cannot act on an administrator of the server.
    BeyondServerAdministrator "FORBIDDEN" Forbidden "This user is an administrator of the server. Ask another administrator of the server to do it.";
    /// An administrator of an organisation cannot act on its owners.
    BeyondOwner "FORBIDDEN" Forbidden "This user is an owner of the organisation. Ask an owner or an administrator of the server to do it.";
    /// The credentials lack a scope.
    InsufficientScope {
        /// The missing scope.
        scope: Scope
    } "INSUFFICIENT_SCOPE" Forbidden "The credentials do not carry the scope this needs. Use an API key that has the scope named in scope.";
    /// The account has a second factor, which this API cannot ask for before a new password.
    MfaRequired "MFA_REQUIRED" Forbidden "This account has a second factor. Open the link in the e-mail, give the second factor there, and choose the password.";
    /// A policy demands a second factor, and this would remove the last one.
    MfaEnforced "MFA_ENFORCED" Forbidden "Your organisation demands a second factor. Set up another method before you turn this one off.";
    /// The method was added after the session began, so it cannot prove the person in it.
    MfaMethodTooNew "MFA_METHOD_TOO_NEW" Forbidden "This method was added after this session began. Use an older method, or sign in again.";
    /// Too many wrong codes have locked the method.
    MfaMethodLocked "MFA_METHOD_LOCKED" Forbidden "This method is locked after too many wrong codes. Use another method or ask an administrator for help.";
    /// The user was deleted or disabled since the step before.
    UserNotFound "USER_NOT_FOUND" Missing "This account no longer exists. Please register again.";
    /// No user has this number or id.
    UnknownUser "USER_NOT_FOUND" Missing "There is no user with this id. List the users to find the right one.";
    /// The user has no factor with this id.
    FactorNotFound "FACTOR_NOT_FOUND" Missing "There is no MFA method with this id on your account. List the methods to find the right one.";
    /// The user has no open session with this id.
    SessionNotFound "SESSION_NOT_FOUND" Missing "There is no open session with this id. List the sessions to find the right one.";
    /// No API key has this id.
    ApiKeyNotFound "API_KEY_NOT_FOUND" Missing "There is no API key with this id. List the keys to find the right one.";
    /// No operation has this path.
    NotFound "NOT_FOUND" Missing "There is nothing at this address. Check the path against the API description.";
    /// The server would have no administrator left.
    LastAdministrator "LAST_ADMINISTRATOR" Conflict "This is the last administrator. Make somebody else an administrator first.";
    /// The caller already has the greatest number of live API keys.
    ApiKeyLimit "API_KEY_LIMIT" Conflict "You have reached the limit of live API keys. Delete one that is no longer needed and try again.";
    /// All tries of the challenge are used. A new challenge can be started at once.
    MfaChallengeUsedUp {
        /// Seconds until a new challenge is accepted. It is always 1, so at once (RFC 6585 §4).
        retry_after: u32
    } "TOO_MANY_MFA_ATTEMPTS" TooMany "All tries of this mfaToken are used up. Please start again.";
    /// The method accepts no codes for now.
    TooManyMfaAttempts {
        /// Seconds until it does again.
        retry_after: u32
    } "TOO_MANY_MFA_ATTEMPTS" TooMany "Too many wrong codes. Wait for the time given in retryAfter and start again.";
    /// The account reached its limit of mailed codes.
    TooManyMfaEmails {
        /// Seconds until the next one may be sent.
        retry_after: u32
    } "TOO_MANY_MFA_EMAILS" TooMany "Too many codes were sent to this account. Wait for the time given in retryAfter and try again.";
    /// The account or the phone number reached its limit of text messages.
    TooManyMfaSms {
        /// Seconds until the next one may be sent.
        retry_after: u32
    } "TOO_MANY_MFA_SMS" TooMany "Too many SMS were sent to this account or number. Wait for the time given in retryAfter or use another method.";
    /// The challenge reached its limit of resends.
    MaxResendLimit {
        /// Seconds until a new challenge may send a code.
        retry_after: u32
    } "MAX_RESEND_LIMIT" TooMany "The code cannot be sent again for this mfaToken. Wait for the time given in retryAfter and start again.";
    /// The last code of the challenge was sent too recently.
    ResendCooldown {
        /// Seconds until it may be sent again.
        retry_after: u32
    } "RESEND_COOLDOWN" TooMany "A code was sent a moment ago. Type it, or wait for the time given in retryAfter and try again.";
    /// Too many wrong passwords for this address from this network.
    TooManyPasswordAttempts {
        /// Seconds until the next password is compared.
        retry_after: u32
    } "TOO_MANY_PASSWORD_ATTEMPTS" TooMany "Too many wrong passwords. Wait for the time given in retryAfter and try again.";
    /// All tries of the registration are used.
    TooManyRegistrationAttempts {
        /// Seconds until a new registration can be started.
        retry_after: u32
    } "TOO_MANY_REGISTRATION_ATTEMPTS" TooMany "Too many wrong codes. Wait for the time given in retryAfter and register again.";
    /// All tries of the code for a new password are used, or too many wrong ones came for this address.
    TooManyResetAttempts {
        /// Seconds until another code can be judged.
        retry_after: u32
    } "TOO_MANY_RESET_ATTEMPTS" TooMany "Too many wrong codes. Open the link in the e-mail, or wait for the time given in retryAfter and ask for a new mail.";
    /// All tries of the code for a new address are used.
    TooManyEmailChangeAttempts {
        /// Seconds until a new request makes sense.
        retry_after: u32
    } "TOO_MANY_EMAIL_CHANGE_ATTEMPTS" TooMany "Too many wrong codes. Wait for the time given in retryAfter and ask for the new address again.";
    /// The network or the account made too many calls of a kind that is limited.
    TooManyRequests {
        /// Seconds until the next call is accepted.
        retry_after: u32
    } "TOO_MANY_REQUESTS" TooMany "This was requested too often. Wait for the time given in retryAfter and try again.";
    /// A queue is full, or the server's mails of this hour are used. Nothing was done.
    Busy {
        /// Seconds after which to try again.
        retry_after: u32
    } "SERVICE_UNAVAILABLE" Unavailable "The service is busy. Wait for the time given in retryAfter and try again.";
    /// A part that the server needs does not work.
    NotReady {
        /// How each part is.
        checks: Checks,
        /// What is wrong, as a sentence.
        reason: &'static str,
        /// Seconds after which to ask again.
        retry_after: u32
    } "NOT_READY" Unavailable "The service is not ready. See checks for the part that does not work, and ask again after retryAfter.";
    /// A fault of this server. Only the edge says it: below, a fault is a [`Fault`](super::Fault).
    Internal "INTERNAL" Internal "Something went wrong on our side. Try again, and report the requestId if it happens again.";
    /// The path exists, but not with this method.
    MethodNotAllowed {
        /// The methods it takes, for the header Allow.
        allow: String
    } "METHOD_NOT_ALLOWED" Method "This address does not accept this HTTP method. Use one that the Allow header names.";
    /// The body is larger than the setting allows.
    PayloadTooLarge "PAYLOAD_TOO_LARGE" TooLarge "The request body is too large. Send a smaller one.";
    /// The body did not come, or too slowly.
    RequestTimeout "REQUEST_TIMEOUT" Late "The request body did not arrive in time. Send the complete request again.";
    /// The body must be JSON and is not marked as such.
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" MediaType "The request body must be JSON. Send it with Content-Type: application/json.";
    /// The body must be a form and is not marked as such.
    NoForm "UNSUPPORTED_MEDIA_TYPE" MediaType "The request body must be a form. Send it with Content-Type: application/x-www-form-urlencoded.";
    /// The body is compressed, or in a charset that is not UTF-8.
    Encoded "UNSUPPORTED_MEDIA_TYPE" MediaType "The request body must be plain UTF-8. Send it without Content-Encoding and without another charset.";
}

impl Kind {
    /// Returns the errors as clients tell them apart: the first row of each code.
    pub fn codes() -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(|one| one.same().next() == Some(*one))
    }

    /// Returns the rows that share its code.
    pub fn same(self) -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(move |other| other.code() == self.code())
    }

    /// Returns the name of its schema: `InvalidMfaCodeErrorResponse` for `INVALID_MFA_CODE`.
    pub fn schema_name(self) -> String {
        extra::camel(&self.code().to_ascii_lowercase(), true) + "ErrorResponse"
    }
}

impl Refusal {
    /// The stable machine code.
    pub const fn code(&self) -> &'static str {
        self.kind().code()
    }

    /// What it means to the caller.
    pub const fn class(&self) -> Class {
        self.kind().class()
    }

    /// One sentence that tells the caller what to do.
    pub const fn sentence(&self) -> &'static str {
        self.kind().sentence()
    }

    /// Returns the refusal of one field.
    pub fn field(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Validation {
            errors: vec![FieldError {
                field: field.to_owned(),
                message: message.into(),
            }],
        }
    }
}
