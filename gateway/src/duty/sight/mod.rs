//! Who may see whom (P9): a member sees the people that a team of hers is responsible for, in that team's area, and what was
//! brought before her. Whom nobody else is responsible for is the fallback team's. In an emergency she may open anybody's
//! data for a while, by saying why.
//!
//! Here it is decided; [`lookout`] reads what it is decided from.
//!
//! Source: sweden.md §3: inner secrecy and emergency access with a later review (patient data act, 4 kap.), and social
//! services kept apart from health care.

pub mod lookout;

use super::{Area, Purpose};
use crate::alerts::{health, keeping, rules::silent_home};
use crate::duty::cover;
use crate::proof::homes;

/// How long an emergency opens somebody's data.
pub const OPENED_FOR_MS: i64 = 60 * 60 * 1000;

/// Who closed an alert sees it for so long afterwards.
const STILL_HERS_MS: i64 = 24 * 60 * 60 * 1000;

/// A time from which until before which something holds.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// From when.
    pub from_ms: i64,
    /// Until before when.
    pub until_ms: Option<i64>,
}

impl Span {
    /// Whether it holds at a moment.
    #[must_use]
    pub fn holds(&self, at_ms: i64) -> bool {
        self.from_ms <= at_ms && self.until_ms.is_none_or(|until_ms| at_ms < until_ms)
    }
}

/// What a member works for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Works {
    /// For which team.
    pub team: String,
    /// What the team is called.
    pub team_name: String,
    /// Whether that is the fallback team.
    pub is_fallback: bool,
    /// What for.
    pub purpose: Purpose,
    /// When.
    pub when: Span,
}

/// A member of the staff, as far as what she may see follows from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The name of her account.
    pub name: String,
    /// What she works for, worked for or will.
    pub works: Vec<Works>,
}

impl Member {
    /// A member with these commissions. Where there is one team alone, whoever never had a commission works for it: an account
    /// is enough as long as nobody has said who works for whom.
    #[must_use]
    pub fn new(name: &str, mut works: Vec<Works>, only_team: Option<(String, String)>) -> Self {
        if let (true, Some((team, team_name))) = (works.is_empty(), only_team) {
            let when = Span { from_ms: i64::MIN, until_ms: None };
            works.push(Works { team, team_name, is_fallback: true, purpose: Purpose::Care, when });
        }
        Self { name: name.to_owned(), works }
    }

    /// The teams for which she takes care of people now.
    pub fn cares_for(&self, now_ms: i64) -> impl Iterator<Item = &Works> {
        self.works.iter().filter(move |works| works.purpose == Purpose::Care && works.when.holds(now_ms))
    }

    /// Whether she takes care of people now.
    #[must_use]
    pub fn cares(&self, now_ms: i64) -> bool {
        self.cares_for(now_ms).next().is_some()
    }

    /// Whether she sees to homes and boxes now, and not to people.
    #[must_use]
    pub fn operates(&self, now_ms: i64) -> bool {
        self.works.iter().any(|works| works.purpose == Purpose::Administration && works.when.holds(now_ms))
    }

    /// Whether she takes care of what nobody else is responsible for.
    #[must_use]
    pub fn is_fallback(&self, now_ms: i64) -> bool {
        self.cares_for(now_ms).any(|works| works.is_fallback)
    }
}

/// A team's responsibility for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Which team.
    pub team: String,
    /// In which area.
    pub area: Area,
    /// When.
    pub when: Span,
}

/// A person, as far as it follows who may see her.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Whom {
    /// Who is responsible for her.
    pub held: Vec<Held>,
    /// The areas of the alerts about her that the member has taken, and that are not closed.
    pub taken: Vec<Area>,
    /// Until when the member has opened her data in an emergency.
    pub opened_until_ms: Option<i64>,
}

/// Whether a member may see a person's data.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum May {
    /// She is responsible for her.
    See,
    /// She has opened them in an emergency, which is not over.
    SeeInEmergency,
    /// Only by saying that it is an emergency, and why.
    BreakGlass,
    /// She takes care of nobody.
    Not,
}

impl May {
    /// Whether she sees them now.
    #[must_use]
    pub fn sees(self) -> bool {
        match self {
            Self::See | Self::SeeInEmergency => true,
            Self::BreakGlass | Self::Not => false,
        }
    }
}

