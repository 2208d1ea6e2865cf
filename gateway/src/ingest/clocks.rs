//! What a batch, and the store before it, know of the clocks of boxes and devices; and what that means for records that
//! are stored already.
//!
//! All of a batch is looked through before anything in it is dated: a device's clock may be looked at only after the
//! device has spoken.

use std::collections::{BTreeSet, HashMap};

use hempuls_protocol::devices::{self, Characteristic, Dialect};
use hempuls_protocol::event::{Content, DeviceClock, Kind, Signal};
use hempuls_protocol::identity::Said;
use hempuls_protocol::ids::AgentId;
use hempuls_protocol::times::{Taken, Trust};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::dating::{self, BATCH_MS, Boot, Facts, Look};
use super::parcel::Parcel;
use super::queue::Delivery;
use crate::store::clocks::{self, BootKey, Dated, SessionKey, Shown};
use crate::store::records::Measured;
use crate::store::{Connection, StoreError, assignments};

/// What is known of clocks.
#[derive(Debug, Default)]
pub struct Clocks {
    boots: HashMap<BootKey, Boot>,
    looks: HashMap<SessionKey, Shown>,
    /// When signals of a connection were taken, in milliseconds since boot.
    arrivals: HashMap<SessionKey, Vec<u64>>,
    /// Boots of which this batch knows better than the store.
    better: BTreeSet<BootKey>,
    /// What stored records are to be dated anew by.
    anew: Anew,
}

#[derive(Debug, Default)]
struct Anew {
    boots: BTreeSet<BootKey>,
    sessions: BTreeSet<SessionKey>,
}

/// A better guess of a boot is written down when it is better by this.
const BETTER_MS: i64 = 1_000;

/// What is to be dated.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// Whose box took it.
    pub agent: &'a AgentId,
    /// From which device.
    pub device: String,
    /// In which of its connections.
    pub session: Option<u32>,
    /// Whether it is a minute of a stream, which is over when it is taken.
    pub is_minute: bool,
    /// When it was taken.
    pub taken: &'a Taken,
    /// What the device says about when it measured, and whether that is UTC.
    pub shown: Option<(DateTime, bool)>,
    /// When it came.
    pub received_ms: i64,
}

impl<'a> Item<'a> {
    /// What came in a parcel; none for an agent's own events.
    #[must_use]
    pub fn of(parcel: &'a Parcel, content: &'a Content, shown: Option<(DateTime, bool)>) -> Option<Self> {
        let (session, is_minute) = match &content.kind {
            Kind::Signal(signal) => (signal.session, signal.span_ms.is_some()),
            Kind::Alarm(_)
            | Kind::Began(_)
            | Kind::Refused(_)
            | Kind::DeviceTrouble(_)
            | Kind::BufferDamaged(_)
            | Kind::TimeCorrection(_)
            | Kind::DeviceClock(_)
            | Kind::Test => (None, false),
        };
        Some(Self {
            agent: &parcel.key.agent,
            device: Said::of(&content.kind)?.device.to_string(),
            session,
            is_minute,
            taken: &content.taken,
            shown,
            received_ms: parcel.received_ms,
        })
    }
}

