//! When the gateway listened, and which boxes were silent when.

use sqlx::AssertSqlSafe;

use super::{Connection, Reader, Row, StoreError, query, query_as, query_scalar};
use crate::alerts::rules::silent_home::{Limits, Over, Quiet, Scene, Silent};

/// So many boxes begin or end to be silent in one piece of work, so that no press waits for it.
const AT_ONCE: usize = 500;

/// So many of the latest times of listening are looked at: enough for limits of hours, also where each was short.
const LATEST: u32 = 2_000;

/// Times of listening are kept for so long.
const KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// The gateway begins to listen. What is said to have been heard later than now was so by a clock that was set back.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn begin_to_listen(work: &mut Connection, id: &str, now_ms: i64) -> Result<(), StoreError> {
    query("INSERT INTO listening (id, from_ms, until_ms) VALUES ($1, $2, $2)")
        .bind(id)
        .bind(now_ms)
        .execute(&mut *work)
        .await?;
    query("DELETE FROM listening WHERE until_ms < $1").bind(now_ms - KEPT_MS).execute(&mut *work).await?;
    for clamp in [
        "UPDATE agent SET last_heard_ms = $1 WHERE last_heard_ms > $1",
        "UPDATE agent SET enrolled_ms = $1 WHERE enrolled_ms > $1",
        "UPDATE alarm_unit SET last_heard_ms = $1 WHERE last_heard_ms > $1",
        "UPDATE silence SET heard_ms = $1 WHERE heard_ms > $1 AND over_ms IS NULL",
    ] {
        query(clamp).bind(now_ms).execute(&mut *work).await?;
    }
    Ok(())
}

/// It has listened until now.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn listened(work: &mut Connection, id: &str, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE listening SET until_ms = $2 WHERE id = $1").bind(id).bind(now_ms).execute(work).await?;
    Ok(())
}

/// A gateway that listens says so every other second: one that has not for so long does not.
const LISTENS_MS: i64 = 10_000;

/// Whether any gateway listens at this moment.
///
/// # Errors
/// When the store cannot be read.
pub async fn is_anybody_listening(reader: &Reader, now_ms: i64) -> Result<bool, StoreError> {
    Ok(query_scalar("SELECT EXISTS (SELECT 1 FROM listening WHERE until_ms > $1)")
        .bind(now_ms - LISTENS_MS)
        .fetch_one(reader)
        .await?)
}

/// When any gateway listened, the latest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn listening(reader: &Reader) -> Result<Vec<(i64, i64)>, StoreError> {
    Ok(query_as("SELECT from_ms, until_ms FROM listening ORDER BY until_ms DESC LIMIT $1")
        .bind(LATEST)
        .fetch_all(reader)
        .await?)
}

/// As [`listening`], of all that ended at `since_ms` or later, and the one before, from whose end on nobody listened.
///
/// # Errors
/// When the store cannot be read.
pub async fn listening_since(reader: &Reader, since_ms: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    Ok(query_as(
        "SELECT from_ms, until_ms FROM listening
         WHERE until_ms >= coalesce((SELECT max(until_ms) FROM listening WHERE until_ms < $1), $1)
         ORDER BY until_ms DESC LIMIT $2",
    )
    .bind(since_ms)
    .bind(LATEST)
    .fetch_all(reader)
    .await?)
}

/// Boxes in service that may be silent by these limits and are not known to be, and those that are. Of many that changed
/// only the first: `is_partial` says that there are more.
///
/// # Errors
/// When the store cannot be read.
pub async fn scene(reader: &Reader, limits: &Limits) -> Result<Scene, StoreError> {
    let quiet = quiet(reader, limits).await?;
    // What is silent matters only once something changes, and may be much.
    if quiet.is_empty() && !is_anything_over(reader).await? {
        return Ok(Scene::default());
    }
    let in_service: i64 = query_scalar(
        "SELECT count(DISTINCT home) FROM agent
         WHERE enrolled_ms IS NOT NULL AND revoked_ms IS NULL AND retired_ms IS NULL",
    )
    .fetch_one(reader)
    .await?;
    let mut silent = silent(reader).await?;
    let later = silent.iter_mut().filter(|silent| silent.over.is_some()).skip(AT_ONCE);
    let postponed = later.map(|silent| silent.over = None).count();
    let is_partial = quiet.len() >= AT_ONCE || postponed > 0;
    Ok(Scene { quiet, silent, in_service: usize::try_from(in_service).unwrap_or(0), is_partial })
}

