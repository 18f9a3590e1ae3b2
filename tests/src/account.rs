//! What people do with their accounts: passwords.

use crate::call::Call;
use crate::{Server, json};

impl Server {
    /// Asks for a new password.
    pub fn forgot(&self, email: &str) -> Call {
        self.post("/identity/password/forgot", &json!({ "email": email }))
    }

    /// Sets a new password by the mailed link.
    pub fn reset_by_link(&self, token: &str, password: &str) -> Call {
        let body = json!({ "token": token, "password": password });
        self.post("/identity/password/reset", &body)
    }

    /// Sets a new password by the mailed code.
    pub fn reset_by_code(&self, email: &str, code: &str, password: &str) -> Call {
        let body = json!({ "email": email, "code": code, "password": password });
        self.post("/identity/password/reset", &body)
    }

    /// Finishes a new password with a code of a second factor.
    pub fn verify_reset(&self, mfa_token: &str, code: &str) -> Call {
        let body = json!({ "mfaToken": mfa_token, "code": code });
        self.post("/identity/password/reset/verify", &body)
    }

    /// Asks for a new password, and returns the token of the mailed link.
    pub async fn forgotten(&self, email: &str) -> String {
        self.forgot(email).await.is(202);
        let mail = self.mail.notice_to(email, "A new password").await;
        mail.link().expect("a link")
    }
}
