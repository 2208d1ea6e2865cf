//! The gateway's own certificate authority: one key, kept in the data folder, that vouches for the server and for every
//! agent. A certificate says whose it is and for how long, and nothing else.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hempuls_protocol::ids::AgentId;
use rand::Rng as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long the authority lives.
const CA_DAYS: i64 = 20 * 365;

/// How long the server's certificate lives.
const SERVER_DAYS: i64 = 365;

/// The server's certificate is renewed when it has less than this left.
const RENEW_DAYS: i64 = 60;

/// Clocks may be this much behind, or a hundredth of a certificate's life where that is less.
const BACKDATED_MS: i64 = 60 * 60 * 1000;

/// The authority.
pub struct Ca {
    folder: PathBuf,
    certificate: String,
    public_key: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that was just issued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issued {
    /// It, as PEM.
    pub pem: String,
    /// Its serial number in hexadecimal digits, without leading zeros.
    pub serial: String,
    /// When it expires.
    pub expires_ms: i64,
}

/// Where the server's certificate lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerFiles {
    /// The certificate, and after it the authority's.
    pub chain: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority's certificate, that clients are checked with.
    pub ca: PathBuf,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("{file}: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{file} does not hold what it should: {why}")]
    Damaged {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// What was asked for cannot be certified.
    #[error("cannot be certified: {0}")]
    Request(#[from] rcgen::Error),
}

impl Ca {
    /// Opens the authority in this folder, or founds it.
    ///
    /// # Errors
    /// [`PkiError`], where its files cannot be read or written. An authority that is half there is never founded anew:
    /// all agents would be locked out.
    pub fn open(folder: &Path, now_ms: i64) -> Result<Self, PkiError> {
        let (key_file, certificate_file) = (folder.join("ca-key.pem"), folder.join("ca.pem"));
        if !key_file.exists() && !certificate_file.exists() {
            let key = KeyPair::generate()?;
            let mut params = params(&[], "Hempuls CA", now_ms, CA_DAYS * DAY_MS)?;
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let certificate = params.self_signed(&key)?;
            write_secret(&key_file, &key.serialize_pem())?;
            write_secret(&certificate_file, &certificate.pem())?;
        }
        let damaged =
            |file: &Path, why: rcgen::Error| PkiError::Damaged { file: file.to_owned(), why: why.to_string() };
        let key = KeyPair::from_pem(&read(&key_file)?).map_err(|why| damaged(&key_file, why))?;
        let public_key = key.subject_public_key_info();
        let certificate = read(&certificate_file)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(|why| damaged(&certificate_file, why))?;
        Ok(Self { folder: folder.to_owned(), certificate, public_key, issuer })
    }

    /// The authority's certificate, as PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The authority's certificate, as DER.
    #[must_use]
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("it was read when the authority was opened")
    }

    /// The authority's public key (SubjectPublicKeyInfo, DER): what an enrolment code pins.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Certifies an agent's key, for `life`. Of the request only the key is used.
    ///
    /// # Errors
    /// [`PkiError::Request`], where the request cannot be read or does not prove that its sender has the key.
    pub fn certify_agent(
        &self,
        agent: &AgentId,
        request: &str,
        life: Duration,
        now_ms: i64,
    ) -> Result<Issued, PkiError> {
        let request = CertificateSigningRequestParams::from_pem(request)?;
        let life_ms = i64::try_from(life.as_millis()).unwrap_or(CA_DAYS * DAY_MS);
        let mut params = params(&[], agent.as_str(), now_ms, life_ms)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (number, serial) = serial(now_ms);
        params.serial_number = Some(number);
        let expires_ms = params.not_after.unix_timestamp() * 1000;
        let certificate = params.signed_by(&request.public_key, &self.issuer)?;
        Ok(Issued { pem: certificate.pem(), serial, expires_ms })
    }

    /// A certificate for a client of another broker, and its key: whoever has both is called `common_name`.
    ///
    /// # Errors
    /// [`PkiError::Request`], where there is no randomness.
    pub fn client(
        &self,
        common_name: &str,
        life: Duration,
        now_ms: i64,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), PkiError> {
        let key = KeyPair::generate()?;
        let life_ms = i64::try_from(life.as_millis()).unwrap_or(CA_DAYS * DAY_MS);
        let mut params = params(&[], common_name, now_ms, life_ms)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(serial(now_ms).0);
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok((certificate, PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
    }

    /// The server's certificate for these names: the one that is there, or a fresh one if that is for others or soon
    /// expires. Says whether it is fresh.
    ///
    /// # Errors
    /// [`PkiError`], where a file cannot be read or written.
    pub fn server(&self, names: &[&str], now_ms: i64) -> Result<(ServerFiles, bool), PkiError> {
        let files = ServerFiles {
            chain: self.folder.join("server.pem"),
            key: self.folder.join("server-key.pem"),
            ca: self.folder.join("ca.pem"),
        };
        if files.chain.exists() && files.key.exists() && is_good_for(&read(&files.chain)?, names, now_ms) {
            return Ok((files, false));
        }
        let key = KeyPair::generate()?;
        let mut params = params(names, names.first().copied().unwrap_or_default(), now_ms, SERVER_DAYS * DAY_MS)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.serial_number = Some(serial(now_ms).0);
        let certificate = params.signed_by(&key, &self.issuer)?;
        write_secret(&files.key, &key.serialize_pem())?;
        write_secret(&files.chain, &format!("{}{}", certificate.pem(), self.certificate))?;
        Ok((files, true))
    }
}

/// Whether a chain begins with a certificate for just these names that does not expire soon.
fn is_good_for(chain: &str, names: &[&str], now_ms: i64) -> bool {
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(chain.as_bytes()) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&pem.contents) else { return false };
    let Ok(Some(stated)) = certificate.subject_alternative_name() else { return false };
    let stated: BTreeSet<String> = stated.value.general_names.iter().filter_map(name_in).collect();
    let expires_ms = certificate.validity().not_after.timestamp().saturating_mul(1000);
    stated == names.iter().map(|name| (*name).to_owned()).collect() && expires_ms - now_ms > RENEW_DAYS * DAY_MS
}

fn name_in(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    }
}

