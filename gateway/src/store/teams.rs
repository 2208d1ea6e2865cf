//! Care teams, who works for them, and whom they are responsible for. Nothing is deleted: periods end.

use jiff::tz::TimeZone;

use super::ledger::unexpected;
use super::{Connection, Executor, Row, StoreError, new_id, query, query_as, query_scalar, rosters};
use crate::duty::{Area, Purpose};

/// What the fallback team that the first start makes is called.
const FALLBACK_NAME: &str = "Care team";

/// Its time zone, where it is needed before the gateway's first start says which.
const FALLBACK_ZONE: &str = "Europe/Stockholm";

/// Who says what nobody was asked for.
const OURSELVES: &str = "Hempuls";

/// A care team.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Team {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it does.
    pub area: Area,
    /// The IANA name of the zone in which its shifts are written.
    pub time_zone: String,
    /// Whether it has what nobody else is responsible for.
    pub is_fallback: bool,
}

impl Team {
    /// The zone of its shifts; UTC where this version does not know the name.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }
}

/// A member works for a team.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commission {
    /// Who: the name of her account.
    pub member: String,
    /// For which team.
    pub team: String,
    /// What for.
    pub purpose: Purpose,
    /// Since when.
    pub from_ms: i64,
    /// Until before when.
    pub until_ms: Option<i64>,
}

/// A team is responsible for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Responsibility {
    /// For whom.
    pub person: String,
    /// Which team; in its area.
    pub team: String,
    /// Since when.
    pub from_ms: i64,
    /// Until before when.
    pub until_ms: Option<i64>,
}

/// Adds a team. Returns its id.
///
/// # Errors
/// [`StoreError::Refused`], where another is called so.
pub async fn add(
    work: &mut Connection,
    name: &str,
    area: Area,
    time_zone: &str,
    now_ms: i64,
) -> Result<String, StoreError> {
    let id = new_id(now_ms);
    query("INSERT INTO team (id, name, area, time_zone, is_fallback, created_ms) VALUES ($1, $2, $3, $4, 0, $5)")
        .bind(&id)
        .bind(name)
        .bind(area.as_str())
        .bind(time_zone)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(id)
}

/// Makes the fallback team of all accounts where there is none yet. Says whether it did.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn ensure_fallback(work: &mut Connection, time_zone: &str, now_ms: i64) -> Result<bool, StoreError> {
    let there: i64 = query_scalar("SELECT count(*) FROM team WHERE is_fallback = 1").fetch_one(&mut *work).await?;
    if there > 0 {
        return Ok(false);
    }
    let id = add(work, FALLBACK_NAME, Area::HealthCare, time_zone, now_ms).await?;
    make_fallback(work, &id).await?;
    let members: Vec<String> =
        query_scalar("SELECT name FROM account WHERE disabled_ms IS NULL ORDER BY name").fetch_all(&mut *work).await?;
    for member in members {
        let commission =
            Commission { member, team: id.clone(), purpose: Purpose::Care, from_ms: now_ms, until_ms: None };
        commission_member(work, &commission, OURSELVES, now_ms).await?;
    }
    Ok(true)
}

/// Makes a team the fallback, in the place of the one before. Says whether there is such a team.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn make_fallback(work: &mut Connection, team: &str) -> Result<bool, StoreError> {
    if find(&mut *work, team).await?.is_none() {
        return Ok(false);
    }
    query("UPDATE team SET is_fallback = 0 WHERE is_fallback = 1").execute(&mut *work).await?;
    query("UPDATE team SET is_fallback = 1 WHERE id = $1").bind(team).execute(work).await?;
    Ok(true)
}

/// Every team, by name.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn all(store: impl Executor<'_>) -> Result<Vec<Team>, StoreError> {
    query("SELECT * FROM team ORDER BY name").fetch_all(store).await?.iter().map(team_of).collect()
}

/// One team.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn find(store: impl Executor<'_>, team: &str) -> Result<Option<Team>, StoreError> {
    let row = query("SELECT * FROM team WHERE id = $1").bind(team).fetch_optional(store).await?;
    row.as_ref().map(team_of).transpose()
}

