//! How each API signs in: the two calls, and the examples in its document that answer them.

/// A document and the calls of a sign-in in it.
pub struct Api {
    /// The document's name.
    pub name: &'static str,
    /// The path that takes the password, and the example that asks for a second factor.
    pub first: (&'static str, &'static str),
    /// The path that takes the code, and the example of a session.
    pub second: (&'static str, &'static str),
}

/// The four documents.
pub const APIS: [Api; 4] = [
    Api {
        name: "identity",
        first: ("/identity/login", "MfaRequiredAuthenticator"),
        second: ("/identity/mfa/login/verify", "Code"),
    },
    Api {
        name: "netevia",
        first: ("/api/auth/v2", "MfaRequired"),
        second: ("/api/auth/v2/2Fac", ""),
    },
    Api {
        name: "flashback",
        first: ("/user/login", "MfaRequired"),
        second: ("/mfa/verify-login", ""),
    },
    Api {
        name: "veeam",
        first: ("/api/oauth2/token", "MfaRequired"),
        second: ("/api/oauth2/token", "SignedIn"),
    },
];