impl Clocks {
    /// Looks a batch through, and loads what the store knows of the same clocks.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn load(work: &mut Connection, batch: &[&Delivery], now_ms: i64) -> Result<Self, StoreError> {
        let (mut boots, mut sessions) = (BTreeSet::new(), BTreeSet::new());
        for (agent, content) in contents(batch) {
            if content.taken.trust != Trust::Synchronised {
                boots.insert((agent.clone(), content.taken.boot));
            }
            sessions.extend(session_of(agent, content));
        }
        for (agent, sent, _) in words(batch, now_ms) {
            if sent.trust != Trust::Synchronised {
                boots.insert((agent.clone(), sent.boot));
            }
        }
        let mut clocks = Self::default();
        if !boots.is_empty() {
            clocks.boots = clocks::boots(work, &boots.into_iter().collect::<Vec<_>>()).await?;
        }
        if !sessions.is_empty() {
            clocks.looks = clocks::looks(work, &sessions.into_iter().collect::<Vec<_>>()).await?;
        }
        clocks.learn(batch, now_ms);
        Ok(clocks)
    }

    fn learn(&mut self, batch: &[&Delivery], now_ms: i64) {
        for (agent, sent, received_ms) in words(batch, now_ms) {
            if sent.trust == Trust::Synchronised {
                continue;
            }
            let key = (agent.clone(), sent.boot);
            let began_ms = received_ms.saturating_sub_unsigned(sent.since_boot_ms);
            let known = self.boots.entry(key.clone()).or_default();
            if known.by_us_ms.is_none_or(|by_us_ms| began_ms < by_us_ms - BETTER_MS) {
                known.by_us_ms = Some(began_ms);
                self.better.insert(key);
            }
        }
        for (agent, content) in contents(batch) {
            let Some(key) = session_of(agent, content) else { continue };
            match &content.kind {
                Kind::DeviceClock(clock) => {
                    if let Some(time) = clock.shown {
                        let was_set = clock.set_to.is_some();
                        self.looks.insert(key, Shown { time: time.0, taken: content.taken, was_set });
                    }
                }
                Kind::Signal(signal) if signal.span_ms.is_none() => {
                    self.arrivals.entry(key).or_default().push(content.taken.since_boot_ms);
                }
                Kind::Signal(_)
                | Kind::Alarm(_)
                | Kind::Began(_)
                | Kind::Refused(_)
                | Kind::DeviceTrouble(_)
                | Kind::BufferDamaged(_)
                | Kind::TimeCorrection(_)
                | Kind::Test => {}
            }
        }
    }

    /// When something was measured.
    #[must_use]
    pub fn date(&self, item: &Item<'_>, zone: &TimeZone) -> Option<Measured> {
        let session = item.session.map(|session| SessionKey {
            agent: item.agent.clone(),
            boot: item.taken.boot,
            device: item.device.clone(),
            session,
        });
        let (shown, is_utc) = item.shown.map_or((None, false), |(time, is_utc)| (Some(time), is_utc));
        let look = session.as_ref().and_then(|key| self.looks.get(key)).filter(|_| !is_utc);
        let look = look.and_then(|look| {
            let at_ms = dating::taken_ms(&look.taken, self.boot(item.agent, &look.taken))?;
            Some(Look { shown: look.time, at_ms, was_set: look.was_set })
        });
        let just_after = item.taken.since_boot_ms..=item.taken.since_boot_ms.saturating_add(BATCH_MS);
        let arrivals = session.as_ref().and_then(|key| self.arrivals.get(key));
        let came_before_a_newer = !item.is_minute
            && arrivals.is_some_and(|all| all.iter().any(|at| *at > *just_after.start() && just_after.contains(at)));
        let utc = &TimeZone::UTC;
        dating::date(&Facts {
            shown,
            zone: if is_utc { utc } else { zone },
            look,
            taken: *item.taken,
            boot: self.boot(item.agent, item.taken),
            received_ms: item.received_ms,
            came_before_a_newer,
        })
    }

    fn boot(&self, agent: &AgentId, taken: &Taken) -> Boot {
        if taken.trust == Trust::Synchronised {
            return Boot::default();
        }
        self.boots.get(&(agent.clone(), taken.boot)).copied().unwrap_or_default()
    }

    /// A signal was stored: others of its connection, which came in an earlier batch, may be older than it.
    pub fn stored(&mut self, agent: &AgentId, signal: &Signal, taken: &Taken, measured: Option<Measured>) {
        let is_by_device = measured.is_some_and(|measured| measured.by != crate::store::records::Clock::Reception);
        if let (Some(session), false, None) = (signal.session, is_by_device, signal.span_ms) {
            let (agent, device) = (agent.clone(), signal.device.to_string());
            self.anew.sessions.insert(SessionKey { agent, boot: taken.boot, device, session });
        }
    }

    /// Writes down what an agent says of clocks.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn note(
        &mut self,
        work: &mut Connection,
        agent: &AgentId,
        content: &Content,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        match &content.kind {
            Kind::TimeCorrection(correction) => {
                clocks::note_correction(work, agent, &content.taken, correction, now_ms).await?;
                self.anew.boots.insert((agent.clone(), content.taken.boot));
            }
            Kind::DeviceClock(clock) => {
                clocks::note_look(work, agent, &content.taken, clock).await?;
                self.anew.sessions.extend(session_of(agent, content));
            }
            Kind::Signal(_)
            | Kind::Alarm(_)
            | Kind::Began(_)
            | Kind::Refused(_)
            | Kind::DeviceTrouble(_)
            | Kind::BufferDamaged(_)
            | Kind::Test => {}
        }
        Ok(())
    }

    /// Writes down what is new, and dates stored records anew where it counts for them. Says whose they are and were.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn write(
        self,
        work: &mut Connection,
        zone: &TimeZone,
        now_ms: i64,
    ) -> Result<BTreeSet<String>, StoreError> {
        for key in &self.better {
            if let Some(began_ms) = self.boots.get(key).and_then(|known| known.by_us_ms) {
                clocks::note_boot(work, key, began_ms, now_ms).await?;
            }
        }
        let mut people = BTreeSet::new();
        for key in &self.anew.boots {
            let records = clocks::records_of_boot(work, key).await?;
            people.extend(date_anew(work, &records, zone).await?);
        }
        for key in &self.anew.sessions {
            let records = clocks::records_of_session(work, key).await?;
            people.extend(date_anew(work, &records, zone).await?);
        }
        Ok(people)
    }
}

