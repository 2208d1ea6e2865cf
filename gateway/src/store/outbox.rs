//! Who is to be told of which alert, and what became of each attempt.
//!
//! A row is taken up and let go by a statement that locks it first, so that of several gateways one makes an attempt, and
//! so that a withdrawal that has committed is never written over.

use serde_json::json;

pub use super::clock::now_ms;
use super::ledger::unexpected;
use super::{
    Connection, Executor, Reader, Row, StoreError, centre, home_proofs, query, query_scalar, restorations, ways,
};
use crate::alerts::Severity;
use crate::delivery::course::{Course, Effect, Input, LEASE_MS, Outcome, State, longest_pause_ms};
use crate::delivery::hands::{FOR_ONE, Flight};
use crate::delivery::{About, Always, Channel, Matter, Notification, Recipient};
use crate::wording::Lang;

/// So many attempts of one notification are shown.
const SHOWN: i64 = 100;

/// So many that are due are looked at together.
const LOOKED_AT: i64 = 256;

/// What is needed to make an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The notification: the same in all its attempts.
    pub delivery: String,
    /// Which attempt.
    pub attempt: u32,
    /// What it is about.
    pub matter: Matter,
    /// Where to; `None` where the member has no address there.
    pub address: Option<String>,
    /// How soon someone must act.
    pub urgency: Severity,
    /// In which language.
    pub lang: Lang,
    /// Since when it waits.
    pub since_ms: i64,
    /// It may have been told before the store was put back from a backup.
    pub perhaps_told: bool,
}

/// One notification as it is shown, with its attempts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Its id.
    pub delivery: String,
    /// Over which channel.
    pub channel: Channel,
    /// To whom. An address is shown to nobody: `None` for one.
    pub member: Option<String>,
    /// What the configuration calls who is always told.
    pub always: Option<String>,
    /// On which rung of the escalation she was told, from 0.
    pub rung: Option<u32>,
    /// Where it stands, and when.
    pub course: Course,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Its latest attempts, the earlier ones first; [`Course::attempts`] counts all.
    pub attempts: Vec<Attempt>,
}

/// One attempt as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// When it began.
    pub began_ms: i64,
    /// When it ended, and how; `None` while it is under way, and for ever where its gateway died.
    pub ended: Option<(i64, Outcome)>,
}

/// Writes a notification, unless one of its key is there.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn add(work: &mut Connection, notification: &Notification, now_ms: i64) -> Result<(), StoreError> {
    let Notification { alert, to, channel, urgency, lang, key } = notification;
    let (member, address) = match to {
        Recipient::Member(member) => (Some(member), None),
        Recipient::Address(address) => (None, Some(address)),
    };
    query(
        "INSERT INTO outbox (id, key, alert, channel, member, address, lang, urgency, since_ms, state, due_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', $9)
         ON CONFLICT (key) DO NOTHING",
    )
    .bind(super::new_id(now_ms))
    .bind(key)
    .bind(alert)
    .bind(channel.as_str())
    .bind(member)
    .bind(address)
    .bind(lang.to_string())
    .bind(urgency.as_str())
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Writes that a silent test is to be made of a channel, in place of the one that waits: a call that was due earlier says
/// nothing about now.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn add_test(
    work: &mut Connection,
    test: &str,
    channel: Channel,
    to: &Recipient,
    now_ms: i64,
) -> Result<(), StoreError> {
    let (member, address) = match to {
        Recipient::Member(member) => (Some(member), None),
        Recipient::Address(address) => (None, Some(address)),
    };
    let rows = query(
        "UPDATE outbox SET id = id WHERE channel = $1 AND state = 'waiting' AND test IS NOT NULL
           AND (member = $2 OR address = $3) RETURNING *",
    )
    .bind(channel.as_str())
    .bind(member)
    .bind(address)
    .fetch_all(&mut *work)
    .await?;
    for row in &rows {
        home_proofs::follow(work, row.try_get("test")?, test).await?;
    }
    withdraw_rows(work, rows, now_ms).await?;
    let id = super::new_id(now_ms);
    query(
        "INSERT INTO outbox (id, key, test, channel, member, address, lang, urgency, since_ms, state, due_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', $9)",
    )
    .bind(&id)
    .bind(format!("test/{id}"))
    .bind(test)
    .bind(channel.as_str())
    .bind(member)
    .bind(address)
    .bind(Lang::default().to_string())
    .bind(Severity::Low.as_str())
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// The silent test of a channel that waits to be made.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn waiting_test(
    work: &mut Connection,
    channel: Channel,
    to: &Recipient,
) -> Result<Option<String>, StoreError> {
    let (Recipient::Member(to) | Recipient::Address(to)) = to;
    Ok(query_scalar(
        "SELECT test FROM outbox WHERE channel = $1 AND state = 'waiting' AND test IS NOT NULL
           AND COALESCE(member, address) = $2 ORDER BY id DESC LIMIT 1",
    )
    .bind(channel.as_str())
    .bind(to)
    .fetch_optional(work)
    .await?)
}