/// The teams that are responsible for a person in an area at a moment; the fallback team, where there is none or nobody
/// knows the person. Never empty.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn responsible(
    work: &mut Connection,
    person: Option<&str>,
    area: Area,
    at_ms: i64,
) -> Result<Vec<Team>, StoreError> {
    let rows = query(
        "SELECT team.* FROM team WHERE area = $1 AND id IN (
             SELECT team FROM responsibility WHERE person = $2 AND from_ms <= $3 AND (until_ms IS NULL OR until_ms > $3))
         ORDER BY name",
    )
    .bind(area.as_str())
    .bind(person)
    .bind(at_ms)
    .fetch_all(&mut *work)
    .await?;
    if rows.is_empty() {
        return Ok(vec![fallback(work, at_ms).await?]);
    }
    rows.iter().map(team_of).collect()
}

/// The fallback team. It is made of all accounts, where there is none yet.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn fallback(work: &mut Connection, now_ms: i64) -> Result<Team, StoreError> {
    ensure_fallback(work, FALLBACK_ZONE, now_ms).await?;
    team_of(&query("SELECT * FROM team WHERE is_fallback = 1").fetch_one(work).await?)
}

/// Who takes care of people for a team at a moment, by name. A disabled account is nobody.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn members(store: impl Executor<'_>, team: &str, at_ms: i64) -> Result<Vec<String>, StoreError> {
    Ok(query_scalar(
        "SELECT DISTINCT member FROM commission JOIN account ON account.name = member
         WHERE team = $1 AND purpose = 'care' AND from_ms <= $2 AND (until_ms IS NULL OR until_ms > $2)
           AND disabled_ms IS NULL
         ORDER BY member",
    )
    .bind(team)
    .bind(at_ms)
    .fetch_all(store)
    .await?)
}

/// Which members of a team are on duty at a moment, by name: whom its roster names and who has a commission then. A team without
/// a roster is all on duty.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn on_duty(work: &mut Connection, team: &str, at_ms: i64) -> Result<Vec<String>, StoreError> {
    let mut members = members(&mut *work, team, at_ms).await?;
    let (Some(roster), Some(team)) = (rosters::at(&mut *work, team, at_ms).await?, find(work, team).await?) else {
        return Ok(members);
    };
    let rostered = roster.on_duty(at_ms, &team.zone());
    members.retain(|member| rostered.contains(member));
    Ok(members)
}

/// Whom a team's roster may name, by name: who takes care of people for it now or later.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn may_be_on_duty(store: impl Executor<'_>, team: &str, now_ms: i64) -> Result<Vec<String>, StoreError> {
    Ok(query_scalar(
        "SELECT DISTINCT member FROM commission JOIN account ON account.name = member
         WHERE team = $1 AND purpose = 'care' AND (until_ms IS NULL OR until_ms > $2) AND disabled_ms IS NULL
         ORDER BY member",
    )
    .bind(team)
    .bind(now_ms)
    .fetch_all(store)
    .await?)
}

/// The commissions to care for people that a team has had and has: who, from when and until before when. A disabled account
/// has none.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn care_commissions(
    store: impl Executor<'_>,
    team: &str,
) -> Result<Vec<(String, i64, Option<i64>)>, StoreError> {
    Ok(query_as(
        "SELECT member, from_ms, until_ms FROM commission JOIN account ON account.name = member
         WHERE team = $1 AND purpose = 'care' AND disabled_ms IS NULL ORDER BY member, from_ms",
    )
    .bind(team)
    .fetch_all(store)
    .await?)
}

/// Whether somebody may change a team's roster: who has a commission for it, or for the fallback team, whatever its purpose.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn may_change(store: impl Executor<'_>, team: &str, member: &str, now_ms: i64) -> Result<bool, StoreError> {
    let commissions: i64 = query_scalar(
        "SELECT count(*) FROM commission JOIN team ON team.id = commission.team
         WHERE member = $1 AND (team.id = $2 OR is_fallback = 1)
           AND from_ms <= $3 AND (until_ms IS NULL OR until_ms > $3)",
    )
    .bind(member)
    .bind(team)
    .bind(now_ms)
    .fetch_one(store)
    .await?;
    Ok(commissions > 0)
}

