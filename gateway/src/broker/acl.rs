//! Who may do what at the broker (P9). One small function for each question; what it answers follows from the
//! certificate alone: whose common name it bears may speak on that agent's own topics, and hear on them.

use hempuls_protocol::ids::AgentId;
use hempuls_protocol::wire::topic::{Matter, Topic};

use crate::store::homes::Agent;

/// What somebody who connects shows.
#[derive(Copy, Clone, Debug)]
pub struct Papers<'a> {
    /// The common name in the certificate.
    pub common_name: Option<&'a str>,
    /// The certificate's serial number, in hexadecimal digits.
    pub serial: Option<&'a str>,
    /// The MQTT client id.
    pub client_id: &'a str,
    /// The topic of the last will, if there is one.
    pub will: Option<&'a str>,
}

/// Why somebody may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The certificate names no agent.
    #[error("the certificate's common name is no agent id")]
    NoAgent,
    /// The store knows no agent of that name.
    #[error("no such agent is known here")]
    Unknown,
    /// The agent was never given a certificate, or another since.
    #[error("this certificate is not the one the agent was given last")]
    AnotherCertificate,
    /// The agent is cut off.
    #[error("the agent is revoked")]
    Revoked,
    /// Another agent's client id: it would throw that agent out.
    #[error("the client id is not the agent's own")]
    ClientId,
    /// A last will elsewhere than on the agent's own status topic.
    #[error("the last will is not on the agent's own status topic")]
    Will,
    /// A topic that is not the agent's own to speak on.
    #[error("the topic is not the agent's own to speak on")]
    Publish,
    /// A topic that is not the agent's own to hear.
    #[error("the topic is not the agent's own to hear")]
    Subscribe,
}

/// Whom the certificate names.
///
/// # Errors
/// [`Refusal::NoAgent`], if it names no agent.
pub fn named(papers: &Papers<'_>) -> Result<AgentId, Refusal> {
    papers.common_name.and_then(|name| name.parse().ok()).ok_or(Refusal::NoAgent)
}

/// Whether somebody with these papers is let in, whom the store knows as `known`.
///
/// # Errors
/// [`Refusal`], with the first thing that is wrong.
pub fn admit(papers: &Papers<'_>, known: Option<&Agent>) -> Result<(), Refusal> {
    let agent = known.ok_or(Refusal::Unknown)?;
    if named(papers)? != agent.id {
        return Err(Refusal::Unknown);
    }
    if agent.is_revoked {
        return Err(Refusal::Revoked);
    }
    if !papers.serial.is_some_and(|serial| agent.has_certificate(serial)) {
        return Err(Refusal::AnotherCertificate);
    }
    if papers.client_id != agent.id.as_str() {
        return Err(Refusal::ClientId);
    }
    papers.will.map_or(Ok(()), |topic| leave_will(&agent.id, topic))
}

/// Whether an agent may leave a last will there. The broker asks nobody when it publishes one, so that this is the only
/// place where it can be refused.
///
/// # Errors
/// [`Refusal::Will`], if it may not.
pub fn leave_will(agent: &AgentId, topic: &str) -> Result<(), Refusal> {
    match own(agent, topic) {
        Some(Matter::Status) => Ok(()),
        Some(Matter::Events(_) | Matter::Receipt | Matter::Config | Matter::Feedback) | None => Err(Refusal::Will),
    }
}

/// Whether an agent may speak there, and of what.
///
/// # Errors
/// [`Refusal::Publish`], if it may not.
pub fn publish(agent: &AgentId, topic: &str) -> Result<Matter, Refusal> {
    own(agent, topic).filter(|matter| matter.is_up()).ok_or(Refusal::Publish)
}

/// Whether an agent may hear there.
///
/// # Errors
/// [`Refusal::Subscribe`], if it may not.
pub fn subscribe(agent: &AgentId, filter: &str) -> Result<(), Refusal> {
    own(agent, filter).filter(|matter| !matter.is_up()).map(|_| ()).ok_or(Refusal::Subscribe)
}