async fn quiet(reader: &Reader, limits: &Limits) -> Result<Vec<Quiet>, StoreError> {
    let Some(latest_ms) = limits.latest_ms() else { return Ok(Vec::new()) };
    let rows = query(
        "SELECT * FROM (
         SELECT agent.id, agent.home, enrolled_ms, last_heard_ms,
             EXISTS (SELECT 1 FROM device WHERE device.home = agent.home AND kind = 'alarm_button' AND ended_ms IS NULL)
                 AS has_alarm
         FROM agent
         WHERE enrolled_ms <= $1 AND coalesce(last_heard_ms, 0) <= $1 AND revoked_ms IS NULL AND retired_ms IS NULL
             AND NOT EXISTS (SELECT 1 FROM silence WHERE silence.agent = agent.id AND over_ms IS NULL)
         ) AS quiet
         WHERE CASE WHEN has_alarm THEN enrolled_ms <= $2 AND coalesce(last_heard_ms, 0) <= $2
                    ELSE enrolled_ms <= $3 AND coalesce(last_heard_ms, 0) <= $3 END
         ORDER BY id LIMIT $4",
    )
    .bind(latest_ms)
    .bind(limits.with_alarm_ms)
    .bind(limits.others_ms)
    .bind(i64::try_from(AT_ONCE).unwrap_or(i64::MAX))
    .fetch_all(reader)
    .await?;
    let quiet = rows.iter().map(|row| {
        let (enrolled_ms, heard_ms): (i64, Option<i64>) = (row.try_get("enrolled_ms")?, row.try_get("last_heard_ms")?);
        Ok(Quiet {
            agent: row.try_get("id")?,
            home: row.try_get("home")?,
            heard_ms: heard_ms.unwrap_or(0).max(enrolled_ms),
            was_heard: heard_ms.is_some_and(|heard_ms| heard_ms > enrolled_ms),
            has_alarm: row.try_get("has_alarm")?,
        })
    });
    quiet.collect()
}

/// A silence is over when its box was heard after it began, was enrolled anew, or is out of service.
const IS_OVER: &str = "(coalesce(last_heard_ms, 0) > silence.heard_ms OR enrolled_ms > silence.heard_ms
     OR revoked_ms IS NOT NULL OR retired_ms IS NOT NULL)";

async fn is_anything_over(reader: &Reader) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM silence JOIN agent ON agent.id = silence.agent WHERE over_ms IS NULL AND {IS_OVER})"
    );
    Ok(query_scalar(AssertSqlSafe(sql)).fetch_one(reader).await?)
}

async fn silent(reader: &Reader) -> Result<Vec<Silent>, StoreError> {
    let rows = query(
        "SELECT silence.*, home, enrolled_ms, last_heard_ms,
             revoked_ms IS NOT NULL OR retired_ms IS NOT NULL AS is_out_of_service
         FROM silence JOIN agent ON agent.id = silence.agent WHERE over_ms IS NULL ORDER BY silence.agent",
    )
    .fetch_all(reader)
    .await?;
    rows.iter().map(silent_of).collect()
}

fn silent_of(row: &Row) -> Result<Silent, StoreError> {
    let (enrolled_ms, last_ms): (i64, Option<i64>) = (row.try_get("enrolled_ms")?, row.try_get("last_heard_ms")?);
    let (heard_ms, latest_ms): (i64, i64) = (row.try_get("heard_ms")?, last_ms.unwrap_or(0).max(enrolled_ms));
    let over = if row.try_get("is_out_of_service")? {
        Some(Over::OutOfService)
    } else {
        (latest_ms > heard_ms).then_some(Over::Heard { at_ms: latest_ms })
    };
    Ok(Silent {
        agent: row.try_get("agent")?,
        home: row.try_get("home")?,
        heard_ms,
        noticed_ms: row.try_get("noticed_ms")?,
        has_alarm: row.try_get("has_alarm")?,
        was_heard: last_ms.is_some_and(|last_ms| last_ms > enrolled_ms),
        in_storm: row.try_get("in_storm")?,
        over,
    })
}

/// A box is silent from here on. Says whether nobody has written so before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn begin(work: &mut Connection, silent: &Silent) -> Result<bool, StoreError> {
    let begun = query(
        "INSERT INTO silence (agent, heard_ms, noticed_ms, has_alarm, in_storm, said_ms)
         VALUES ($1, $2, $3, $4, $5, $3) ON CONFLICT DO NOTHING",
    )
    .bind(&silent.agent)
    .bind(silent.heard_ms)
    .bind(silent.noticed_ms)
    .bind(silent.has_alarm)
    .bind(silent.in_storm)
    .execute(work)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// A box is silent no longer. Says whether nobody has written so before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn end(work: &mut Connection, agent: &str, now_ms: i64) -> Result<bool, StoreError> {
    let ended = query("UPDATE silence SET over_ms = $2 WHERE agent = $1 AND over_ms IS NULL")
        .bind(agent)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(ended.rows_affected() == 1)
}

/// Whether the case of many tells of a silent box.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set_in_storm(work: &mut Connection, agent: &str, in_storm: bool) -> Result<(), StoreError> {
    query("UPDATE silence SET in_storm = $2 WHERE agent = $1 AND over_ms IS NULL")
        .bind(agent)
        .bind(in_storm)
        .execute(work)
        .await?;
    Ok(())
}

