//! Has each way to people prove itself in its interval, and tells of those that do not. What is open is read from the store,
//! so that a restart leaves no case open that is over; what was wrong at the last look is remembered only to tell what begins
//! from what goes on. Of several gateways one looks for all.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::found::Found;
use super::ways::{self, Way};
use crate::alerts::{self, About, Concern, Finding, Line, Severity, Weight, health};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::delivery::{Channel, Config, Recipient};
use crate::store::duties::Duty;
use crate::store::ways::{self as kept, Way as Kept};
use crate::store::{Reader, Store, StoreError, alerts as cases, contacts, homes, new_id, outbox, silent_tests};

/// The case of a way to people that is not proven.
pub const WAY: &str = "channel_unproven";

/// It looks so often at least.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// So many ways of a channel are asked at one look: a provider is not to be flooded.
const TOGETHER: usize = 30;

/// Which channels there are, and how they are proven.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Channels that are proven by a silent test of each address, and how often.
    pub by_address: BTreeMap<Channel, Duration>,
    /// Channels that have no silent test: only what is really told proves them.
    pub by_use: BTreeSet<Channel>,
    /// Channels that somebody else proves as a whole.
    pub whole: BTreeSet<&'static str>,
    /// What was not proven for so long is told of.
    pub within: Duration,
}

impl Settings {
    /// What a configuration has.
    #[must_use]
    pub fn of(config: &Config, within: Duration) -> Self {
        let mut settings = Self { within, ..Self::default() };
        for channel in config.open() {
            match (channel, config.prove_every(channel)) {
                (Channel::Scaip, _) => drop(settings.whole.insert(channel.as_str())),
                (_, Some(every)) => drop(settings.by_address.insert(channel, every)),
                (_, None) => drop(settings.by_use.insert(channel)),
            }
        }
        if config.fhir.is_some() {
            settings.whole.insert(health::FHIR);
        }
        settings
    }
}

/// The one that looks.
pub struct Schedule {
    /// Where all is kept.
    pub store: Store,
    /// Which channels there are.
    pub settings: Settings,
    /// Where changes are told.
    pub changes: Changes,
    /// Since when this gateway looks.
    pub since_ms: i64,
}

/// A way as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// The way.
    pub way: Way,
    /// Its channel has no silent test.
    pub is_by_use: bool,
    /// An open case tells of it, or of its whole channel.
    pub is_unproven: bool,
}

/// All ways that are kept, as they are shown.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn shown(reader: &Reader) -> Result<Vec<Shown>, StoreError> {
    let names = names(reader).await?;
    let open = cases::open_abouts(reader, WAY).await?;
    let one = |kept: &Kept| {
        let whose = names.get(&(kept.channel.clone(), kept.address.clone())).cloned().unwrap_or_default();
        let is_whole = kept.address.is_empty();
        let way = Way { id: (!is_whole).then(|| kept.id.clone()), ..as_way(kept, whose) };
        let cases = [&way.about(), &way.channel].map(|about| About::Channel(about.clone()).to_string());
        let is_unproven = open.iter().any(|about| cases.contains(about));
        Shown { is_by_use: !is_whole && kept.asked_ms.is_none(), is_unproven, way }
    };
    Ok(kept::all(reader).await?.iter().map(one).collect())
}

/// Who is reached where.
async fn names(reader: &Reader) -> Result<Wanted, StoreError> {
    let of_members = contacts::list(reader, None).await?.into_iter();
    let always = outbox::always_told(reader).await?.into_iter();
    let all = of_members
        .map(|contact| (contact.channel, contact.address, contact.member))
        .chain(always.map(|always| (always.channel, always.to, always.name)));
    let mut names = Wanted::new();
    for (channel, address, name) in all {
        names.entry((channel.to_string(), address)).or_default().push(name);
    }
    Ok(names)
}

/// A way, and who is reached over it.
type Wanted = BTreeMap<(String, String), Vec<String>>;

impl Schedule {
    /// Looks for ever.
    pub async fn run(self) {
        let shortest = self.settings.by_address.values().min().copied().unwrap_or(LOOK_EVERY);
        let every = shortest.min(LOOK_EVERY);
        let duty = Duty::new("ways_proven", every * 2 + every / 2);
        let mut looks = tokio::time::interval(every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut known, mut is_failing) = (HashSet::new(), false);
        loop {
            looks.tick().await;
            let looked = match duty.is_mine_in(&self.store).await {
                Ok(true) => self.look(&mut known, clock::now_ms()).await,
                Ok(false) => {
                    known.clear();
                    Ok(false)
                }
                Err(error) => Err(error),
            };
            match looked {
                Ok(true) => self.changes.tell([Change::WorkList]),
                Ok(false) => {}
                Err(error) => {
                    if !is_failing {
                        tracing::error!(%error, "no way to people can be proven; it will be as soon as the store works");
                    }
                    is_failing = true;
                    continue;
                }
            }
            is_failing = false;
        }
    }

