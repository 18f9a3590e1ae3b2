//! What is left of the limits that a request counted against: its caller is told before one is hit.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::limits::{Limit, Standing};

tokio::task_local! {
    static LEDGER: Ledger;
}

/// The limits that one request counted against. Shared with its writes, which run elsewhere.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<(Limit, Standing)>>>);

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
    pub fn keep(&self, limit: Limit, standing: Standing) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(other, _)| other.name != limit.name);
        kept.push((limit, standing));
    }

    /// The values of `RateLimit-Policy` and `RateLimit`
    /// (draft-ietf-httpapi-ratelimit-headers-10, §3 and §4); none where no limit counted the request.
    pub fn headers(&self) -> Option<(String, String)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() {
            return None;
        }
        let (mut policies, mut standings) = (String::new(), String::new());
        for (limit, standing) in kept.iter() {
            let (name, comma) = (limit.name, if policies.is_empty() { "" } else { ", " });
            let (most, window) = (limit.most, limit.window_seconds);
            let (left, resets_in) = (standing.left, standing.resets_in);
            // Writing to a string does not fail.
            let _ = write!(policies, "{comma}\"{name}\";q={most};w={window}");
            let _ = write!(standings, "{comma}\"{name}\";r={left};t={resets_in}");
        }
        Some((policies, standings))
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;
    use crate::store::limits::{Limit, Standing};

    #[test]
    fn each_limit_stands_once_in_both_headers() {
        let limit = |name, most| Limit {
            name,
            most,
            window_seconds: 3600,
        };
        let standing = |left| Standing {
            left,
            resets_in: 1800,
        };
        let ledger = Ledger::default();
        assert_eq!(ledger.headers(), None);
        ledger.keep(limit("mail_calls", 30), standing(29));
        ledger.keep(limit("code_mails_hour", 6), standing(5));
        ledger.keep(limit("mail_calls", 30), standing(28));
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