/// The silent boxes with cases of their own that were last said to be silent before this.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn to_say_again(reader: &Reader, before_ms: i64) -> Result<Vec<Silent>, StoreError> {
    let rows = query(
        "SELECT silence.*, home, enrolled_ms, last_heard_ms, 0 AS is_out_of_service
         FROM silence JOIN agent ON agent.id = silence.agent
         WHERE over_ms IS NULL AND said_ms < $1 AND in_storm = 0",
    )
    .bind(before_ms)
    .fetch_all(reader)
    .await?;
    rows.iter().map(silent_of).collect()
}

/// It was said again that a box is silent.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn was_said(work: &mut Connection, agent: &str, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE silence SET said_ms = $2 WHERE agent = $1 AND over_ms IS NULL")
        .bind(agent)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// A silence that goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Now {
    /// The home.
    pub home: String,
    /// Its name.
    pub name: String,
    /// The box.
    pub agent: String,
    /// When it was last heard, or enrolled.
    pub heard_ms: i64,
    /// Whether the home has an alarm device.
    pub has_alarm: bool,
    /// Whether the case of many tells of it.
    pub in_storm: bool,
}

crate::from_row!(Now { home, name, agent, heard_ms, has_alarm, in_storm });

/// Who is silent, those with an alarm device first, then by name.
///
/// # Errors
/// When the store cannot be read.
pub async fn now(reader: &Reader) -> Result<Vec<Now>, StoreError> {
    Ok(query_as(
        "SELECT home.id AS home, home.name, silence.agent, silence.heard_ms, silence.has_alarm, silence.in_storm
         FROM silence JOIN agent ON agent.id = silence.agent JOIN home ON home.id = agent.home
         WHERE over_ms IS NULL ORDER BY silence.has_alarm DESC, home.name, silence.agent",
    )
    .fetch_all(reader)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;
    use crate::store::{agents, homes};

    #[tokio::test]
    async fn who_may_be_silent_is_who_is_in_service_and_was_last_heard_or_enrolled_before() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let mut add = async |name: &str, enrolled_ms: i64, heard_ms: Option<i64>| {
            let (home, agent) = homes::add(&mut work, name, 0).await.unwrap();
            agents::enrol(&mut work, &agent, "s", 1, enrolled_ms).await.unwrap();
            if let Some(heard_ms) = heard_ms {
                homes::note_heard(&mut work, &[&agent], heard_ms).await.unwrap();
            }
            (home, agent)
        };
        let (ada, _) = add("Ada", 100, Some(500)).await;
        add("Bo", 100, Some(501)).await;
        let (siv, _) = add("Siv", 400, None).await;
        add("Nils", 600, Some(300)).await;
        let (_, retired) = add("Eva", 100, Some(200)).await;
        homes::add(&mut work, "not enrolled", 0).await.unwrap();
        query("UPDATE agent SET retired_ms = 1 WHERE id = $1")
            .bind(retired.as_str())
            .execute(&mut *work)
            .await
            .unwrap();
        query("INSERT INTO device (id, kind, home, created_ms) VALUES ('b', 'alarm_button', $1, 0)")
            .bind(&ada)
            .execute(&mut *work)
            .await
            .unwrap();

        work.commit().await.unwrap();
        let limits = Limits { with_alarm_ms: Some(500), others_ms: Some(500) };
        let mut scene = scene(store.reader(), &limits).await.unwrap();
        scene.quiet.sort_by_key(|quiet| quiet.heard_ms);
        let seen: Vec<_> = scene.quiet.iter().map(|quiet| (&quiet.home, quiet.was_heard, quiet.has_alarm)).collect();

        assert_eq!(seen, [(&siv, false, false), (&ada, true, true)]);
        assert_eq!(scene.in_service, 4);

        let limits = Limits { with_alarm_ms: Some(500), others_ms: Some(399) };
        assert_eq!(super::scene(store.reader(), &limits).await.unwrap().quiet.len(), 1, "each by its own limit");
    }

    #[tokio::test]
    async fn the_last_day_begins_with_when_somebody_listened_before_it() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        for (id, from_ms, until_ms) in [("one", 0, 10), ("two", 20, 30), ("three", 100, 110)] {
            begin_to_listen(&mut work, id, from_ms).await.unwrap();
            listened(&mut work, id, until_ms).await.unwrap();
        }
        work.commit().await.unwrap();
        assert_eq!(listening_since(store.reader(), 50).await.unwrap(), [(100, 110), (20, 30)]);
        assert_eq!(listening_since(store.reader(), 105).await.unwrap(), [(100, 110), (20, 30)]);
        assert_eq!(listening_since(store.reader(), 0).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_hides_no_silence() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (_, agent) = homes::add(&mut work, "Ada", 0).await.unwrap();
        agents::enrol(&mut work, &agent, "s", 1, 9_000).await.unwrap();
        homes::note_heard(&mut work, &[&agent], 9_500).await.unwrap();
        begin_to_listen(&mut work, "one", 5_000).await.unwrap();
        work.commit().await.unwrap();
        let limits = Limits { with_alarm_ms: Some(5_000), others_ms: Some(5_000) };
        assert_eq!(scene(store.reader(), &limits).await.unwrap().quiet.len(), 1);
        assert_eq!(listening(store.reader()).await.unwrap(), [(5_000, 5_000)]);
    }
}
