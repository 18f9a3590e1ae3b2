//! The session of a signed-in client, and when to renew it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Lifted;
use crate::Secret;

/// How long before its end an access token is renewed at most. A quarter of its life counts if that
/// is shorter.
const MARGIN: TimeDelta = TimeDelta::seconds(30);

/// The tokens of one signed-in user.
///
/// Every answer with tokens converts into a session, so `client.sign_in_with(&answer)` accepts them
/// all. A session can be serialized, to stay signed in over a restart. The result gives access to
/// the account, so store it as you would a password. Store it again after calls: the refresh token
/// changes with each renewal, and an old one ends the session.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Session {
    access_token: Secret,
    refresh_token: Secret,
    expires_at: DateTime<Utc>,
    renew_at: DateTime<Utc>,
}

impl Session {
    /// Makes a session from tokens that did not come through this SDK. `expires_in` is the server's
    /// value, in seconds from now.
    #[must_use]
    pub fn new(
        access_token: impl Into<Secret>,
        refresh_token: impl Into<Secret>,
        expires_in: u32,
    ) -> Self {
        let life = TimeDelta::seconds(i64::from(expires_in));
        let expires_at = Utc::now() + life;
        Self {
            access_token: access_token.into(),
            refresh_token: refresh_token.into(),
            expires_at,
            renew_at: expires_at - MARGIN.min(life / 4),
        }
    }

    /// Makes a session of a bearer alone, which is sent as it is and never renewed. Use it for a
    /// token of another client, or for the reference of an unfinished sign-in if an API accepts
    /// that as a bearer.
    #[must_use]
    pub fn bearer(token: impl Into<Secret>) -> Self {
        Self {
            access_token: token.into(),
            refresh_token: "".into(),
            expires_at: DateTime::<Utc>::MAX_UTC,
            renew_at: DateTime::<Utc>::MAX_UTC,
        }
    }

    /// Makes a session that ends at a time, in seconds since 1970, by the server's clock.
    #[cfg(feature = "flashback")]
    pub(crate) fn until(access_token: &Secret, refresh_token: &Secret, expires_at: u64) -> Self {
        let now = u64::try_from(Utc::now().timestamp()).unwrap_or_default();
        let life = expires_at.saturating_sub(now);
        let life = u32::try_from(life).unwrap_or(u32::MAX);
        Self::new(access_token, refresh_token, life)
    }

    /// Returns the access token, for a call that this SDK does not make.
    #[must_use]
    pub fn access_token(&self) -> &Secret {
        &self.access_token
    }

    /// Returns the token that `refresh_token` exchanges for new tokens. It is good for one call.
    #[must_use]
    pub fn refresh_token(&self) -> &Secret {
        &self.refresh_token
    }

    /// Returns when the access token expires, by this machine's clock.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// Continues with the access token of a step-up.
    pub(super) fn lift(&mut self, lifted: &Lifted) {
        let refresh_token = self.refresh_token.clone();
        *self = Self::new(&lifted.access_token, refresh_token, lifted.expires_in);
    }

    /// Tells whether there is a refresh token.
    pub(super) fn is_renewable(&self) -> bool {
        !self.refresh_token.expose().is_empty()
    }

    /// Tells whether the access token is so close to its end that a call might arrive too late.
    pub(super) fn wants_renewal(&self) -> bool {
        self.is_renewable() && Utc::now() >= self.renew_at
    }
}

#[cfg(test)]
mod tests {
    use super::Session;

    fn session(expires_in: u32) -> Session {
        Session::new("access", "refresh", expires_in)
    }

    #[test]
    fn it_is_renewed_before_its_end_and_not_at_once() {
        assert!(!session(900).wants_renewal());
        assert!(
            !session(20).wants_renewal(),
            "a short-lived token is used for most of its life"
        );
        assert!(session(0).wants_renewal());
    }

    #[test]
    fn it_survives_being_stored() {
        let stored = serde_json::to_string(&session(900)).expect("it is written");
        let back: Session = serde_json::from_str(&stored).expect("it is read");
        assert_eq!(back.access_token().expose(), "access");
        assert_eq!(back.refresh_token().expose(), "refresh");
    }

    #[test]
    fn it_shows_no_token() {
        let shown = format!("{:?}", session(900));
        assert!(
            !shown.contains("\"access\"") && !shown.contains("\"refresh\""),
            "{shown}"
        );
        assert!(shown.contains("[secret]"), "{shown}");
    }
}
