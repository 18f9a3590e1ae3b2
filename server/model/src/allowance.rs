//! What is left of the limits that a request counted against, so that clients learn it before they reach one.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static LEDGER: Ledger;
}

/// A limit, and how much of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The limit's name.
    pub name: &'static str,
    /// How often something may happen in one window.
    pub most: u32,
    /// The window's length, in seconds.
    pub window_seconds: u32,
    /// How often it may still happen.
    pub left: u32,
    /// Seconds until the window ends and the next one begins in full.
    pub resets_in: u32,
}

/// The limits that one request counted against. The request's writes, which run on other threads, share it.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Allowance>>>);

impl Ledger {
    /// Returns the ledger of the current request; outside of requests, one that nobody reads.
    pub fn of_this_request() -> Self {
        LEDGER.try_with(Self::clone).unwrap_or_default()
    }

    /// Runs `request` with this as its ledger.
    pub async fn of<T>(self, request: impl Future<Output = T>) -> T {
        LEDGER.scope(self, request).await
    }

    /// Stores the state of a limit. If a write runs again, it replaces what it stored before.
    pub fn keep(&self, allowance: Allowance) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.name != allowance.name);
        kept.push(allowance);
    }

    /// Returns the values of `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, §3
    /// and §4); `None` if no limit counted the request.
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
            // Writing to a string cannot fail.
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
