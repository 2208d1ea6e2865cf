//! Who the agent is and whom it trusts: its key and certificate, the CA's certificate, and where the gateway is.
//!
//! The key is made here and never leaves. An identity is one file, which is there whole or not at all, so that a key
//! and its certificate always belong together; a copy lies beside it, for a flash that forgets.

mod desk;
pub mod enrol;
mod judge;
pub mod renewal;
pub mod validity;

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hempuls_protocol::enrolment::{Broker, Granted};
use hempuls_protocol::ids::AgentId;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use zeroize::{Zeroize as _, Zeroizing};

use self::judge::Judge;
use self::validity::{Life, Passed};
use crate::files::{self, Readers};

/// An enrolled agent.
#[derive(Clone)]
pub struct Identity {
    /// Its name.
    pub agent: AgentId,
    /// Where it was enrolled, and its certificate is renewed.
    pub gateway: Broker,
    /// The brokers it was told of, in the order in which they are to be tried.
    pub brokers: Vec<Broker>,
    /// The life of its certificate.
    pub life: Life,
    /// TLS 1.3, this agent's certificate, and no other CA than the gateway's.
    pub tls: Arc<ClientConfig>,
    edition: Edition,
}

/// Tells one file from another that took its place: inode, and when it was written.
type Edition = Option<(u64, i64, i64)>;

/// What the file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    agent: String,
    gateway: String,
    brokers: Vec<String>,
    key: Zeroizing<String>,
    certificate: String,
    ca: String,
}

/// Why an identity is of no use.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("{path}: {error}. Without it nothing can be sent; make it readable and writable for the agent's user")]
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

/// The folder with an agent's identity. Clones are of the same folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    passed: Passed,
    refused: Arc<Notify>,
}

/// The identity, and its copy.
const FILES: [&str; 2] = ["identity.toml", "identity-copy.toml"];

impl Folder {
    /// The identity in a state folder.
    #[must_use]
    pub fn in_state(state: &Path) -> Self {
        let path = state.join("identity");
        Self { passed: Passed::in_folder(&path), path, refused: Arc::default() }
    }

    /// Which time is known to have passed.
    #[must_use]
    pub fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Whether there is an identity, good or not.
    #[must_use]
    pub fn is_enrolled(&self) -> bool {
        FILES.iter().any(|name| self.path.join(name).exists())
    }

    /// A broker does not accept this identity.
    pub fn was_refused(&self) {
        self.refused.notify_one();
    }

    /// Whether this identity is still the one that is kept.
    #[must_use]
    pub fn is_current(&self, identity: &Identity) -> bool {
        identity.edition == edition(&self.path.join(FILES[0]))
    }

    /// Keeps what the gateway at `gateway` granted for this key.
    ///
    /// # Errors
    /// [`IdentityError`]. What was kept before is kept on, unless the gateway's grant is there whole.
    pub fn keep(&self, key: NewKey, granted: &Granted, gateway: &Broker) -> Result<Identity, IdentityError> {
        let kept = Kept {
            agent: granted.agent.clone(),
            gateway: gateway.to_string(),
            brokers: granted.brokers().iter().map(ToString::to_string).collect(),
            key: key.0,
            certificate: granted.certificate.clone(),
            ca: granted.ca.clone(),
        };
        let [path, copy] = FILES.map(|name| self.path.join(name));
        let failed = |path: &Path, error| IdentityError::File { path: path.to_owned(), error };
        let unusable = |why: String| IdentityError::Content { path: path.clone(), why };
        let identity = self.identity(&kept).map_err(unusable)?;
        let text = Zeroizing::new(toml::to_string(&kept).map_err(|error| unusable(error.to_string()))?);
        std::fs::create_dir_all(&self.path).map_err(|error| failed(&self.path, error))?;
        for path in [path, copy] {
            files::replace(&path, text.as_bytes(), Readers::Owner).map_err(|error| failed(&path, error))?;
        }
        Ok(Identity { edition: edition(&self.path.join(FILES[0])), ..identity })
    }