/// Withdraws all that waits about an alert.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn withdraw(work: &mut Connection, alert: &str, now_ms: i64) -> Result<(), StoreError> {
    let rows = query("UPDATE outbox SET id = id WHERE alert = $1 AND state = 'waiting' RETURNING *")
        .bind(alert)
        .fetch_all(&mut *work)
        .await?;
    withdraw_rows(work, rows, now_ms).await
}

async fn withdraw_rows(work: &mut Connection, rows: Vec<Row>, now_ms: i64) -> Result<(), StoreError> {
    for row in rows {
        let mut course = course_of(&row)?;
        course.handle(&Input::Withdraw, now_ms);
        save(work, row.try_get("id")?, &course, now_ms).await?;
    }
    Ok(())
}

/// The database's clock was set back. Nothing waits for longer than it ever would: what was put off by the clock before would
/// wait until that moment has come again.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn clock_went_back(work: &mut Connection, now_ms: i64) -> Result<(), StoreError> {
    for urgency in [Severity::High, Severity::Medium, Severity::Low] {
        query("UPDATE outbox SET due_ms = $2 WHERE state = 'waiting' AND urgency = $1 AND due_ms > $2")
            .bind(urgency.as_str())
            .bind(now_ms + longest_pause_ms(urgency))
            .execute(&mut *work)
            .await?;
    }
    query("UPDATE outbox SET lease_until_ms = $1 WHERE state = 'waiting' AND lease_until_ms > $1")
        .bind(now_ms + LEASE_MS)
        .execute(work)
        .await?;
    Ok(())
}

/// Ends every lease: whoever had one is dead.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn nobody_is_at_it(work: &mut Connection) -> Result<(), StoreError> {
    query("UPDATE outbox SET lease_until_ms = NULL WHERE state = 'waiting' AND lease_until_ms IS NOT NULL")
        .execute(work)
        .await?;
    Ok(())
}

/// What a channel could try now, the most pressing first: by urgency, then what nobody has tried, then the oldest; silent
/// tests last. Of each recipient only so many as can be tried together, so that one with a thousand hides nobody. What another
/// gateway was at is there once its lease is over, and only for whoever `takes_over`.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn due(reader: &Reader, channel: Channel, takes_over: bool, now_ms: i64) -> Result<Vec<Flight>, StoreError> {
    let rows = query(
        "SELECT id, member, address, urgency, is_tried, is_test FROM (
             SELECT id, member, address, urgency, attempts, since_ms, test IS NOT NULL AS is_test,
                    CASE WHEN test IS NOT NULL THEN 3 WHEN urgency = 'high' THEN 0 WHEN urgency = 'medium' THEN 1
                         ELSE 2 END AS rank,
                    CASE attempts WHEN 0 THEN 0 ELSE 1 END AS is_tried,
                    row_number() OVER (PARTITION BY member, address ORDER BY
                        CASE WHEN test IS NOT NULL THEN 3 WHEN urgency = 'high' THEN 0 WHEN urgency = 'medium' THEN 1
                             ELSE 2 END,
                        CASE attempts WHEN 0 THEN 0 ELSE 1 END, since_ms, id) AS place
             FROM outbox
             WHERE channel = $1 AND state = 'waiting' AND due_ms <= $2
               AND (lease_until_ms IS NULL OR lease_until_ms <= $2 AND $3 = 1)) AS ready
         WHERE place <= $4 ORDER BY rank, is_tried, since_ms, id LIMIT $5",
    )
    .bind(channel.as_str())
    .bind(now_ms)
    .bind(takes_over)
    .bind(i64::try_from(FOR_ONE).unwrap_or(i64::MAX))
    .bind(LOOKED_AT)
    .fetch_all(reader)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Flight {
                delivery: row.try_get("id")?,
                to: recipient_of(row)?,
                urgency: severity_of(row, "urgency")?,
                is_tried: row.try_get("is_tried")?,
                is_test: row.try_get("is_test")?,
            })
        })
        .collect()
}

