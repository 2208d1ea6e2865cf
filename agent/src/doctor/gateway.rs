//! The way to the gateway: who the agent is, and whether a broker is found, reached, trusted and lets it in.
//!
//! While an agent runs nothing is asked that would disturb it: a second connection in its name would throw it out. So
//! the last question, whether the broker lets this agent in, is asked only when none runs.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use hempuls_protocol::times::{Taken, Trust};
use jiff::Timestamp;
use rumqttc::v5::mqttbytes::Error as MqttError;
use rumqttc::v5::mqttbytes::v5::{Connect, ConnectReturnCode, Disconnect, DisconnectReasonCode, Packet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::Finding;
use crate::clock;
use crate::config::Config;
use crate::control::status::Status;
use crate::identity::validity::Life;
use crate::identity::{Folder, Identity};
use crate::uplink::Uplink;
use crate::uplink::probe::{Unreachable, reach};

/// Who the agent is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Certificate {
    NotThere,
    Unusable(String),
    There { agent: String, life: Life, now_s: i64 },
}

/// How far one comes on one of the ways to the gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// The broker lets this agent in.
    LetsIn,
    /// The right broker answers; whether it lets this agent in was not asked.
    Answers,
    /// It answers and does not let it in, and why.
    Refuses(String),
    /// It is not reached, and why.
    Unreachable(String),
}

/// The ways to the gateway, in the order in which they are tried.
pub(super) struct Facts {
    pub(super) certificate: Certificate,
    pub(super) ways: Vec<(String, Outcome)>,
    /// The running agent is connected.
    pub(super) connected: bool,
}

pub(super) async fn look(config: &Config, status: Option<&Status>) -> Facts {
    let connected = status.is_some_and(|status| status.connected);
    let folder = Folder::in_state(&config.state);
    let identity = match folder.load() {
        Ok(Some(identity)) => identity,
        Ok(None) => return Facts { certificate: Certificate::NotThere, ways: Vec::new(), connected },
        Err(error) => {
            return Facts { certificate: Certificate::Unusable(error.to_string()), ways: Vec::new(), connected };
        }
    };
    let mut ways = Vec::new();
    for uplink in Uplink::all(&config.uplinks, &identity) {
        let over = uplink.interface.as_ref().map_or_else(String::new, |interface| format!(" over {interface}"));
        let name = format!("{}{over}", uplink.broker);
        ways.push((name, try_out(uplink, &identity, status.is_none()).await));
    }
    let Taken { wall_ms, trust, .. } = clock::taken();
    let shown_s = wall_ms.filter(|_| trust != Trust::Unknown).map_or(0, |ms| ms / 1_000);
    let now_s = shown_s.max(folder.passed().moment());
    Facts {
        certificate: Certificate::There { agent: identity.agent.to_string(), life: identity.life, now_s },
        ways,
        connected,
    }
}

/// How long a broker may take to object to a certificate, or to answer.
const OBJECTION: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(10);

async fn try_out(uplink: Uplink, identity: &Identity, may_ask: bool) -> Outcome {
    let stream = match reach(&uplink, identity.tls.clone()).await {
        Ok(stream) => stream,
        Err(why @ Unreachable::NoTrust(_)) => return Outcome::Refuses(why.to_string()),
        Err(why) => return Outcome::Unreachable(why.to_string()),
    };
    let tried = if may_ask { knock(stream, identity).await } else { wait_for_objection(stream).await };
    tried.unwrap_or_else(|error| Outcome::Refuses(Unreachable::from_tls(&error).to_string()))
}

/// A server that does not like a certificate says so only after the handshake is done.
async fn wait_for_objection(mut stream: TlsStream<TcpStream>) -> io::Result<Outcome> {
    match timeout(OBJECTION, stream.read_u8()).await {
        Err(_) => Ok(Outcome::Answers),
        Ok(Ok(_)) => Ok(Outcome::Answers),
        Ok(Err(error)) => Err(error),
    }
}