    /// The identity, or `None` before the agent is enrolled.
    ///
    /// # Errors
    /// [`IdentityError`] when it is there and of no use.
    pub fn load(&self) -> Result<Option<Identity>, IdentityError> {
        let mut problem = None;
        for name in FILES {
            let path = self.path.join(name);
            match self.read(&path) {
                Ok(None) => {}
                Ok(Some(identity)) => {
                    if let Some(problem) = problem {
                        tracing::warn!(%problem, "the identity is damaged; its copy serves");
                    }
                    return Ok(Some(identity));
                }
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        problem.map_or(Ok(None), Err)
    }

    fn read(&self, path: &Path) -> Result<Option<Identity>, IdentityError> {
        let failed = |error| IdentityError::File { path: path.to_owned(), error };
        let unusable = |why: String| IdentityError::Content { path: path.to_owned(), why };
        let Some(text) = files::read_if_there(path).map_err(failed)?.map(Zeroizing::new) else { return Ok(None) };
        // What is wrong with the text is said without the text: it holds the key.
        let kept = toml::from_str(&text).map_err(|error| unusable(error.message().to_owned()))?;
        self.identity(&kept).map(Some).map_err(unusable)
    }

    fn identity(&self, kept: &Kept) -> Result<Identity, String> {
        let agent = kept.agent.parse().map_err(|error| format!("agent is {error}"))?;
        let place = |text: &String| text.parse::<Broker>().map_err(|error| format!("{text:?} {error}"));
        let certificates = certificates(&kept.certificate)?;
        let life = certificates.first().map_or(Err("there is no certificate".into()), Life::of)?;
        Ok(Identity {
            agent,
            gateway: place(&kept.gateway)?,
            brokers: kept.brokers.iter().map(place).collect::<Result<_, _>>()?,
            life,
            tls: Arc::new(self.tls(certificates, kept)?),
            edition: edition(&self.path.join(FILES[0])),
        })
    }

    fn tls(&self, certificates: Vec<CertificateDer<'static>>, kept: &Kept) -> Result<ClientConfig, String> {
        let text = |error: rustls::Error| error.to_string();
        let mut authorities = RootCertStore::empty();
        for ca in self::certificates(&kept.ca)? {
            authorities.add(ca).map_err(text)?;
        }
        let key = PrivateKeyDer::from_pem_slice(kept.key.as_bytes()).map_err(|_| "there is no key".to_owned())?;
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(text)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Judge::new(authorities, self.passed.clone()).map_err(text)?))
            .with_client_auth_cert(certificates, key)
            .map_err(|error| format!("the certificate does not belong to the key ({error})"))
    }
}

fn edition(path: &Path) -> Edition {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec()))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// A key (PEM) that has no certificate yet. It is made on this box, for one certificate, and never leaves it.
pub struct NewKey(Zeroizing<String>);

impl NewKey {
    /// Makes one, and the request (PEM) for its certificate. Only the public key in that is used; the name comes from
    /// the gateway.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn make() -> Result<(Self, String), rcgen::Error> {
        let mut key = rcgen::KeyPair::generate()?;
        let request = rcgen::CertificateParams::default().serialize_request(&key)?.pem()?;
        let pem = Zeroizing::new(key.serialize_pem());
        key.zeroize();
        Ok((Self(pem), request))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    #[test]
    fn an_identity_is_its_owners_alone_and_its_copy_serves_when_the_flash_forgets_it() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::in_state(home.path());
        assert!(folder.load().unwrap().is_none() && !folder.is_enrolled());
        enrol(&folder, "aaaaaaaaaaaaaaaa");
        assert!(folder.is_enrolled());
        for name in FILES {
            let mode = std::fs::metadata(folder.path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let length = std::fs::metadata(folder.path.join(FILES[0])).unwrap().len();
        for damaged in [vec![0; usize::try_from(length).unwrap()], Vec::new(), b"agent = 'x'".to_vec()] {
            std::fs::write(folder.path.join(FILES[0]), damaged).unwrap();
            let identity = folder.load().unwrap().unwrap();
            assert_eq!(identity.agent.as_str(), "aaaaaaaaaaaaaaaa");
        }
        std::fs::remove_file(folder.path.join(FILES[0])).unwrap();
        assert!(folder.load().unwrap().is_some());
    }

    #[test]
    fn what_is_wrong_with_an_identity_is_said_without_its_key() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::in_state(home.path());
        enrol(&folder, "aaaaaaaaaaaaaaaa");
        let text = std::fs::read_to_string(folder.path.join(FILES[0])).unwrap();
        let key = text.lines().find(|line| line.len() == 64).unwrap().to_owned();
        for damaged in [text.replace("-----END PRIVATE", "-----"), text.replace("key =", "kay ="), text[..300].into()] {
            for name in FILES {
                std::fs::write(folder.path.join(name), &damaged).unwrap();
            }
            let said = folder.load().err().unwrap().to_string();
            assert!(said.contains("enrol again") && !said.contains(&key[..16]), "{said}");
        }
    }

    #[test]
    fn a_grant_that_is_of_no_use_leaves_the_identity_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::in_state(home.path());
        let (granted, gateway) = enrol(&folder, "aaaaaaaaaaaaaaaa");
        let (another, _) = NewKey::make().unwrap();
        assert!(folder.keep(another, &granted, &gateway).is_err(), "the certificate is for another key");
        assert_eq!(folder.load().unwrap().unwrap().gateway, gateway);
    }

    fn enrol(folder: &Folder, agent: &str) -> (Granted, Broker) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let (key, request) = NewKey::make().unwrap();
        let request = CertificateSigningRequestParams::from_pem(&request).unwrap();
        let certificate = CertificateParams::default().signed_by(&request.public_key, &ca).unwrap().pem();
        let granted = Granted {
            agent: agent.into(),
            certificate,
            ca: ca.pem(),
            broker_host: "localhost".into(),
            broker_port: 8883,
            further_brokers: Vec::new(),
        };
        let gateway = "localhost:8443".parse().unwrap();
        folder.keep(key, &granted, &gateway).unwrap();
        (granted, gateway)
    }
}