/// Takes one up, and writes that the attempt begins; none where it is over, or another gateway is at it or was and this one
/// does not take over.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn take(
    work: &mut Connection,
    delivery: &str,
    takes_over: bool,
    now_ms: i64,
) -> Result<Option<Taken>, StoreError> {
    let Some(row) = locked(work, delivery).await? else { return Ok(None) };
    let mut course = course_of(&row)?;
    if course.lease_until_ms.is_some() && !takes_over {
        return Ok(None);
    }
    let Some(Effect::Attempt(attempt)) = course.handle(&Input::Take, now_ms) else { return Ok(None) };
    save(work, delivery, &course, now_ms).await?;
    query("INSERT INTO delivery_attempt (delivery, attempt, began_ms) VALUES ($1, $2, $3)")
        .bind(delivery)
        .bind(attempt)
        .bind(now_ms)
        .execute(&mut *work)
        .await?;
    let (channel, lang): (String, String) = (row.try_get("channel")?, row.try_get("lang")?);
    let matter = matter_of(work, &row).await?;
    let address = match (recipient_of(&row)?, &matter) {
        // A centre knows people and homes by numbers; the address is for those who have none.
        (Recipient::Address(address), Matter::Alert { id, .. }) if channel == Channel::Scaip.as_str() => {
            Some(centre::number_of(work, id).await?.unwrap_or(address))
        }
        (Recipient::Address(address), _) => Some(address),
        (Recipient::Member(member), _) => {
            query_scalar("SELECT address FROM contact WHERE member = $1 AND channel = $2")
                .bind(member)
                .bind(channel)
                .fetch_optional(&mut *work)
                .await?
        }
    };
    let perhaps_told = match &matter {
        Matter::Alert { id, .. } => restorations::perhaps_told(work, id, course.since_ms).await?,
        Matter::Test(_) => false,
    };
    Ok(Some(Taken {
        delivery: delivery.to_owned(),
        attempt,
        matter,
        address,
        urgency: course.urgency,
        lang: lang.parse().map_err(|_| unexpected("language"))?,
        since_ms: course.since_ms,
        perhaps_told,
    }))
}

/// Writes how an attempt ended. Returns what is to be done about it.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn end(
    work: &mut Connection,
    taken: &Taken,
    outcome: &Outcome,
    luck: f64,
    now_ms: i64,
) -> Result<Option<Effect>, StoreError> {
    let row = locked(work, &taken.delivery).await?.ok_or_else(|| unexpected("delivery"))?;
    let mut course = course_of(&row)?;
    let effect = course.handle(&Input::Ended { attempt: taken.attempt, outcome, luck }, now_ms);
    save(work, &taken.delivery, &course, now_ms).await?;
    let word = match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::TryAgain { .. } => "try_again",
        Outcome::GiveUp { .. } => "give_up",
    };
    query("UPDATE delivery_attempt SET ended_ms = $3, outcome = $4, said = $5 WHERE delivery = $1 AND attempt = $2")
        .bind(&taken.delivery)
        .bind(taken.attempt)
        .bind(now_ms)
        .bind(word)
        .bind(outcome.because())
        .execute(&mut *work)
        .await?;
    if let (Outcome::Delivered { .. }, Some(address)) = (outcome, &taken.address) {
        let channel: String = row.try_get("channel")?;
        // A centre knows people by numbers: what it takes for one proves it for all.
        let address = (channel != Channel::Scaip.as_str()).then_some(address.as_str());
        ways::prove(work, &channel, address, now_ms).await?;
    }
    Ok(effect)
}

