//! Which tokens' signatures were found right a moment ago: checking one costs more than all else that a bearer is
//! judged by.

use quick_cache::sync::Cache;

use crate::digest;

/// Tokens that are remembered at most, about a megabyte of them.
const MOST: usize = 8192;

/// Tokens whose signature is right, by their SHA-256, with the place of the key that signed them.
///
/// Nothing else is remembered: whether the key still counts, the times, the session and its user are judged on each
/// call. It belongs to one key ring, so that nothing of it outlives a key's removal.
pub(super) struct Checked(Cache<[u8; 32], usize>);

impl Checked {
    /// Remembers nothing yet.
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST))
    }

    /// The place of the key that signed exactly these bytes, if that was seen.
    pub(super) fn signer(&self, token: &str) -> Option<usize> {
        self.0.get(&digest(token.as_bytes()))
    }

    /// Remembers a token whose signature was found right.
    pub(super) fn remember(&self, token: &str, key: usize) {
        self.0.insert(digest(token.as_bytes()), key);
    }
}