/// Every commission there is or was for a team, by member.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn commissions(store: impl Executor<'_>, team: &str) -> Result<Vec<Commission>, StoreError> {
    let rows = query("SELECT * FROM commission WHERE team = $1 ORDER BY member, from_ms, id")
        .bind(team)
        .fetch_all(store)
        .await?;
    rows.iter()
        .map(|row| {
            let purpose: String = row.try_get("purpose")?;
            Ok(Commission {
                member: row.try_get("member")?,
                team: row.try_get("team")?,
                purpose: purpose.parse().map_err(|_| unexpected("purpose"))?,
                from_ms: row.try_get("from_ms")?,
                until_ms: row.try_get("until_ms")?,
            })
        })
        .collect()
}

/// Commissions a member.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such member or team, or it ends before it begins.
pub async fn commission_member(
    work: &mut Connection,
    commission: &Commission,
    by: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Commission { member, team, purpose, from_ms, until_ms } = commission;
    query(
        "INSERT INTO commission (id, member, team, purpose, from_ms, until_ms, set_by, set_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new_id(now_ms))
    .bind(member)
    .bind(team)
    .bind(purpose.as_str())
    .bind(from_ms)
    .bind(until_ms)
    .bind(by)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Who has an account and never had a commission, by name.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn without_commission(store: impl Executor<'_>) -> Result<Vec<String>, StoreError> {
    Ok(query_scalar(
        "SELECT name FROM account
         WHERE disabled_ms IS NULL AND NOT EXISTS (SELECT 1 FROM commission WHERE member = account.name) ORDER BY name",
    )
    .fetch_all(store)
    .await?)
}

/// Ends what a member has of commissions for a team. Says whether she had one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn release(
    work: &mut Connection,
    team: &str,
    member: &str,
    by: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let ended = query(
        "UPDATE commission SET until_ms = CASE WHEN from_ms > $1 THEN from_ms ELSE $1 END, set_by = $2, set_ms = $1
         WHERE team = $3 AND member = $4 AND (until_ms IS NULL OR until_ms > $1)",
    )
    .bind(now_ms)
    .bind(by)
    .bind(team)
    .bind(member)
    .execute(work)
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// Every responsibility there is or was for a person, with its team, the newest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn of_person(store: impl Executor<'_>, person: &str) -> Result<Vec<(Team, Responsibility)>, StoreError> {
    let rows = query(
        "SELECT team.*, person, from_ms, until_ms FROM responsibility JOIN team ON team.id = responsibility.team
         WHERE person = $1 ORDER BY from_ms DESC, responsibility.id DESC",
    )
    .bind(person)
    .fetch_all(store)
    .await?;
    rows.iter()
        .map(|row| {
            let team = team_of(row)?;
            let responsibility = Responsibility {
                person: row.try_get("person")?,
                team: team.id.clone(),
                from_ms: row.try_get("from_ms")?,
                until_ms: row.try_get("until_ms")?,
            };
            Ok((team, responsibility))
        })
        .collect()
}

/// For how many people each team is responsible at a moment; teams that are for nobody are left out.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn people(store: impl Executor<'_>, at_ms: i64) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(query_as(
        "SELECT team, count(DISTINCT person) FROM responsibility
         WHERE from_ms <= $1 AND (until_ms IS NULL OR until_ms > $1) GROUP BY team",
    )
    .bind(at_ms)
    .fetch_all(store)
    .await?)
}