/// What is said on a topic, if it is the agent's own. A filter with wildcards is no topic, and so nobody's own.
fn own(agent: &AgentId, topic: &str) -> Option<Matter> {
    let topic: Topic = topic.parse().ok()?;
    (topic.agent == *agent).then_some(topic.matter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_with_its_own_papers_is_let_in() {
        let (ada, will) = (agent(1), topic(&id(1), "up/status"));
        assert_eq!(admit(&papers(&ada, Some(&will)), Some(&ada)), Ok(()));
        assert_eq!(admit(&papers(&ada, None), Some(&ada)), Ok(()));
    }

    #[test]
    fn who_is_not_known_revoked_or_shows_an_older_certificate_stays_out() {
        let ada = agent(1);
        assert_eq!(admit(&papers(&ada, None), None), Err(Refusal::Unknown));
        assert_eq!(admit(&papers(&ada, None), Some(&agent(2))), Err(Refusal::Unknown));
        assert_eq!(admit(&papers(&ada, None), Some(&Agent { is_revoked: true, ..agent(1) })), Err(Refusal::Revoked));
        for serial in [None, Some("b0b".to_owned())] {
            assert_eq!(
                admit(&papers(&ada, None), Some(&Agent { serial, ..agent(1) })),
                Err(Refusal::AnotherCertificate)
            );
        }
        let renewed = Agent { serial: Some("old".into()), next_serial: Some("ada1".into()), ..agent(1) };
        assert_eq!(admit(&papers(&ada, None), Some(&renewed)), Ok(()), "the next one is good from the first moment");
        let old = Papers { serial: Some("old"), ..papers(&ada, None) };
        assert_eq!(admit(&old, Some(&renewed)), Ok(()), "and the one before until the next was shown");
        let nameless = Papers { common_name: Some("Ada's kitchen"), ..papers(&ada, None) };
        assert_eq!(admit(&nameless, Some(&ada)), Err(Refusal::NoAgent));
    }

    #[test]
    fn another_agents_client_id_is_refused() {
        let (ada, bea) = (agent(1), agent(2));
        let papers = Papers { client_id: bea.id.as_str(), ..papers(&ada, None) };
        assert_eq!(admit(&papers, Some(&ada)), Err(Refusal::ClientId));
    }

    #[test]
    fn a_last_will_is_left_on_the_agents_own_status_topic_or_nowhere() {
        let ada = agent(1);
        for will in [
            topic(&id(2), "up/status"),
            topic(&id(2), "up/alarm"),
            topic(&id(1), "up/alarm"),
            topic(&id(1), "down/receipt"),
            "hempuls/v1/+/up/status".to_owned(),
        ] {
            assert_eq!(admit(&papers(&ada, Some(&will)), Some(&ada)), Err(Refusal::Will), "{will}");
        }
    }

    #[test]
    fn an_agent_speaks_and_hears_on_its_own_topics_only() {
        for matter in Matter::ALL {
            let own = Topic { agent: id(1), matter }.to_string();
            assert_eq!(publish(&id(1), &own).is_ok(), matter.is_up(), "{own}");
            assert_eq!(subscribe(&id(1), &own).is_ok(), !matter.is_up(), "{own}");
            assert_eq!(publish(&id(2), &own), Err(Refusal::Publish));
            assert_eq!(subscribe(&id(2), &own), Err(Refusal::Subscribe));
        }
        for wide in ["#", "hempuls/v1/+/down/receipt", &topic(&id(1), "#"), &topic(&id(1), "down/+"), "$SYS/#"] {
            assert_eq!(subscribe(&id(1), wide), Err(Refusal::Subscribe), "{wide}");
        }
    }

    fn id(n: u8) -> AgentId {
        AgentId::from_random([n; 10])
    }

    fn agent(n: u8) -> Agent {
        Agent { id: id(n), home: "home".into(), serial: Some("ada1".into()), next_serial: None, is_revoked: false }
    }

    fn papers<'a>(agent: &'a Agent, will: Option<&'a str>) -> Papers<'a> {
        Papers { common_name: Some(agent.id.as_str()), serial: Some("ada1"), client_id: agent.id.as_str(), will }
    }

    fn topic(agent: &AgentId, rest: &str) -> String {
        format!("hempuls/v1/{agent}/{rest}")
    }
}
