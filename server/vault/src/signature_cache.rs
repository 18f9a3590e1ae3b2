//! A cache of tokens whose signatures were right. Checking a signature costs more than all other checks of a
//! bearer.

use quick_cache::sync::Cache;

use crate::digest;

/// The greatest number of cached tokens, about one megabyte.
const MOST: usize = 8192;

/// Tokens with a right signature, by their SHA-256, each with the index of the key that signed it.
///
/// Only the signature is cached. Whether the key is still accepted, the times, the session and its user are
/// checked on each call. The cache belongs to one key ring, so that nothing in it outlives a removed key.
pub(super) struct SignatureCache(Cache<[u8; 32], usize>);

impl SignatureCache {
    /// Creates an empty cache.
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST))
    }

    /// Returns the index of the key that signed exactly these bytes, if it is cached.
    pub(super) fn signer(&self, token: &str) -> Option<usize> {
        self.0.get(&digest(token.as_bytes()))
    }

    /// Caches a token whose signature was right.
    pub(super) fn remember(&self, token: &str, key: usize) {
        self.0.insert(digest(token.as_bytes()), key);
    }
}
