//! Who the agent is and whom it trusts: its key and certificate, the CA's certificate, and where the broker is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hempuls_protocol::ids::AgentId;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

use crate::files::{self, Readers};

/// An enrolled agent.
#[derive(Clone)]
pub struct Identity {
    /// Its name.
    pub agent: AgentId,
    /// The broker's host.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// When its certificate expires, in seconds since 1970.
    pub expires: i64,
    /// TLS 1.3, this agent's certificate, and no other CA than the gateway's.
    pub tls: Arc<ClientConfig>,
}

/// What `uplink.toml` holds. It is written last: with it the agent is enrolled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Uplink {
    agent: String,
    host: String,
    port: u16,
}

/// Why an identity is of no use.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("{path}: {error}; enrol again with a new code if the file is gone")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {why}; enrol again with a new code")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// The folder with an agent's identity.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The identity in a state folder.
    #[must_use]
    pub fn in_state(state: &Path) -> Self {
        Self(state.join("identity"))
    }

    /// The agent's own key (PEM), which never leaves this folder: the one that is there, or the one that is made.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn key(&self, make: impl FnOnce() -> String) -> Result<String, IdentityError> {
        let path = self.0.join("agent.key");
        let failed = |error| IdentityError::File { path: path.clone(), error };
        if let Some(key) = files::read_if_there(&path).map_err(failed)? {
            return Ok(key);
        }
        std::fs::create_dir_all(&self.0).map_err(failed)?;
        let key = make();
        files::replace(&path, key.as_bytes(), Readers::Owner).map_err(failed)?;
        Ok(key)
    }

    /// Keeps what the gateway granted.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn keep(&self, granted: &hempuls_protocol::enrolment::Granted) -> Result<(), IdentityError> {
        let uplink =
            Uplink { agent: granted.agent.clone(), host: granted.broker_host.clone(), port: granted.broker_port };
        let uplink = toml::to_string(&uplink)
            .map_err(|error| IdentityError::Content { path: self.0.join("uplink.toml"), why: error.to_string() })?;
        for (name, content) in [("agent.crt", &granted.certificate), ("ca.crt", &granted.ca), ("uplink.toml", &uplink)]
        {
            let path = self.0.join(name);
            files::replace(&path, content.as_bytes(), Readers::All)
                .map_err(|error| IdentityError::File { path, error })?;
        }
        Ok(())
    }

    /// The identity, or `None` before the agent is enrolled.
    ///
    /// # Errors
    /// [`IdentityError`] when it is there and of no use.
    pub fn load(&self) -> Result<Option<Identity>, IdentityError> {
        let path = self.0.join("uplink.toml");
        let text = files::read_if_there(&path).map_err(|error| IdentityError::File { path: path.clone(), error })?;
        let Some(text) = text else { return Ok(None) };
        let unusable = |why: String| IdentityError::Content { path: path.clone(), why };
        let uplink: Uplink = toml::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        let agent = uplink.agent.parse().map_err(|error| unusable(format!("agent is {error}")))?;
        let certificates = self.certificates("agent.crt")?;
        let expires = certificates.first().map_or(Err("it is empty".into()), expiry);
        let expires = expires.map_err(|why| IdentityError::Content { path: self.0.join("agent.crt"), why })?;
        let tls = self.tls(certificates)?;
        Ok(Some(Identity { agent, host: uplink.host, port: uplink.port, expires, tls: Arc::new(tls) }))
    }

    fn tls(&self, certificates: Vec<CertificateDer<'static>>) -> Result<ClientConfig, IdentityError> {
        let unusable = |name: &str, why: String| IdentityError::Content { path: self.0.join(name), why };
        let mut roots = RootCertStore::empty();
        for ca in self.certificates("ca.crt")? {
            roots.add(ca).map_err(|error| unusable("ca.crt", error.to_string()))?;
        }
        let key = PrivateKeyDer::from_pem_slice(self.read("agent.key")?.as_bytes())
            .map_err(|error| unusable("agent.key", error.to_string()))?;
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| unusable("agent.crt", error.to_string()))?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates, key)
            .map_err(|error| unusable("agent.crt", format!("it does not belong to the key beside it ({error})")))
    }

    fn certificates(&self, name: &str) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
        let text = self.read(name)?;
        let read = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
        read.map_err(|error| IdentityError::Content { path: self.0.join(name), why: error.to_string() })
    }

    fn read(&self, name: &str) -> Result<String, IdentityError> {
        let path = self.0.join(name);
        std::fs::read_to_string(&path).map_err(|error| IdentityError::File { path, error })
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Result<i64, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
    Ok(parsed.validity().not_after.timestamp())
}