    /// Looks once. `known` is what was wrong at the look before. Says whether something was asked for, or a case may have
    /// changed.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails. Then nothing was changed.
    pub async fn look(&self, known: &mut HashSet<String>, now_ms: i64) -> Result<bool, StoreError> {
        let reader = self.store.reader();
        let wanted = self.wanted(reader).await?;
        let mut all = kept::all(reader).await?;
        let is_wanted = |way: &Kept| wanted.contains_key(&(way.channel.clone(), way.address.clone()));
        let is_kept = |key: &&(String, String)| all.iter().any(|way| (&way.channel, &way.address) == (&key.0, &key.1));
        if !all.iter().all(is_wanted) || !wanted.keys().all(|key| is_kept(&key)) {
            let mut work = self.store.work().await?;
            for way in all.iter().filter(|way| !is_wanted(way)) {
                kept::remove(&mut work, &way.id).await?;
            }
            for (channel, address) in wanted.keys() {
                kept::add(&mut work, channel, address, now_ms).await?;
            }
            work.commit().await?;
            all = kept::all(reader).await?;
        }
        let is_asking = self.ask(&all, now_ms).await?;
        let ways: Vec<Way> = all.iter().filter_map(|way| self.way(way, &wanted)).collect();
        let unproven = ways::judge(&ways, clock::millis(self.settings.within), now_ms);
        let open = cases::open_abouts(reader, WAY).await?;
        if !unproven.is_empty() || !open.is_empty() {
            self.tell(&ways, &unproven, &open, known, now_ms).await?;
        }
        let is_news = !unproven.is_empty() || !open.is_empty();
        *known = unproven.into_keys().collect();
        Ok(is_news || is_asking)
    }

    /// Every way that somebody has, with whose it is.
    async fn wanted(&self, reader: &Reader) -> Result<Wanted, StoreError> {
        let by_address = self.settings.by_address.keys().chain(&self.settings.by_use);
        let open: BTreeSet<&str> = by_address.map(|channel| channel.as_str()).collect();
        let mut wanted = names(reader).await?;
        wanted.retain(|(channel, _), _| open.contains(channel.as_str()));
        for channel in &self.settings.whole {
            wanted.insert(((*channel).to_owned(), String::new()), Vec::new());
        }
        Ok(wanted)
    }

    /// Asks those that are due to prove themselves. Says whether there were any.
    async fn ask(&self, all: &[Kept], now_ms: i64) -> Result<bool, StoreError> {
        let mut due = Vec::new();
        for (channel, every) in &self.settings.by_address {
            let of_channel = all.iter().filter(|way| way.channel == channel.as_str());
            let is_due = |way: &&Kept| as_way(way, Vec::new()).is_due(clock::millis(*every), now_ms);
            due.extend(of_channel.filter(is_due).take(TOGETHER).map(|way| (*channel, way)));
        }
        if due.is_empty() {
            return Ok(false);
        }
        let mut work = self.store.work().await?;
        let test = new_id(now_ms);
        silent_tests::add_of_ways(&mut work, &test, now_ms).await?;
        for (channel, way) in due {
            kept::asked(&mut work, &way.id, now_ms).await?;
            let to = Recipient::Address(way.address.clone());
            let asked_ms = outbox::now_ms(&mut *work).await?;
            outbox::add_test(&mut work, &test, channel, &to, asked_ms).await?;
        }
        work.commit().await?;
        Ok(true)
    }

    /// A way as it is judged; none of a channel that has no silent test.
    fn way(&self, kept: &Kept, wanted: &Wanted) -> Option<Way> {
        if self.settings.by_use.iter().any(|channel| channel.as_str() == kept.channel) {
            return None;
        }
        let whose = wanted.get(&(kept.channel.clone(), kept.address.clone())).cloned().unwrap_or_default();
        let way = as_way(kept, whose);
        Some(match self.settings.whole.contains(kept.channel.as_str()) {
            true => Way { id: None, asked_ms: Some(self.since_ms.max(kept.since_ms)), ..way },
            false => way,
        })
    }

    async fn tell(
        &self,
        ways: &[Way],
        unproven: &BTreeMap<String, Found>,
        open: &[String],
        known: &HashSet<String>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let mut work = self.store.work().await?;
        let Some(home) = homes::first(&mut work).await? else { return Ok(()) };
        for (about, found) in unproven {
            let concern = concern(about, &home, found.clone());
            if known.contains(about) {
                alerts::remind(&mut work, &concern, now_ms).await?;
            } else {
                tracing::warn!(way = about, "a way to people is not proven");
                alerts::raise(&mut work, &concern, now_ms).await?;
            }
        }
        let within_ms = clock::millis(self.settings.within);
        for about in open.iter().filter_map(|about| about.strip_prefix("channel:")) {
            let channel = about.split('/').next().unwrap_or_default().to_owned();
            let over = match ways.iter().find(|way| way.about() == about) {
                // Of a channel of which nothing is proven, a way's own case stays.
                Some(way) if way.is_unproven(within_ms, now_ms) => continue,
                None if unproven.contains_key(about) => continue,
                None if about.contains('/') || ways.iter().all(|way| way.channel != channel) => {
                    Found::WayGone { channel }
                }
                Some(_) | None => Found::WayProven { channel },
            };
            let is_wrong = |line: &Line| matches!(line, Line::Unproven(found) if found.is_wrong());
            let of = About::Channel(about.to_owned());
            alerts::settle(&mut work, WAY, &of, is_wrong, Line::Unproven(over), now_ms).await?;
        }
        Ok(work.commit().await?)
    }
}

fn as_way(kept: &Kept, whose: Vec<String>) -> Way {
    let Kept { id, channel, since_ms, asked_ms, proven_ms, failing, .. } = kept.clone();
    Way { id: Some(id), channel, whose, since_ms, asked_ms, proven_ms, failing }
}

fn concern(about: &str, home: &str, found: Found) -> Concern {
    Concern {
        finding: Finding {
            case: WAY,
            severity: Severity::Medium,
            confirmed: true,
            weight: Weight::More,
            line: Line::Unproven(found),
        },
        about: About::Channel(about.to_owned()),
        person: None,
        home: home.to_owned(),
        record: None,
    }
}
