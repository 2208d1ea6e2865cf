//! Reads what it is decided from who sees whom, and decides for one person, alert or home, or for lists of them.

use std::collections::HashSet;

use super::{IsHers, Matter, May, Member, Whom, may_see, may_see_any, may_see_case, may_see_home, may_see_waiting};
use crate::alerts::alert::State;
use crate::duty::Area;
use crate::store::alerts::{Case, Waits};
use crate::store::{Reader, StoreError, sight};

/// What somebody sees, at the moment it was read.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Who looks; a program sees everybody.
    member: Option<Member>,
    /// Whether nobody is left whom she could not see.
    sees_everybody: bool,
    now_ms: i64,
}

impl Sight {
    /// A program's, which holds the token.
    #[must_use]
    pub fn of_program(now_ms: i64) -> Self {
        Self { member: None, sees_everybody: true, now_ms }
    }

    /// A member's.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn of_member(store: &Reader, name: &str, now_ms: i64) -> Result<Self, StoreError> {
        let member = sight::member(store, name).await?;
        let sees_everybody = member.is_fallback(now_ms) && !sight::is_anybody_held(store, now_ms).await?;
        Ok(Self { member: Some(member), sees_everybody, now_ms })
    }

    /// Whether there is nobody whom she does not see.
    #[must_use]
    pub fn sees_everybody(&self) -> bool {
        self.sees_everybody
    }

    /// Who looks, where it is a member.
    #[must_use]
    pub fn member(&self) -> Option<&Member> {
        self.member.as_ref()
    }

    /// Whether she takes care of people: else nobody is shown to her.
    #[must_use]
    pub fn cares(&self) -> bool {
        self.member.as_ref().is_none_or(|member| member.cares(self.now_ms))
    }

    /// Whether she sees to homes and boxes.
    #[must_use]
    pub fn operates(&self) -> bool {
        self.member.as_ref().is_some_and(|member| member.operates(self.now_ms))
    }

    fn bounded(&self) -> Option<&Member> {
        self.member.as_ref().filter(|_| !self.sees_everybody)
    }

    /// Whether she sees what belongs to an area of a person's data; without an area, anything.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn person(&self, store: &Reader, person: &str, area: Option<Area>) -> Result<May, StoreError> {
        let Some(member) = self.bounded() else { return Ok(May::See) };
        let whom = self.whom(store, member, person).await?;
        Ok(self.may(member, &whom, area))
    }

    /// What belongs to an area of somebody's data; without an area, anything.
    fn may(&self, member: &Member, whom: &Whom, area: Option<Area>) -> May {
        match area {
            Some(area) => may_see(member, whom, area, self.now_ms),
            None => may_see_any(member, whom, self.now_ms),
        }
    }

    /// Until when she has opened a person's data in an emergency, if she sees them by nothing else.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn opened_until(&self, store: &Reader, person: &str) -> Result<Option<i64>, StoreError> {
        let Some(member) = self.bounded() else { return Ok(None) };
        let whom = self.whom(store, member, person).await?;
        let opened = Area::ALL.iter().any(|area| may_see(member, &whom, *area, self.now_ms) == May::SeeInEmergency);
        Ok(whom.opened_until_ms.filter(|_| opened))
    }

    async fn whom(&self, store: &Reader, member: &Member, person: &str) -> Result<Whom, StoreError> {
        let mut people = sight::people(store, &member.name, &[person], self.now_ms).await?;
        Ok(people.remove(person).unwrap_or_default())
    }

    /// Of these people, those whom she is responsible for in an area; without an area, in any.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn people(
        &self,
        store: &Reader,
        ids: &[&str],
        area: Option<Area>,
    ) -> Result<HashSet<String>, StoreError> {
        let Some(member) = self.bounded() else { return Ok(ids.iter().map(|id| (*id).to_owned()).collect()) };
        let people = sight::people(store, &member.name, ids, self.now_ms).await?;
        let sees = |whom: &Whom| self.may(member, whom, area) == May::See;
        Ok(people.into_iter().filter(|(_, whom)| sees(whom)).map(|(id, _)| id).collect())
    }

    /// Of these alerts, those that she sees, in their order. What she has opened in an emergency is on the person's page, and in
    /// no list.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn cases(&self, store: &Reader, cases: Vec<Case>) -> Result<Vec<Case>, StoreError> {
        let may = self.may_see_cases(store, &cases).await?;
        Ok(cases.into_iter().zip(may).filter(|(_, may)| *may == May::See).map(|(case, _)| case).collect())
    }

    /// Of one person's alerts, those that she sees on that person's page, also in an emergency.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn cases_on_page(&self, store: &Reader, cases: Vec<Case>) -> Result<Vec<Case>, StoreError> {
        let may = self.may_see_cases(store, &cases).await?;
        Ok(cases.into_iter().zip(may).filter(|(_, may)| may.sees()).map(|(case, _)| case).collect())
    }

    /// Of what waits for repeats, what is about people whose readings she sees.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn waits(&self, store: &Reader, waiting: Vec<Waits>) -> Result<Vec<Waits>, StoreError> {
        let ids = distinct(waiting.iter().map(|waits| waits.person.as_str()));
        let seen = self.people(store, &ids, Some(Area::HealthCare)).await?;
        Ok(waiting.into_iter().filter(|waits| seen.contains(&waits.person)).collect())
    }

    /// The areas of a person's data that she sees, also in an emergency.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn areas(&self, store: &Reader, person: &str) -> Result<Vec<Area>, StoreError> {
        let Some(member) = self.bounded() else { return Ok(Area::ALL.into()) };
        let whom = self.whom(store, member, person).await?;
        Ok(Area::ALL.into_iter().filter(|area| may_see(member, &whom, *area, self.now_ms).sees()).collect())
    }

    /// Whether she sees an alert.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn case(&self, store: &Reader, case: &Case) -> Result<May, StoreError> {
        let may = self.may_see_cases(store, std::slice::from_ref(case)).await?;
        Ok(may.into_iter().next().unwrap_or(May::Not))
    }

    async fn may_see_cases(&self, store: &Reader, cases: &[Case]) -> Result<Vec<May>, StoreError> {
        let Some(member) = self.bounded() else { return Ok(vec![May::See; cases.len()]) };
        let teams: Vec<&str> = member.cares_for(self.now_ms).map(|works| works.team.as_str()).collect();
        let brought = sight::brought(store, &member.name, &teams).await?;
        let nobodys = cases.iter().filter(|case| case.person.is_none()).map(|case| case.home.as_str());
        let homes = sight::households(store, &member.name, &distinct(nobodys), self.now_ms).await?;
        let ids = distinct(cases.iter().filter_map(|case| case.person.as_deref()));
        let people = sight::people(store, &member.name, &ids, self.now_ms).await?;
        let may = cases.iter().map(|case| {
            let matter = Matter {
                rule: &case.rule,
                person: case.person.as_ref().and_then(|person| people.get(person)),
                residents: homes.get(&case.home).map_or(&[], Vec::as_slice),
                is_hers: match &case.alert.state {
                    State::Claimed(claim) if claim.by == member.name => IsHers::Taken,
                    State::Closed { by, at_ms, .. } if *by == member.name => IsHers::Closed { at_ms: *at_ms },
                    State::Open | State::Claimed(_) | State::Closed { .. } => IsHers::Not,
                },
                is_brought: brought.contains(&case.id),
            };
            may_see_case(member, &matter, self.now_ms)
        });
        Ok(may.collect())
    }

    /// Of these homes, those that she sees: their boxes, devices and books.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn homes(&self, store: &Reader, ids: &[&str]) -> Result<HashSet<String>, StoreError> {
        let Some(member) = self.bounded().filter(|member| !member.operates(self.now_ms)) else {
            return Ok(ids.iter().map(|id| (*id).to_owned()).collect());
        };
        let taken = sight::taken_in(store, &member.name, ids).await?;
        let homes = sight::households(store, &member.name, ids, self.now_ms).await?;
        let sees = |(home, residents): &(String, Vec<Whom>)| {
            may_see_home(member, residents, taken.contains(home), self.now_ms)
        };
        Ok(homes.into_iter().filter(sees).map(|(home, _)| home).collect())
    }

    /// Of these homes, those where she sees readings that are nobody's yet.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn waiting(&self, store: &Reader, ids: &[&str]) -> Result<HashSet<String>, StoreError> {
        let Some(member) = self.bounded() else { return Ok(ids.iter().map(|id| (*id).to_owned()).collect()) };
        let homes = sight::households(store, &member.name, ids, self.now_ms).await?;
        let sees = |(_, residents): &(String, Vec<Whom>)| may_see_waiting(member, residents, self.now_ms);
        Ok(homes.into_iter().filter(sees).map(|(home, _)| home).collect())
    }
}

fn distinct<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
