//! What is not proven, as it stands in a case's story, and its words.

use serde::{Deserialize, Serialize};

use crate::alerts::health::wording::channel_name;
use crate::alerts::line::Reader;
use crate::wording::Lang;

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Found {
    /// A way to people is not proven.
    Way {
        /// The channel's word.
        channel: String,
        /// Whose way it is: names, no addresses. Nobody's: the whole channel.
        whose: Vec<String>,
        /// When something last got through.
        proven_ms: Option<i64>,
        /// Why its tests fail, where they do.
        because: Option<String>,
    },
    /// It is proven again.
    WayProven {
        /// The channel's word.
        channel: String,
    },
    /// Nobody has it any more.
    WayGone {
        /// The channel's word.
        channel: String,
    },
}

impl Found {
    /// Whether something is wrong.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        match self {
            Self::Way { .. } => true,
            Self::WayProven { .. } | Self::WayGone { .. } => false,
        }
    }

    /// The two as one, where both tell of one thing that goes on: what is wrong now takes the place of what was.
    #[must_use]
    pub fn with(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (Self::Way { .. }, Self::Way { .. }) => Some(self.clone()),
            (Self::Way { .. } | Self::WayProven { .. } | Self::WayGone { .. }, _) => None,
        }
    }

    /// The line in the reader's words.
    #[must_use]
    pub fn say(&self, reader: &Reader) -> String {
        let lang = reader.lang;
        match self {
            Self::Way { channel, whose, proven_ms, because } => {
                let way = match &whose[..] {
                    [] => channel_name(channel, lang),
                    names => {
                        let (channel, names) = (channel_name(channel, lang), names.join(", "));
                        lang.pick(format!("{channel} till {names}"), format!("{channel} to {names}"))
                    }
                };
                let since = match proven_ms {
                    None => lang.pick("aldrig".to_owned(), "never".to_owned()),
                    Some(at_ms) => {
                        let at = reader.moment(*at_ms);
                        lang.pick(format!("senast {at}"), format!("last at {at}"))
                    }
                };
                let why = because.as_ref().map(|because| format!(" ({because})")).unwrap_or_default();
                lang.pick(
                    format!(
                        "{way} går inte att bevisa{why}: något gick fram {since}. Det som ska berättas den vägen når kanske \
                         ingen. Kontrollera adressen, kontot och servern; ärendet avslutas när ett tyst prov går fram."
                    ),
                    format!(
                        "{way} cannot be proven{why}: something got through {since}. What is to be told that way may reach \
                         nobody. Check the address, the account and the server; the case ends when a silent test gets through."
                    ),
                )
            }
            Self::WayProven { channel } => {
                let channel = channel_name(channel, lang);
                lang.pick(
                    format!("{channel}: ett prov har gått fram igen."),
                    format!("{channel}: a test got through again."),
                )
            }
            Self::WayGone { channel } => {
                let channel = channel_name(channel, lang);
                lang.pick(
                    format!("{channel}: adressen används inte längre."),
                    format!("{channel}: the address is no longer used."),
                )
            }
        }
    }
}

/// What the case of a way to people is called.
#[must_use]
pub fn way_title(lang: Lang) -> &'static str {
    lang.pick("En väg att nå någon är inte bevisad", "A way to reach people is not proven")
}