/// Dates records anew by what the store knows now, and gives them to the person whose they are then. Says whose they
/// are and were.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn date_anew(
    work: &mut Connection,
    records: &[Dated],
    zone: &TimeZone,
) -> Result<BTreeSet<String>, StoreError> {
    let boots: BTreeSet<BootKey> = records.iter().map(|record| (record.agent.clone(), record.taken.boot)).collect();
    let sessions: BTreeSet<SessionKey> = records.iter().filter_map(session_of_record).collect();
    let mut known = Clocks {
        boots: clocks::boots(work, &boots.into_iter().collect::<Vec<_>>()).await?,
        looks: clocks::looks(work, &sessions.iter().cloned().collect::<Vec<_>>()).await?,
        ..Clocks::default()
    };
    for key in sessions {
        let of_session = clocks::records_of_session(work, &key).await?;
        let singly = of_session.iter().filter(|record| !record.is_alarm && !record.is_minute);
        known.arrivals.insert(key, singly.map(|record| record.taken.since_boot_ms).collect());
    }
    let devices: BTreeSet<&str> = records.iter().map(|record| record.device.as_str()).collect();
    let assignments = assignments::of_devices(work, &devices.into_iter().collect::<Vec<_>>()).await?;
    let mut people = BTreeSet::new();
    for record in records {
        let measured = known.date(
            &Item {
                agent: &record.agent,
                device: record.device.clone(),
                session: record.session,
                is_minute: record.is_minute,
                taken: &record.taken,
                shown: shown(record.characteristic, record.dialect, &record.raw),
                received_ms: record.stored_ms,
            },
            zone,
        );
        let at_ms = measured.map(|measured| measured.at_ms);
        if at_ms == record.measured_ms {
            continue;
        }
        let at_ms = at_ms.or(record.is_alarm.then_some(record.stored_ms));
        let person = at_ms.and_then(|at_ms| assignments::person_at(&assignments, &record.device, record.slot, at_ms));
        clocks::date_anew(work, &record.id, measured, person).await?;
        people.extend(record.person.clone());
        people.extend(person.map(str::to_owned));
    }
    Ok(people)
}

/// What a payload says about when it was measured, and whether that is UTC.
fn shown(characteristic: Characteristic, dialect: Dialect, raw: &[u8]) -> Option<(DateTime, bool)> {
    let meaning = devices::interpret(characteristic, dialect, raw).ok()?;
    Some((meaning.device_time?, meaning.device_time_is_utc))
}

fn session_of_record(record: &Dated) -> Option<SessionKey> {
    let (agent, boot, device) = (record.agent.clone(), record.taken.boot, record.device.clone());
    Some(SessionKey { agent, boot, device, session: record.session? })
}

fn session_of(agent: &AgentId, content: &Content) -> Option<SessionKey> {
    let (device, session) = match &content.kind {
        Kind::Signal(Signal { device, session, .. }) | Kind::DeviceClock(DeviceClock { device, session, .. }) => {
            (device, (*session)?)
        }
        Kind::Alarm(_)
        | Kind::Began(_)
        | Kind::Refused(_)
        | Kind::DeviceTrouble(_)
        | Kind::BufferDamaged(_)
        | Kind::TimeCorrection(_)
        | Kind::Test => return None,
    };
    Some(SessionKey { agent: agent.clone(), boot: content.taken.boot, device: device.to_string(), session })
}

/// Everything in a batch that can be read.
fn contents<'a>(batch: &'a [&Delivery]) -> impl Iterator<Item = (&'a AgentId, &'a Content)> {
    let parcels = batch.iter().filter_map(|delivery| match delivery {
        Delivery::Events(parcel) => Some(parcel),
        Delivery::Heartbeat { .. } | Delivery::Unreadable { .. } => None,
    });
    parcels.flat_map(|parcel| parcel.events.iter().filter_map(|arrival| Some((&parcel.key.agent, arrival.content()?))))
}

/// What agents' clocks showed when they sent something, and when it came.
fn words<'a>(batch: &'a [&Delivery], now_ms: i64) -> impl Iterator<Item = (&'a AgentId, &'a Taken, i64)> {
    batch.iter().filter_map(move |delivery| match delivery {
        Delivery::Events(parcel) => Some((&parcel.key.agent, parcel.sent.as_ref()?, parcel.received_ms)),
        Delivery::Heartbeat { agent, beat } => Some((agent, &beat.clock, now_ms)),
        Delivery::Unreadable { .. } => None,
    })
}
