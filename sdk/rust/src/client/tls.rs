//! TLS with rustls and the certificates that the machine trusts.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls_platform_verifier::BuilderVerifierExt;

/// Returns the settings of connections. They use the program's own cryptography if it has chosen
/// one, otherwise ring. The usual alternative takes longer to compile than all the rest of this
/// SDK.
///
/// # Errors
///
/// Fails if the machine has no readable certificates.
pub(super) fn config() -> Result<ClientConfig, rustls::Error> {
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| Arc::new(ring::default_provider()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?;
    Ok(config.with_no_client_auth())
}