/// Makes a team responsible for a person.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such person or team, or it ends before it begins.
pub async fn make_responsible(
    work: &mut Connection,
    responsibility: &Responsibility,
    by: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Responsibility { person, team, from_ms, until_ms } = responsibility;
    query(
        "INSERT INTO responsibility (id, person, team, from_ms, until_ms, set_by, set_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new_id(now_ms))
    .bind(person)
    .bind(team)
    .bind(from_ms)
    .bind(until_ms)
    .bind(by)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Ends a team's responsibility for a person. Says whether it had it.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn end_responsibility(
    work: &mut Connection,
    team: &str,
    person: &str,
    by: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let ended = query(
        "UPDATE responsibility SET until_ms = CASE WHEN from_ms > $1 THEN from_ms ELSE $1 END, set_by = $2, set_ms = $1
         WHERE team = $3 AND person = $4 AND (until_ms IS NULL OR until_ms > $1)",
    )
    .bind(now_ms)
    .bind(by)
    .bind(team)
    .bind(person)
    .execute(work)
    .await?;
    Ok(ended.rows_affected() > 0)
}

fn team_of(row: &Row) -> Result<Team, StoreError> {
    let area: String = row.try_get("area")?;
    Ok(Team {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        area: area.parse().map_err(|_| unexpected("area"))?,
        time_zone: row.try_get("time_zone")?,
        is_fallback: row.try_get::<i64, _>("is_fallback")? != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duty::roster::{Period, Roster, Shift, When};
    use crate::store::accounts::{self, Account};
    use crate::store::{assignments, homes, tests::fresh};

    #[tokio::test]
    async fn what_nobody_is_responsible_for_is_the_fallback_teams_and_that_is_of_all_accounts() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        for name in ["Anna", "Bo"] {
            account(&mut work, name).await;
        }

        let teams = responsible(&mut work, None, Area::SocialServices, 100).await.unwrap();

        assert!(matches!(&teams[..], [team] if team.is_fallback), "{teams:?}");
        assert_eq!(members(&mut *work, &teams[0].id, 100).await.unwrap(), ["Anna", "Bo"]);
        assert_eq!(on_duty(&mut work, &teams[0].id, 100).await.unwrap(), ["Anna", "Bo"]);
        assert!(!ensure_fallback(&mut work, "UTC", 200).await.unwrap(), "there is one already");
        let other = add(&mut work, "South", Area::HealthCare, "Europe/Stockholm", 1).await.unwrap();
        assert!(make_fallback(&mut work, &other).await.unwrap());
        assert!(!make_fallback(&mut work, "nowhere").await.unwrap());
        let fallbacks = all(&mut *work).await.unwrap().into_iter().filter(|team| team.is_fallback);
        assert_eq!(fallbacks.map(|team| team.id).collect::<Vec<_>>(), [other]);
    }

    #[tokio::test]
    async fn an_alarm_goes_to_the_social_services_and_a_finding_to_health_care_while_they_are_responsible() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "h", 0).await.unwrap();
        let ada = assignments::add_person(&mut work, "Ada", &home, 0).await.unwrap();
        let nurses = add(&mut work, "Nurses", Area::HealthCare, "Europe/Stockholm", 0).await.unwrap();
        let patrol = add(&mut work, "Night patrol", Area::SocialServices, "Europe/Stockholm", 0).await.unwrap();
        for (team, until_ms) in [(&nurses, None), (&patrol, Some(200))] {
            let responsibility = Responsibility { person: ada.clone(), team: team.clone(), from_ms: 100, until_ms };
            make_responsible(&mut work, &responsibility, "Anna", 0).await.unwrap();
        }
        let fallback = fallback(&mut work, 0).await.unwrap().id;
        let mut who = async |area, at_ms| -> Vec<String> {
            let teams = responsible(&mut work, Some(&ada), area, at_ms).await.unwrap();
            teams.into_iter().map(|team| team.id).collect()
        };

        assert_eq!(who(Area::SocialServices, 99).await, [fallback.as_str()]);
        assert_eq!(who(Area::SocialServices, 100).await, [patrol.as_str()]);
        assert_eq!(who(Area::SocialServices, 200).await, [fallback.as_str()]);
        assert_eq!(who(Area::HealthCare, 100).await, [nurses.as_str()]);
        assert!(end_responsibility(&mut work, &nurses, &ada, "Anna", 300).await.unwrap());
        assert!(!end_responsibility(&mut work, &nurses, &ada, "Anna", 300).await.unwrap());
        let left = responsible(&mut work, Some(&ada), Area::HealthCare, 300).await.unwrap();
        assert_eq!(left[0].id, fallback);
        assert_eq!(people(&mut *work, 150).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_member_counts_while_her_commission_to_care_holds_and_her_account_is_not_disabled() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let team = add(&mut work, "Nurses", Area::HealthCare, "Europe/Stockholm", 0).await.unwrap();
        for (name, purpose, until_ms) in [
            ("Anna", Purpose::Care, Some(200)),
            ("Bo", Purpose::Care, None),
            ("Cia", Purpose::Administration, None),
            ("Dag", Purpose::Care, None),
        ] {
            account(&mut work, name).await;
            let commission = Commission { member: name.into(), team: team.clone(), purpose, from_ms: 100, until_ms };
            commission_member(&mut work, &commission, "Eva", 0).await.unwrap();
        }
        assert!(accounts::disable(&mut work, "Dag", 150).await.unwrap());

        assert!(members(&mut *work, &team, 99).await.unwrap().is_empty());
        assert_eq!(members(&mut *work, &team, 100).await.unwrap(), ["Anna", "Bo"]);
        assert_eq!(members(&mut *work, &team, 200).await.unwrap(), ["Bo"]);
        assert!(release(&mut work, &team, "Bo", "Eva", 300).await.unwrap());
        assert!(members(&mut *work, &team, 300).await.unwrap().is_empty());
        assert_eq!(members(&mut *work, &team, 250).await.unwrap(), ["Bo"], "what was, was");
        let nobody = Commission { member: "nobody".into(), team, purpose: Purpose::Care, from_ms: 1, until_ms: None };
        assert!(commission_member(&mut work, &nobody, "Eva", 0).await.unwrap_err().is_refused());
    }

    #[tokio::test]
    async fn on_duty_is_whom_the_roster_names_while_her_commission_holds_and_all_where_there_is_none() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let team = add(&mut work, "Nurses", Area::HealthCare, "Europe/Stockholm", 0).await.unwrap();
        for (name, until_ms) in [("Anna", Some(2_000)), ("Bo", None), ("Cia", None)] {
            account(&mut work, name).await;
            let commission =
                Commission { member: name.into(), team: team.clone(), purpose: Purpose::Care, from_ms: 0, until_ms };
            commission_member(&mut work, &commission, "Eva", 0).await.unwrap();
        }
        assert_eq!(on_duty(&mut work, &team, 1_000).await.unwrap(), ["Anna", "Bo", "Cia"]);
        let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
        let shift = Shift {
            name: "first".into(),
            members: ["Anna".into(), "Bo".into()].into(),
            when: When::Once(Period { from: at(1), until: at(3) }),
        };
        let roster = Roster { shifts: vec![shift], changes: Vec::new() };
        assert!(rosters::write(&mut work, &team, &roster, None, ("Eva", "why"), 500).await.unwrap());

        assert_eq!(on_duty(&mut work, &team, 499).await.unwrap().len(), 3, "that was before there was one");
        assert!(on_duty(&mut work, &team, 999).await.unwrap().is_empty());
        assert_eq!(on_duty(&mut work, &team, 1_000).await.unwrap(), ["Anna", "Bo"]);
        assert_eq!(on_duty(&mut work, &team, 2_000).await.unwrap(), ["Bo"], "her commission has ended");
        assert!(on_duty(&mut work, &team, 3_000).await.unwrap().is_empty());
        assert!(may_change(&mut *work, &team, "Anna", 1_999).await.unwrap());
        assert!(!may_change(&mut *work, &team, "Anna", 2_000).await.unwrap());
    }

    async fn account(work: &mut Connection, name: &str) {
        let account = Account { name: name.into(), unit: "u".into(), password_hash: "-".into() };
        assert!(accounts::add(work, &account, jiff::Timestamp::UNIX_EPOCH).await.unwrap());
    }
}
