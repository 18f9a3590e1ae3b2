//! TLS in front of a test's server, for clients that require it: a proxy with a certificate of its
//! own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::suite;

/// A TLS proxy. It ends with the test.
pub struct Proxy {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The certificate of its authority, in PEM.
    pub authority: PathBuf,
}

impl Proxy {
    /// Starts a proxy in front of a server.
    ///
    /// # Panics
    /// Panics if it cannot listen, or its certificate cannot be made.
    pub async fn before(server: SocketAddr) -> Self {
        let folder = TempDir::new().expect("a folder");
        let authority = folder.path().join("authority.pem");
        let (pem, chain, key) = certificate();
        std::fs::write(&authority, pem).expect("a file");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let accepting = tokio::spawn(accept(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            server,
        ));
        suite::afterwards(async move {
            accepting.abort();
            drop(folder);
        });
        Self { address, authority }
    }
}

/// Forwards each connection until both ends are finished.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    while let Ok((outer, _peer)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut outer = acceptor.accept(outer).await?;
            let mut inner = TcpStream::connect(server).await?;
            copy_bidirectional(&mut outer, &mut inner).await
        });
    }
}

/// Makes an authority, and a certificate for this machine.
fn certificate() -> (String, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = || KeyPair::generate().expect("a key");
    // If both had the same name, clients would take one for the other.
    let named = |name: &str, hosts: &[&str]| {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut named = CertificateParams::new(hosts).expect("names");
        named.distinguished_name.push(DnType::CommonName, name);
        named
    };
    let mut authority = named("the test's authority", &[]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let signing = key();
    let vouching = authority.self_signed(&signing).expect("a certificate");
    let issuer = Issuer::new(authority, signing);
    let mut machine = named("the test's machine", &["127.0.0.1", "localhost"]);
    machine.use_authority_key_identifier_extension = true;
    machine.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    machine.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let own = key();
    let vouched = machine.signed_by(&own, &issuer).expect("a certificate");
    let secret = PrivatePkcs8KeyDer::from(own.serialize_der());
    (vouching.pem(), vec![vouched.der().clone()], secret.into())
}
