//! What people do with their accounts: passwords, addresses and sessions.

use crate::call::{Call, Method};
use crate::mail::Mail;
use crate::{Person, Server, json};

impl Person {
    /// Changes the password. `password` stays as it is.
    pub fn change_password(&self, new: &str) -> Call {
        let body = json!({ "oldPassword": self.password, "newPassword": new });
        self.call(Method::PUT, "/identity/me/password").json(&body)
    }

    /// Deletes the account.
    pub fn delete_account(&self) -> Call {
        let body = json!({ "password": self.password });
        self.call(Method::DELETE, "/identity/me").json(&body)
    }

    /// Asks for a new address.
    pub fn begin_email_change(&self, new: &str) -> Call {
        let body = json!({ "email": new, "password": self.password });
        self.post("/identity/me/email", &body)
    }

    /// Proves a new address by the mailed code.
    pub fn verify_email_change(&self, code: &str) -> Call {
        self.post("/identity/me/email/verify", &json!({ "code": code }))
    }

    /// Changes the address, and returns the token of the link that restores the old one.
    pub async fn change_email(&mut self, new: &str) -> String {
        self.begin_email_change(new).await.is(202);
        let code = self.server.mail.code_to(new).await;
        let changed = self.verify_email_change(&code).await.is(200);
        let undoes = |link: String| link.starts_with("eu_");
        let wanted = |mail: &Mail| mail.link().is_some_and(undoes);
        let mail = self.server.mail.next("link", &self.email, wanted).await;
        let link = mail.link().expect("a link");
        self.email = changed.text("email");
        link
    }

    /// Lists the open sessions.
    pub fn sessions(&self) -> Call {
        self.get("/identity/me/sessions")
    }

    /// Ends one of the sessions.
    pub fn end_session(&self, id: &str) -> Call {
        let path = format!("/identity/me/sessions/{id}");
        self.call(Method::DELETE, &path)
    }

    /// Ends all other sessions.
    pub fn end_other_sessions(&self) -> Call {
        self.call(Method::DELETE, "/identity/me/sessions")
    }

    /// Lists what happened, newest first. `query` begins with `?`, or is empty.
    pub fn activity(&self, query: &str) -> Call {
        self.get(&format!("/identity/me/activity{query}"))
    }
}

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

    /// Restores the address of before a change by the mailed link.
    pub fn undo_email_change(&self, token: &str) -> Call {
        self.post("/identity/email/undo", &json!({ "token": token }))
    }

    /// Asks for a new password, and returns the token of the mailed link.
    pub async fn forgotten(&self, email: &str) -> String {
        self.forgot(email).await.is(202);
        let mail = self.mail.notice_to(email, "A new password").await;
        mail.link().expect("a link")
    }
}