/// How long it is until something of a channel could be tried; none while nothing waits.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn until_next_ms(reader: &Reader, channel: Channel, now_ms: i64) -> Result<Option<i64>, StoreError> {
    Ok(query_scalar(
        "SELECT min(CASE WHEN lease_until_ms > due_ms THEN lease_until_ms ELSE due_ms END) - $2 FROM outbox
         WHERE channel = $1 AND state = 'waiting'",
    )
    .bind(channel.as_str())
    .bind(now_ms)
    .fetch_one(reader)
    .await?)
}

/// Whether somebody waits to be told of an alert over a channel.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn is_waiting(
    work: &mut Connection,
    alert: &str,
    to: &Recipient,
    channel: Channel,
) -> Result<bool, StoreError> {
    let (Recipient::Member(to) | Recipient::Address(to)) = to;
    let waiting: i64 = query_scalar(
        "SELECT count(*) FROM outbox
         WHERE alert = $1 AND channel = $2 AND state = 'waiting' AND COALESCE(member, address) = $3",
    )
    .bind(alert)
    .bind(channel.as_str())
    .bind(to)
    .fetch_one(work)
    .await?;
    Ok(waiting > 0)
}

/// Whether a channel has something that was tried in vain and waits since before a moment.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn is_stuck(work: &mut Connection, channel: Channel, before_ms: i64) -> Result<bool, StoreError> {
    let stuck: i64 = query_scalar(
        "SELECT count(*) FROM outbox WHERE channel = $1 AND state = 'waiting' AND attempts > 0 AND since_ms <= $2
           AND test IS NULL",
    )
    .bind(channel.as_str())
    .bind(before_ms)
    .fetch_one(work)
    .await?;
    Ok(stuck > 0)
}

/// What was and is to be told of these alerts, in the order in which it was asked for.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn of_alerts(reader: &Reader, alerts: &[&str]) -> Result<Vec<(String, Shown)>, StoreError> {
    let rows =
        query("SELECT outbox.* FROM json_each($1) CROSS JOIN outbox WHERE outbox.alert = value ORDER BY since_ms, id")
            .bind(json!(alerts).to_string())
            .fetch_all(reader)
            .await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let delivery: String = row.try_get("id")?;
        let (key, channel): (String, String) = (row.try_get("key")?, row.try_get("channel")?);
        let member: Option<String> = row.try_get("member")?;
        let shown = Shown {
            channel: channel.parse().map_err(|_| unexpected("channel"))?,
            always: member.is_none().then(|| key.rsplit('/').next().unwrap_or_default().to_owned()),
            rung: rung_of(&key),
            member,
            course: course_of(&row)?,
            ended_ms: row.try_get("ended_ms")?,
            attempts: attempts_of(reader, &delivery).await?,
            delivery,
        };
        all.push((row.try_get("alert")?, shown));
    }
    Ok(all)
}

/// Writes who is always told, in place of who was.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set_always_told(work: &mut Connection, always: &[Always]) -> Result<(), StoreError> {
    query("DELETE FROM always_told").execute(&mut *work).await?;
    for Always { name, channel, to, from, about, language } in always {
        query(
            "INSERT INTO always_told (name, channel, address, lang, severity, about) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(name)
        .bind(channel.as_str())
        .bind(to)
        .bind(language.to_string())
        .bind(from.as_str())
        .bind(about.as_str())
        .execute(&mut *work)
        .await?;
    }
    Ok(())
}

/// Who is always told.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn always_told(store: impl Executor<'_>) -> Result<Vec<Always>, StoreError> {
    let rows = query("SELECT * FROM always_told ORDER BY name").fetch_all(store).await?;
    rows.iter()
        .map(|row| {
            let (channel, lang): (String, String) = (row.try_get("channel")?, row.try_get("lang")?);
            Ok(Always {
                name: row.try_get("name")?,
                channel: channel.parse().map_err(|_| unexpected("channel"))?,
                to: row.try_get("address")?,
                from: severity_of(row, "severity")?,
                about: About::ALL
                    .into_iter()
                    .find(|about| row.try_get("about").is_ok_and(|word: &str| word == about.as_str()))
                    .ok_or_else(|| unexpected("about"))?,
                language: lang.parse().map_err(|_| unexpected("language"))?,
            })
        })
        .collect()
}

