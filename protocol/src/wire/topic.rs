//! `hempuls/v1/{agent}/up/{alarm|reading|status}` and `hempuls/v1/{agent}/down/{receipt|config|feedback}`.

use std::fmt;
use std::str::FromStr;

use crate::ids::{AgentId, Lane, NotAName};

/// A topic that belongs to one agent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Topic {
    /// Whose topic it is.
    pub agent: AgentId,
    /// What is said on it.
    pub matter: Matter,
}

/// What is said on a topic, and by whom.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Matter {
    /// Agent to gateway: envelopes of one lane.
    Events(Lane),
    /// Agent to gateway: heartbeats, and the last will.
    Status,
    /// Gateway to agent: receipts.
    Receipt,
    /// Gateway to agent: which devices it is to serve.
    Config,
    /// Gateway to agent: what becomes of alarms, for the person who pressed.
    Feedback,
}

impl Matter {
    /// Every matter there is.
    pub const ALL: [Self; 6] = [
        Self::Events(Lane::Alarm),
        Self::Events(Lane::Reading),
        Self::Status,
        Self::Receipt,
        Self::Config,
        Self::Feedback,
    ];

    /// Whether the agent says it (else the gateway).
    #[must_use]
    pub fn is_up(self) -> bool {
        match self {
            Self::Events(_) | Self::Status => true,
            Self::Receipt | Self::Config | Self::Feedback => false,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Events(Lane::Alarm) => "up/alarm",
            Self::Events(Lane::Reading) => "up/reading",
            Self::Status => "up/status",
            Self::Receipt => "down/receipt",
            Self::Config => "down/config",
            Self::Feedback => "down/feedback",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hempuls/v1/{}/{}", self.agent, self.matter.path())
    }
}

/// A topic outside `hempuls/v1`, or not of an agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a topic of an agent")]
pub struct ForeignTopic;

impl From<NotAName> for ForeignTopic {
    fn from(_: NotAName) -> Self {
        Self
    }
}

impl FromStr for Topic {
    type Err = ForeignTopic;

    /// # Errors
    /// [`ForeignTopic`] for any text that [`Topic`]'s `Display` would not write; wildcards among them.
    fn from_str(text: &str) -> Result<Self, ForeignTopic> {
        let (agent, path) =
            text.strip_prefix("hempuls/v1/").and_then(|rest| rest.split_once('/')).ok_or(ForeignTopic)?;
        let matter = Matter::ALL.into_iter().find(|matter| matter.path() == path).ok_or(ForeignTopic)?;
        Ok(Self { agent: agent.parse()?, matter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_as_it_is_written_and_nothing_else_is_one() {
        let agent = AgentId::from_random([7; 10]);
        for matter in Matter::ALL {
            let topic = Topic { agent: agent.clone(), matter };
            assert_eq!(topic.to_string().parse(), Ok(topic));
        }
        for text in ["", "hempuls/v1/+/up/alarm", "hempuls/v1/#", "hempuls/v1", "hempuls/v2/x/up/alarm"] {
            assert_eq!(text.parse::<Topic>(), Err(ForeignTopic), "{text}");
        }
    }
}
