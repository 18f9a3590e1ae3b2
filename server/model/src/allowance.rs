//! What is left of the limits that a request counted against: its caller is told before one is hit.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static LEDGER: Ledger;
}

/// A limit, and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Its name.
    pub name: &'static str,
    /// How often something may happen in its window.
    pub most: u32,
    /// The window's length, in seconds.
    pub window_seconds: u32,
    /// How often it still may.
    pub left: u32,
    /// Seconds until the window ends, and the next one begins with all of it.
    pub resets_in: u32,
}

/// The limits that one request counted against. Shared with its writes, which run elsewhere.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Allowance>>>);

impl Ledger {
    /// The ledger of the request that is being answered; outside of one, a ledger that nobody reads.
    pub fn of_this_request() -> Self {
        LEDGER.try_with(Self::clone).unwrap_or_default()
    }

    /// Runs a request that fills this ledger.
    pub async fn of<T>(self, request: impl Future<Output = T>) -> T {
        LEDGER.scope(self, request).await
    }

    /// Keeps how a limit stands; a write that runs again replaces what it kept before.
    pub fn keep(&self, allowance: Allowance) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.name != allowance.name);
        kept.push(allowance);
    }

    /// The values of `RateLimit-Policy` and `RateLimit`
    /// (draft-ietf-httpapi-ratelimit-headers-10, §3 and §4); none where no limit counted the request.
    pub fn headers(&self) -> Option<(String, String)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() {
            return None;
        }
        let (mut policies, mut standings) = (String::new(), String::new());
        for one in kept.iter() {
            let (name, comma) = (one.name, if policies.is_empty() { "" } else { ", " });
            let (most, window) = (one.most, one.window_seconds);
            let (left, resets_in) = (one.left, one.resets_in);
            // Writing to a string does not fail.
            let _ = write!(policies, "{comma}\"{name}\";q={most};w={window}");
            let _ = write!(standings, "{comma}\"{name}\";r={left};t={resets_in}");
        }
        Some((policies, standings))
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Ledger};

    #[test]
    fn each_limit_stands_once_in_both_headers() {
        let of = |name, most, left| Allowance {
            name,
            most,
            window_seconds: 3600,
            left,
            resets_in: 1800,
        };
        let ledger = Ledger::default();
        assert_eq!(ledger.headers(), None);
        ledger.keep(of("mail_calls", 30, 29));
        ledger.keep(of("code_mails_hour", 6, 5));
        ledger.keep(of("mail_calls", 30, 28));
        let (policies, standings) = ledger.headers().expect("two limits");
        assert_eq!(
            policies,
            r#""code_mails_hour";q=6;w=3600, "mail_calls";q=30;w=3600"#
        );
        assert_eq!(
            standings,
            r#""code_mails_hour";r=5;t=1800, "mail_calls";r=28;t=1800"#
        );
    }
}