/// Reads a row that nobody else changes until this work is done.
async fn locked(work: &mut Connection, delivery: &str) -> Result<Option<Row>, StoreError> {
    Ok(query("UPDATE outbox SET id = id WHERE id = $1 RETURNING *").bind(delivery).fetch_optional(work).await?)
}

async fn save(work: &mut Connection, delivery: &str, course: &Course, now_ms: i64) -> Result<(), StoreError> {
    let word = match course.state {
        State::Waiting => "waiting",
        State::Delivered => "delivered",
        State::GivenUp => "given_up",
        State::Withdrawn => "withdrawn",
    };
    query(
        "UPDATE outbox SET state = $2, attempts = $3, due_ms = $4, lease_until_ms = $5, withdrawn_ms = $6,
             ended_ms = CASE WHEN state = $2 THEN ended_ms ELSE $7 END
         WHERE id = $1",
    )
    .bind(delivery)
    .bind(word)
    .bind(course.attempts)
    .bind(course.due_ms)
    .bind(course.lease_until_ms)
    .bind(course.withdrawn_ms)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

async fn attempts_of(reader: &Reader, delivery: &str) -> Result<Vec<Attempt>, StoreError> {
    let rows = query("SELECT * FROM delivery_attempt WHERE delivery = $1 ORDER BY attempt DESC LIMIT $2")
        .bind(delivery)
        .bind(SHOWN)
        .fetch_all(reader)
        .await?;
    rows.iter()
        .rev()
        .map(|row| {
            let ended_ms: Option<i64> = row.try_get("ended_ms")?;
            let ended = match ended_ms {
                None => None,
                Some(ended_ms) => Some((ended_ms, outcome_of(row)?)),
            };
            Ok(Attempt { began_ms: row.try_get("began_ms")?, ended })
        })
        .collect()
}

/// How an attempt ended.
pub(super) fn outcome_of(row: &Row) -> Result<Outcome, StoreError> {
    let said = row.try_get("said")?;
    Ok(match row.try_get("outcome")? {
        "delivered" => Outcome::Delivered { proof: said },
        "try_again" => Outcome::TryAgain { after: None, because: said },
        _ => Outcome::GiveUp { because: said },
    })
}

async fn matter_of(work: &mut Connection, row: &Row) -> Result<Matter, StoreError> {
    let alert: Option<String> = row.try_get("alert")?;
    let Some(id) = alert else { return Ok(Matter::Test(row.try_get("test")?)) };
    let rule = query_scalar("SELECT rule FROM alert WHERE id = $1").bind(&id).fetch_one(work).await?;
    Ok(Matter::Alert { id, rule })
}

fn course_of(row: &Row) -> Result<Course, StoreError> {
    Ok(Course {
        urgency: severity_of(row, "urgency")?,
        since_ms: row.try_get("since_ms")?,
        state: match row.try_get("state")? {
            "waiting" => State::Waiting,
            "delivered" => State::Delivered,
            "given_up" => State::GivenUp,
            _ => State::Withdrawn,
        },
        attempts: row.try_get("attempts")?,
        due_ms: row.try_get("due_ms")?,
        lease_until_ms: row.try_get("lease_until_ms")?,
        withdrawn_ms: row.try_get("withdrawn_ms")?,
    })
}

/// The rung in the key of what an escalation asked for: `alert/ring/rung/round/…`.
fn rung_of(key: &str) -> Option<u32> {
    key.split('/').nth(2)?.parse().ok()
}

pub(super) fn recipient_of(row: &Row) -> Result<Recipient, StoreError> {
    let member: Option<String> = row.try_get("member")?;
    Ok(match member {
        Some(member) => Recipient::Member(member),
        None => Recipient::Address(row.try_get("address")?),
    })
}

fn severity_of(row: &Row, column: &'static str) -> Result<Severity, StoreError> {
    Severity::of(row.try_get(column)?).ok_or_else(|| unexpected(column))
}
