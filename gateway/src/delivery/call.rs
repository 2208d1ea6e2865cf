//! HTTP requests to addresses that a configuration or a person named.
//!
//! Promised: none goes to a private, loopback or link-local address unless the configuration allows that very one. What the
//! name resolves to is looked at and then connected to, so that it cannot become another one in between. Without TLS only
//! where the address is allowed. A redirect is not followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::course::CONNECT;

/// More of an answer is not read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// One that makes requests.
#[derive(Clone)]
pub struct Caller {
    tls: TlsConnector,
    allowed: Vec<IpAddr>,
}

/// What a peer answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// After how long to try again, where it says so in seconds.
    pub retry_after: Option<Duration>,
    /// What it said.
    pub body: Bytes,
}

/// Why there is no answer. The words name no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It will not be asked, however often it is tried.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// It could not be asked this time.
    #[error("{0}")]
    Failed(String),
}

impl Caller {
    /// One that trusts the system's authorities and those of this file, and may call these addresses although they are
    /// not public.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn new(ca: Option<&[u8]>, allowed: &[IpAddr]) -> Result<Self, String> {
        Ok(Self { tls: tls(ca)?, allowed: allowed.to_vec() })
    }

    /// Sends a request with this body; waits as long as it takes.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn post(&self, to: &Uri, headers: &[(&str, &str)], body: &str) -> Result<Answer, NoAnswer> {
        self.ask(Method::POST, to, headers, body).await
    }

    /// Asks for what is there; waits as long as it takes.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn get(&self, from: &Uri, headers: &[(&str, &str)]) -> Result<Answer, NoAnswer> {
        self.ask(Method::GET, from, headers, "").await
    }

    async fn ask(&self, method: Method, to: &Uri, headers: &[(&str, &str)], body: &str) -> Result<Answer, NoAnswer> {
        let failed = |what: &str, error: &dyn std::fmt::Display| NoAnswer::Failed(format!("{what}: {error}"));
        let is_tls = match to.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(NoAnswer::NotAllowed("the address begins with neither https nor http")),
        };
        let host = to.host().ok_or(NoAnswer::NotAllowed("the address has no host"))?;
        let port = to.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let authority = to.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(to.path_and_query().map_or("/", |path| path.as_str()))
            .header(HOST, authority)
            .header(USER_AGENT, concat!("hempuls/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request =
            request.body(Full::new(Bytes::from(body.to_owned()))).map_err(|error| failed("request", &error))?;
        let stream = self.connect(host.trim_matches(['[', ']']), port, is_tls).await?;
        if !is_tls {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| NoAnswer::NotAllowed("the address's host is no name"))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| NoAnswer::Failed(tls_failed(&error)))?;
        exchange(stream, request).await
    }

    /// Connects to the first address of the host that answers, of those that may be called.
    async fn connect(&self, host: &str, port: u16, is_tls: bool) -> Result<TcpStream, NoAnswer> {
        let found = tokio::net::lookup_host((host, port))
            .await
            .map_err(|_| NoAnswer::Failed("the host's name cannot be resolved".to_owned()))?;
        let mut why = NoAnswer::Failed("the host's name has no address".to_owned());
        for address in found {
            let ip = address.ip().to_canonical();
            let is_allowed = self.allowed.contains(&ip);
            if !is_allowed && !is_public(ip) {
                why = NoAnswer::NotAllowed("the host is at a private address, which the configuration does not allow");
            } else if !is_allowed && !is_tls {
                why = NoAnswer::NotAllowed("the address is not https");
            } else {
                match timeout(CONNECT, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => return Ok(stream),
                    Ok(Err(error)) => why = NoAnswer::Failed(format!("cannot connect: {}", error.kind())),
                    Err(_) => why = NoAnswer::Failed("cannot connect: no answer in time".to_owned()),
                }
            }
        }
        Err(why)
    }
}

/// TLS to peers that the system's authorities know, or those of this file.
///
/// # Errors
/// What is wrong with the file.
pub fn tls(ca: Option<&[u8]>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(ca.unwrap_or_default()) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Why TLS failed. What the library says of a certificate names the host.
pub(super) fn tls_failed(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => {
            "TLS: the peer's certificate is not for its name, not trusted or out of date".to_owned()
        }
        Some(_) | None => format!("TLS: {error}"),
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: hyper::Error| NoAnswer::Failed(format!("HTTP: {error}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let talk = async move {
        let answer = sender.send_request(request).await.map_err(failed)?;
        let status = answer.status().as_u16();
        let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
        // The status is what counts; a body that is cut off or too long says nothing more.
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok(Answer { status, retry_after: seconds.map(Duration::from_secs), body })
    };
    tokio::pin!(talk);
    tokio::select! {
        answer = &mut talk => answer,
        // The connection may end before its last answer is looked at.
        _ = connection => talk.await,
    }
}

/// Whether an address is one of the public Internet.
///
/// Source: IANA IPv4 and IPv6 Special-Purpose Address Registries.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = match (a, b, c) {
        // This network, private, loopback, multicast and above.
        (0 | 10 | 127 | 224.., _, _) => true,
        // Shared by a provider's customers; link-local; private; benchmarks.
        (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _) | (198, 18 | 19, _) => true,
        // Protocol assignments, documentation, 6to4 relays.
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99) => true,
        _ => false,
    };
    !is_special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    // Global unicast, but for what carries an IPv4 address (Teredo, 6to4) and documentation.
    first & 0xE000 == 0x2000
        && first != 0x2002
        && !(first == 0x2001 && (second == 0 || second == 0x0DB8))
        && !(first == 0x3FFF && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_called() {
        for public in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.167.1.1", "100.128.0.1", "2a00:1450::1", "2606:4700::1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.8.9.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.1",
            "192.168.1.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2001::1",
            "2001:db8::1",
        ] {
            let ip: IpAddr = special.parse().unwrap();
            assert!(!is_public(ip.to_canonical()), "{special}");
        }
    }
}