fn params(names: &[&str], common_name: &str, now_ms: i64, life_ms: i64) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName((*name).try_into()?),
        });
    }
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = at(now_ms - BACKDATED_MS.min(life_ms / 100));
    params.not_after = at(now_ms.saturating_add(life_ms));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn at(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// When it is made, 72 random bits, and how both are written.
fn serial(now_ms: i64) -> (SerialNumber, String) {
    let mut bytes: [u8; 16] = rand::rng().random();
    bytes[0] = WITH_TIME;
    bytes[1..7].copy_from_slice(&now_ms.to_be_bytes()[2..]);
    (SerialNumber::from_slice(&bytes), hex::encode(bytes))
}

/// The first byte of a serial number that says when it was made: positive, and without a zero in front.
const WITH_TIME: u8 = 0x4D;

/// When the certificate with this serial number was made; none where it does not say.
#[must_use]
pub fn issued_ms(serial: &str) -> Option<i64> {
    let bytes: [u8; 16] = hex::decode(serial).ok()?.try_into().ok()?;
    let mut ms = [0; 8];
    ms[2..].copy_from_slice(&bytes[1..7]);
    (bytes[0] == WITH_TIME).then(|| i64::from_be_bytes(ms))
}

fn read(file: &Path) -> Result<String, PkiError> {
    std::fs::read_to_string(file).map_err(|source| PkiError::File { file: file.to_owned(), source })
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_secret(file: &Path, text: &str) -> Result<(), PkiError> {
    let part = file.with_extension("part");
    let write = || -> std::io::Result<()> {
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        open.write_all(text.as_bytes())?;
        open.sync_all()?;
        std::fs::rename(&part, file)?;
        file.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
    };
    write().map_err(|source| PkiError::File { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;
    const LIFE: Duration = Duration::from_secs(100 * 24 * 60 * 60);

    #[test]
    fn the_authority_is_founded_once_and_its_key_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = Ca::open(folder.path(), NOW).unwrap();
        let again = Ca::open(folder.path(), NOW + DAY_MS).unwrap();
        assert_eq!((first.public_key(), first.certificate()), (again.public_key(), again.certificate()));
        let mode = std::fs::metadata(folder.path().join("ca-key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        std::fs::remove_file(folder.path().join("ca-key.pem")).unwrap();
        assert!(Ca::open(folder.path(), NOW).is_err(), "half an authority is founded anew");
    }

    #[test]
    fn an_agent_gets_a_certificate_in_its_name_whatever_it_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::open(folder.path(), NOW).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut wish = CertificateParams::new(vec!["gateway.example".to_owned()]).unwrap();
        wish.distinguished_name.push(DnType::CommonName, "root");
        wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let request = wish.serialize_request(&key).unwrap().pem().unwrap();

        let issued = ca.certify_agent(&AgentId::from_random([7; 10]), &request, LIFE, NOW).unwrap();

        let (_, pem) = x509_parser::pem::parse_x509_pem(issued.pem.as_bytes()).unwrap();
        let (_, certificate) = X509Certificate::from_der(&pem.contents).unwrap();
        let names: Vec<&str> = certificate.subject().iter_common_name().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(names, [AgentId::from_random([7; 10]).as_str()]);
        assert!(!certificate.is_ca() && certificate.subject_alternative_name().unwrap().is_none());
        assert_eq!(certificate.validity().not_after.timestamp() * 1000, NOW + 100 * DAY_MS);
        assert_eq!(issued.expires_ms, NOW + 100 * DAY_MS);
        assert_eq!(certificate.serial.to_str_radix(16), issued.serial);
        let purpose = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(purpose.client_auth && !purpose.server_auth && !purpose.any);
    }

    #[test]
    fn the_servers_certificate_is_renewed_in_time_and_when_the_name_changes() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::open(folder.path(), NOW).unwrap();
        let is_fresh = |names: &[&str], at| ca.server(names, at).unwrap().1;
        assert!(is_fresh(&["localhost"], NOW));
        assert!(!is_fresh(&["localhost"], NOW + (SERVER_DAYS - RENEW_DAYS - 1) * DAY_MS));
        assert!(is_fresh(&["localhost"], NOW + (SERVER_DAYS - RENEW_DAYS) * DAY_MS));
        assert!(is_fresh(&["192.0.2.1"], NOW));
        assert!(is_fresh(&["gateway.example", "192.0.2.1", "2001:db8::1"], NOW));
        assert!(!is_fresh(&["gateway.example", "192.0.2.1", "2001:db8::1"], NOW));
        assert!(is_fresh(&["gateway.example", "192.0.2.1"], NOW));
    }
}