/// Whether a member may see what belongs to an area of a person's data.
#[must_use]
pub fn may_see(member: &Member, whom: &Whom, area: Area, now_ms: i64) -> May {
    if !member.cares(now_ms) {
        return May::Not;
    }
    let mut held = whom.held.iter().filter(|held| held.area == area && held.when.holds(now_ms)).peekable();
    let is_hers = match held.peek() {
        None => member.is_fallback(now_ms),
        Some(_) => held.any(|held| member.cares_for(now_ms).any(|works| works.team == held.team)),
    };
    if is_hers || whom.taken.contains(&area) {
        May::See
    } else if whom.opened_until_ms.is_some_and(|until_ms| now_ms < until_ms) {
        May::SeeInEmergency
    } else {
        May::BreakGlass
    }
}

/// The most that a member may see of a person, in any area.
#[must_use]
pub fn may_see_any(member: &Member, whom: &Whom, now_ms: i64) -> May {
    let [one, other] = Area::ALL.map(|area| may_see(member, whom, area, now_ms));
    match (one, other) {
        (May::See, _) | (_, May::See) => May::See,
        (other, _) => other,
    }
}

/// An alert, as far as it follows who may see it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Matter<'a> {
    /// The rule, or the kind of case.
    pub rule: &'a str,
    /// The person it is about.
    pub person: Option<&'a Whom>,
    /// Who lives in its home.
    pub residents: &'a [Whom],
    /// Whether the member has taken it, or closed it at this time.
    pub is_hers: IsHers,
    /// Whether it was brought before the member, or a team of hers, and is not closed.
    pub is_brought: bool,
}

/// Whether an alert is a member's.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum IsHers {
    /// She has taken it.
    Taken,
    /// She closed it then.
    Closed {
        /// When.
        at_ms: i64,
    },
    /// It is not.
    Not,
}

impl IsHers {
    fn is_so(self, now_ms: i64) -> bool {
        match self {
            Self::Taken => true,
            Self::Closed { at_ms } => now_ms < at_ms.saturating_add(STILL_HERS_MS),
            Self::Not => false,
        }
    }
}

/// Whether a member may see an alert.
#[must_use]
pub fn may_see_case(member: &Member, matter: &Matter<'_>, now_ms: i64) -> May {
    let (cares, operates) = (member.cares(now_ms), member.operates(now_ms));
    if matter.is_hers.is_so(now_ms) || matter.is_brought || is_about_nobody(matter.rule) && (cares || operates) {
        return May::See;
    }
    let area = Area::of_case(matter.rule);
    if let Some(person) = matter.person {
        return may_see(member, person, area, now_ms);
    }
    let is_equipment = health::ABOUT_EQUIPMENT.contains(&matter.rule);
    let sees = |whom: &Whom| match is_equipment {
        true => may_see_any(member, whom, now_ms) == May::See,
        false => may_see(member, whom, area, now_ms) == May::See,
    };
    if member.is_fallback(now_ms) || is_equipment && operates || matter.residents.iter().any(sees) {
        May::See
    } else {
        May::Not
    }
}

/// Whether a kind of case says nothing of any person or home: the gateway, its channels, staffing, many homes at once.
#[must_use]
pub fn is_about_nobody(rule: &str) -> bool {
    keeping::ABOUT_THE_GATEWAY.contains(&rule)
        || [health::CHANNEL, silent_home::STORM, homes::HOMES, cover::NOW, cover::NEXT].contains(&rule)
}

/// Whether a member may see a home: its boxes, devices and books. It says nothing about the people in it.
#[must_use]
pub fn may_see_home(member: &Member, residents: &[Whom], has_taken: bool, now_ms: i64) -> bool {
    member.operates(now_ms) || has_taken || is_at_home(member, residents, may_see_any, now_ms)
}

/// Whether a member may see readings of a home that are nobody's yet.
#[must_use]
pub fn may_see_waiting(member: &Member, residents: &[Whom], now_ms: i64) -> bool {
    let readings = |member: &Member, whom: &Whom, now_ms| may_see(member, whom, Area::HealthCare, now_ms);
    is_at_home(member, residents, readings, now_ms)
}