/// Asks to be let in, and goes again.
async fn knock(mut stream: TlsStream<TcpStream>, identity: &Identity) -> io::Result<Outcome> {
    let invalid = |error: MqttError| io::Error::new(io::ErrorKind::InvalidData, error);
    let (mut said, mut heard) = (BytesMut::new(), BytesMut::new());
    let connect =
        Connect { client_id: identity.agent.to_string(), keep_alive: 30, clean_start: true, properties: None };
    Packet::Connect(connect, None, None).write(&mut said, None).map_err(invalid)?;
    stream.write_all(&said).await?;
    stream.flush().await?;
    let answer = timeout(ANSWER, async {
        loop {
            match Packet::read(&mut heard, None) {
                Ok(packet) => return Ok(packet),
                Err(MqttError::InsufficientBytes(_)) => {}
                Err(error) => return Err(invalid(error)),
            }
            if stream.read_buf(&mut heard).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    });
    let Ok(answer) = answer.await else { return Ok(Outcome::Refuses("it does not answer in time".into())) };
    let outcome = match answer? {
        Packet::ConnAck(ack) if ack.code == ConnectReturnCode::Success => Outcome::LetsIn,
        Packet::ConnAck(ack) => {
            let why = "it may be revoked; ask the care team. A retired one may still send what it has";
            Outcome::Refuses(format!("the broker does not let this agent in ({:?}): {why}", ack.code))
        }
        other => Outcome::Refuses(format!("what answers is no broker ({other:?})")),
    };
    said.clear();
    Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection))
        .write(&mut said, None)
        .map_err(invalid)?;
    // What matters was said.
    drop(stream.write_all(&said).await);
    drop(stream.shutdown().await);
    Ok(outcome)
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![judge_certificate(&facts.certificate)];
    let works = |outcome: &Outcome| matches!(outcome, Outcome::LetsIn | Outcome::Answers);
    let any_works = facts.connected || facts.ways.iter().any(|(_, outcome)| works(outcome));
    findings.extend(facts.ways.iter().map(|(way, outcome)| judge_way(way, outcome, any_works)));
    if facts.connected {
        findings.push(Finding::good("Gateway", "the running agent is connected"));
    }
    findings
}

fn judge_certificate(certificate: &Certificate) -> Finding {
    const ABOUT: &str = "Certificate";
    match certificate {
        Certificate::NotThere => Finding::bad(
            ABOUT,
            "this agent is not enrolled: everything is kept, and nothing is sent",
            "hempuls-agent enrol --gateway … --code …; the gateway's `home add` printed the code",
        ),
        Certificate::Unusable(why) => Finding::bad(ABOUT, why.clone(), "hempuls-agent enrol, with a new code"),
        Certificate::There { agent, life, now_s } => {
            let day = |second| {
                Timestamp::from_second(second).map_or_else(|_| "?".into(), |at| at.strftime("%Y-%m-%d").to_string())
            };
            let until = day(life.until);
            if *now_s > life.until {
                let said = format!("{agent}'s has expired on {until}");
                Finding::bad(
                    ABOUT,
                    said,
                    "the running agent renews it; where it cannot: hempuls-agent enrol, with a new code",
                )
            } else if life.until - now_s < (life.until - life.from) / 4 {
                let said = format!("{agent}'s expires on {until}, and should have been renewed by now");
                Finding::odd(ABOUT, said, "see whether the gateway's enrolment address is reached from here")
            } else {
                Finding::good(ABOUT, format!("{agent}'s is good until {until}"))
            }
        }
    }
}

fn judge_way(way: &str, outcome: &Outcome, another_works: bool) -> Finding {
    const ABOUT: &str = "Gateway";
    let (why, advice) = match outcome {
        Outcome::LetsIn => return Finding::good(ABOUT, format!("{way} lets this agent in")),
        Outcome::Answers => return Finding::good(ABOUT, format!("{way} answers, and is the right one")),
        Outcome::Refuses(why) => (why, "what it means stands there"),
        Outcome::Unreachable(why) => {
            (why, "look at the network of the home: its router, the SIM card, the name server")
        }
    };
    let said = format!("{way}: {why}");
    if another_works { Finding::odd(ABOUT, said, advice) } else { Finding::bad(ABOUT, said, advice) }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn life(now_s: i64) -> Certificate {
        Certificate::There { agent: "a".into(), life: Life { from: 0, until: 90 * 86_400 }, now_s }
    }

    #[test]
    fn a_certificate_is_good_until_it_should_have_been_renewed() {
        for (certificate, verdict) in [
            (Certificate::NotThere, Verdict::Bad),
            (Certificate::Unusable("torn".into()), Verdict::Bad),
            (life(10 * 86_400), Verdict::Good),
            (life(62 * 86_400), Verdict::Good),
            (life(80 * 86_400), Verdict::Odd),
            (life(91 * 86_400), Verdict::Bad),
        ] {
            assert_eq!(judge_certificate(&certificate).verdict, verdict, "{certificate:?}");
        }
    }

    #[test]
    fn a_way_that_fails_beside_one_that_works_is_odd_and_alone_it_is_bad() {
        let facts = |ways: Vec<Outcome>, connected| Facts {
            certificate: life(0),
            ways: ways.into_iter().map(|outcome| ("broker:8883".into(), outcome)).collect(),
            connected,
        };
        let gone = || Outcome::Unreachable("the name is not known".into());
        let worst = |facts: &Facts| judge(facts).into_iter().map(|finding| finding.verdict).max();
        assert_eq!(worst(&facts(vec![gone()], false)), Some(Verdict::Bad));
        assert_eq!(worst(&facts(vec![gone(), Outcome::LetsIn], false)), Some(Verdict::Odd));
        assert_eq!(worst(&facts(vec![gone()], true)), Some(Verdict::Odd));
        assert_eq!(worst(&facts(vec![Outcome::Refuses("revoked".into())], false)), Some(Verdict::Bad));
        assert_eq!(worst(&facts(vec![Outcome::Answers], false)), Some(Verdict::Good));
    }
}