/// Whether anybody in a home is hers, or nobody lives there and she has what nobody is responsible for.
fn is_at_home(member: &Member, residents: &[Whom], may: impl Fn(&Member, &Whom, i64) -> May, now_ms: i64) -> bool {
    if residents.is_empty() {
        return member.is_fallback(now_ms);
    }
    residents.iter().any(|whom| may(member, whom, now_ms) == May::See)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rules::{above_limit, alarm_pressed};

    const NOW: i64 = 1_000;
    const ALWAYS: Span = Span { from_ms: 0, until_ms: None };

    #[test]
    fn a_member_sees_whom_a_team_of_hers_is_responsible_for_in_its_area_and_nobody_else() {
        let nurse = member(&[("nurses", Purpose::Care, ALWAYS)]);
        let ada = held(&[("nurses", Area::HealthCare, ALWAYS), ("patrol", Area::SocialServices, ALWAYS)]);
        let bo = held(&[("others", Area::HealthCare, ALWAYS)]);
        assert_eq!(may_see(&nurse, &ada, Area::HealthCare, NOW), May::See);
        assert_eq!(may_see(&nurse, &ada, Area::SocialServices, NOW), May::BreakGlass);
        assert_eq!(may_see_any(&nurse, &ada, NOW), May::See);
        assert_eq!(may_see_any(&nurse, &bo, NOW), May::BreakGlass);
        assert_eq!(may_see_any(&nurse, &Whom::default(), NOW), May::BreakGlass, "that is the fallback team's");
    }

    #[test]
    fn what_nobody_is_responsible_for_is_seen_by_the_fallback_team_area_by_area() {
        let fallback = member(&[(FALLBACK, Purpose::Care, ALWAYS)]);
        let ada = held(&[("nurses", Area::HealthCare, ALWAYS)]);
        assert_eq!(may_see(&fallback, &ada, Area::HealthCare, NOW), May::BreakGlass);
        assert_eq!(may_see(&fallback, &ada, Area::SocialServices, NOW), May::See);
        assert_eq!(may_see(&fallback, &Whom::default(), Area::HealthCare, NOW), May::See);
    }

    #[test]
    fn commissions_and_responsibilities_count_from_their_first_moment_until_before_their_last() {
        let period = Span { from_ms: 100, until_ms: Some(200) };
        let nurse = member(&[("nurses", Purpose::Care, period)]);
        let ada = held(&[("nurses", Area::HealthCare, ALWAYS)]);
        let sees = |now| may_see(&nurse, &ada, Area::HealthCare, now);
        assert_eq!([99, 100, 199, 200].map(sees), [May::Not, May::See, May::See, May::Not]);

        let nurse = member(&[("nurses", Purpose::Care, ALWAYS)]);
        let ada = held(&[("nurses", Area::HealthCare, period)]);
        let sees = |now| may_see(&nurse, &ada, Area::HealthCare, now);
        assert_eq!([99, 100, 199, 200].map(sees), [May::BreakGlass, May::See, May::See, May::BreakGlass]);
    }

    #[test]
    fn an_emergency_opens_both_areas_until_it_is_over_and_only_for_somebody_who_takes_care_of_people() {
        let ada = Whom { opened_until_ms: Some(2_000), ..held(&[("others", Area::HealthCare, ALWAYS)]) };
        let nurse = member(&[("nurses", Purpose::Care, ALWAYS)]);
        for area in Area::ALL {
            assert_eq!(may_see(&nurse, &ada, area, 1_999), May::SeeInEmergency);
            assert_eq!(may_see(&nurse, &ada, area, 2_000), May::BreakGlass);
        }
        for administrator in [member(&[("nurses", Purpose::Administration, ALWAYS)]), member(&[])] {
            assert_eq!(may_see_any(&administrator, &ada, NOW), May::Not);
        }
    }

    #[test]
    fn an_account_is_enough_while_there_is_one_team_alone_and_it_never_had_a_commission() {
        let only = || Some((FALLBACK.to_owned(), "Care team".to_owned()));
        assert_eq!(may_see_any(&Member::new("Bo", vec![], only()), &Whom::default(), NOW), May::See);
        assert_eq!(may_see_any(&Member::new("Bo", vec![], None), &Whom::default(), NOW), May::Not);
        let released = works(FALLBACK, Purpose::Care, Span { from_ms: 0, until_ms: Some(500) });
        assert_eq!(may_see_any(&Member::new("Bo", vec![released], only()), &Whom::default(), NOW), May::Not);
    }

    #[test]
    fn an_alert_is_seen_by_its_area_by_whom_it_was_brought_before_and_by_who_has_it() {
        let nurse = member(&[("nurses", Purpose::Care, ALWAYS)]);
        let ada = held(&[("nurses", Area::HealthCare, ALWAYS), ("patrol", Area::SocialServices, ALWAYS)]);
        let press = Matter {
            rule: alarm_pressed::NAME,
            person: Some(&ada),
            residents: &[],
            is_hers: IsHers::Not,
            is_brought: false,
        };
        let sees = |matter: Matter<'_>| may_see_case(&nurse, &matter, NOW) == May::See;
        assert!(!sees(press));
        assert!(sees(Matter { rule: above_limit::NAME, ..press }));
        assert!(sees(Matter { is_brought: true, ..press }));
        assert!(sees(Matter { is_hers: IsHers::Taken, ..press }));
        assert!(sees(Matter { is_hers: IsHers::Closed { at_ms: NOW - STILL_HERS_MS + 1 }, ..press }));
        assert!(!sees(Matter { is_hers: IsHers::Closed { at_ms: NOW - STILL_HERS_MS }, ..press }));

        let taken = Whom { taken: vec![Area::SocialServices], ..ada.clone() };
        assert_eq!(may_see(&nurse, &taken, Area::SocialServices, NOW), May::See, "she takes care of her now");
    }

    #[test]
    fn what_ails_a_home_is_seen_by_whoever_takes_care_of_somebody_there_by_operations_and_by_the_fallback_team() {
        let home = [held(&[("nurses", Area::HealthCare, ALWAYS), ("patrol", Area::SocialServices, ALWAYS)])];
        let silent =
            Matter { rule: silent_home::NAME, person: None, residents: &home, is_hers: IsHers::Not, is_brought: false };
        let unreadable = Matter { rule: health::UNREADABLE_ALARM, ..silent };
        let may = |team, purpose| {
            let one = member(&[(team, purpose, ALWAYS)]);
            let case = |matter| may_see_case(&one, matter, NOW) == May::See;
            let homes = (may_see_home(&one, &home, false, NOW), may_see_waiting(&one, &home, NOW));
            (case(&silent), case(&unreadable), homes)
        };
        assert_eq!(may("nurses", Purpose::Care), (true, false, (true, true)));
        assert_eq!(may("patrol", Purpose::Care), (true, true, (true, false)));
        assert_eq!(may(FALLBACK, Purpose::Care), (true, true, (false, false)));
        assert_eq!(may("nurses", Purpose::Administration), (true, false, (true, false)));
        assert_eq!(may("others", Purpose::Care), (false, false, (false, false)));
        let other = member(&[("others", Purpose::Care, ALWAYS)]);
        assert!(may_see_home(&other, &home, true, NOW), "she has taken what ails it");
        assert!(!may_see_home(&other, &[], false, NOW) && !may_see_home(&member(&[]), &home, false, NOW));
        let disk = Matter { rule: keeping::DISK, residents: &[], ..silent };
        assert_eq!(may_see_case(&other, &disk, NOW), May::See, "it says nothing of anybody");
        assert_eq!(may_see_case(&member(&[]), &disk, NOW), May::Not);
    }

    const FALLBACK: &str = "fallback";

    fn works(team: &str, purpose: Purpose, when: Span) -> Works {
        let is_fallback = team == FALLBACK;
        Works { team: team.into(), team_name: team.into(), is_fallback, purpose, when }
    }

    fn member(all: &[(&str, Purpose, Span)]) -> Member {
        let all = all.iter().map(|(team, purpose, when)| works(team, *purpose, *when));
        Member { name: "Anna".into(), works: all.collect() }
    }

    fn held(by: &[(&str, Area, Span)]) -> Whom {
        let held = by.iter().map(|(team, area, when)| Held { team: (*team).into(), area: *area, when: *when });
        Whom { held: held.collect(), ..Whom::default() }
    }
}
