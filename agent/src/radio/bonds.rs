//! What a session that did not go well says about the bond with a device, and what is done about it.
//!
//! | what is seen                                                        | what it is taken for                    | what is done                          |
//! |---------------------------------------------------------------------|-----------------------------------------|---------------------------------------|
//! | bonded, and every link breaks at once                               | one side has lost its keys              | both forget, and pair anew: once      |
//! | again, though it was paired anew                                    | a bond that does not last               | a person is told: [`Trouble::LostBond`] |
//! | it does not pair anew                                               | it was paired with something else       | [`Trouble::PairedElsewhere`]          |
//! | bonded without a number, and it takes no subscription               | it insists on its number                | both forget, and pair by the number   |
//! | not bonded, and it breaks off when something is asked of it         | it wants to be paired                   | it is asked to, by all means there are |
//! | it refuses them                                                     |                                         | [`Trouble::Pairing`]                  |
//! | it shows a number, and nobody types it                              |                                         | [`Trouble::NeedsPasskey`]             |
//! | it is heard, and again and again no link comes about                | too far away, or busy with another      | [`Trouble::Unreachable`]              |
//!
//! A bond that is removed cannot be brought back, and many a cuff must be held in pairing mode for another. So it needs
//! several links that break at once, in a row, and is done at most once until a link with the new bond has worked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hempuls_protocol::event::Trouble;

use super::pairing::Manner;
use crate::sessions::Address;

/// How a session went.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Course {
    /// Whether there was a bond when it began.
    pub was_bonded: bool,
    /// How it ended.
    pub ended: How,
    /// How long it lasted.
    pub lasted: Duration,
}

/// How a session ended.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum How {
    /// Well: the device said what it had to say.
    Well {
        /// Whether the link was encrypted with a bond.
        bonded: bool,
    },
    /// There was no link.
    NoLink,
    /// It broke off before it had said anything.
    BrokeOff {
        /// It tried to pair, or said that it wants to be paired.
        over_pairing: bool,
    },
    /// It was asked to pair, and did not.
    NotPaired {
        /// In which manner.
        manner: Manner,
        /// It showed a number, which nobody typed in time, or not rightly.
        showed_number: bool,
    },
    /// It is bonded, and takes no subscription all the same.
    BondNotEnough,
    /// In a way that says nothing about a bond.
    Otherwise,
}

/// What to do.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Tell a person.
    Tell(Trouble),
    /// Make BlueZ forget the device and its bond, and go on with it as soon as it is heard.
    Renew,
}

/// What is known of the bonds of the home.
#[derive(Debug, Default)]
pub struct Bonds(BTreeMap<Address, Bond>);

#[derive(Debug, Default)]
struct Bond {
    /// Bonded links in a row that broke at once, or on which it took no subscription.
    stale: u32,
    /// Sessions in a row without a link, and when the first of them was.
    no_link: Option<(u32, Instant)>,
    /// Sessions in a row that broke off.
    broke_off: u32,
    /// How to ask it to pair in the next session, if at all.
    ask: Option<Manner>,
    /// Its bond was removed, and no link with a new one has worked.
    renewed: bool,
    /// It works without a bond.
    needs_none: bool,
    told: Vec<Trouble>,
}

/// A link that breaks sooner than that was broken by whoever does not know the keys: one that is too far away takes longer.
const AT_ONCE: Duration = Duration::from_secs(5);
const STALE_AFTER: u32 = 4;
/// Without a word about pairing, breaking off so often means it.
const WANTS_PAIRING_AFTER: u32 = 2;
const UNREACHABLE_AFTER: Duration = Duration::from_secs(30);

impl Bonds {
    /// Keeps what is known of these devices, and forgets all others.
    pub fn serve(&mut self, devices: impl IntoIterator<Item = Address>) {
        let mut before = std::mem::take(&mut self.0);
        self.0 = devices.into_iter().map(|address| (address, before.remove(&address).unwrap_or_default())).collect();
    }

    /// How to ask a device to pair in the session that begins, if it is not bonded.
    #[must_use]
    pub fn ask(&self, device: &Address) -> Option<Manner> {
        self.0.get(device)?.ask
    }

    /// What to do after a session.
    pub fn ended(&mut self, device: &Address, course: Course, now: Instant) -> Vec<Effect> {
        let Some(bond) = self.0.get_mut(device) else { return Vec::new() };
        match course.ended {
            How::Well { bonded } => bond.went_well(bonded, course.was_bonded),
            How::NoLink | How::BrokeOff { .. } if course.was_bonded && course.lasted < AT_ONCE => {
                // BlueZ pairs by itself when something is asked of it.
                return bond.is_of_no_use(None);
            }
            How::NoLink => return bond.did_not_connect(now),
            How::BrokeOff { over_pairing } if !course.was_bonded && !bond.needs_none => {
                bond.broke_off += 1;
                if over_pairing || bond.broke_off >= WANTS_PAIRING_AFTER {
                    // Without a number was what BlueZ has tried by itself, if it came to that.
                    let manner = if over_pairing { Manner::ByNumber } else { Manner::JustWorks };
                    bond.ask.get_or_insert(manner);
                }
            }
            // A bond that was made a moment ago can be made again; one that has lasted goes only when it is of no use.
            How::BondNotEnough if !course.was_bonded => return bond.renew(Some(Manner::ByNumber)),
            How::BondNotEnough => return bond.is_of_no_use(Some(Manner::ByNumber)),
            How::NotPaired { manner, showed_number } => return bond.did_not_pair(manner, showed_number),
            How::BrokeOff { .. } | How::Otherwise => {}
        }
        Vec::new()
    }
}

impl Bond {
    fn went_well(&mut self, bonded: bool, was_bonded: bool) {
        *self = Self {
            needs_none: !bonded,
            // Pairing anew is no proof: some devices forget a bond after each session.
            renewed: self.renewed && !was_bonded,
            ..Self::default()
        };
    }

    fn is_of_no_use(&mut self, ask: Option<Manner>) -> Vec<Effect> {
        self.stale += 1;
        if self.stale < STALE_AFTER {
            return Vec::new();
        }
        self.stale = 0;
        self.renew(ask)
    }

    fn renew(&mut self, ask: Option<Manner>) -> Vec<Effect> {
        if self.renewed {
            return self.tell(Trouble::LostBond);
        }
        (self.renewed, self.ask) = (true, ask);
        vec![Effect::Renew]
    }

    fn did_not_connect(&mut self, now: Instant) -> Vec<Effect> {
        let (times, since) = self.no_link.get_or_insert((0, now));
        *times += 1;
        let is_long = *times > 1 && now.saturating_duration_since(*since) >= UNREACHABLE_AFTER;
        if is_long { self.tell(Trouble::Unreachable) } else { Vec::new() }
    }

    /// It is asked in both manners in turn: one that shows no number though it could needs the one, one that insists on
    /// its number the other.
    fn did_not_pair(&mut self, manner: Manner, showed_number: bool) -> Vec<Effect> {
        if showed_number {
            return self.tell(Trouble::NeedsPasskey);
        }
        match manner {
            Manner::JustWorks => {
                self.ask = Some(Manner::ByNumber);
                Vec::new()
            }
            Manner::ByNumber => {
                self.ask = Some(Manner::JustWorks);
                self.tell(if self.renewed { Trouble::PairedElsewhere } else { Trouble::Pairing })
            }
        }
    }

    /// Once, until it works again.
    fn tell(&mut self, trouble: Trouble) -> Vec<Effect> {
        if self.told.contains(&trouble) {
            return Vec::new();
        }
        self.told.push(trouble);
        vec![Effect::Tell(trouble)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const CUFF: Address = [1; 6];
    const NOTHING: [Effect; 0] = [];

    #[test]
    fn a_cuff_that_lost_its_keys_is_paired_anew_and_nobody_need_know() {
        let mut home = Home::new();
        assert_eq!(home.went(WELL_BONDED), NOTHING);
        for _ in 0..3 {
            assert_eq!(home.went(BROKE_AT_ONCE), NOTHING);
        }
        assert_eq!(home.went(BROKE_AT_ONCE), [Effect::Renew]);
        assert_eq!(home.bonds.ask(&CUFF), None, "BlueZ pairs by itself");
        assert_eq!(home.went(WELL_AND_NEWLY_BONDED), NOTHING);
        assert_eq!(home.bonds.ask(&CUFF), None);
    }

    #[test]
    fn a_bond_is_removed_only_once_until_a_link_with_the_new_one_has_worked() {
        let mut home = Home::new();
        assert_eq!(home.went_often(4, BROKE_AT_ONCE), [Effect::Renew]);
        home.went(WELL_AND_NEWLY_BONDED);
        // It has forgotten the new bond as well.
        assert_eq!(home.went_often(4, BROKE_AT_ONCE), [Effect::Tell(Trouble::LostBond)]);
        assert_eq!(home.went_often(40, BROKE_AT_ONCE), NOTHING, "a person is told once");
        home.went(WELL_BONDED);
        assert_eq!(home.went_often(4, BROKE_AT_ONCE), [Effect::Renew], "years later it may be done again");
    }

    #[test]
    fn a_cuff_that_knows_this_box_no_more_and_does_not_pair_was_paired_elsewhere() {
        let mut home = Home::new();
        assert_eq!(home.went_often(4, BROKE_AT_ONCE), [Effect::Renew]);
        assert_eq!(home.went(broke_off(true)), NOTHING);
        assert_eq!(home.bonds.ask(&CUFF), Some(Manner::ByNumber));
        assert_eq!(home.went(refused(Manner::ByNumber)), [Effect::Tell(Trouble::PairedElsewhere)]);
        assert_eq!(home.bonds.ask(&CUFF), Some(Manner::JustWorks), "it is asked again, in case it is allowed to");
    }

    #[test]
    fn a_device_that_refuses_to_pair_by_hanging_up_is_asked_by_all_means_and_then_a_person_is_told() {
        let mut home = Home::new();
        assert_eq!(home.went(broke_off(true)), NOTHING);
        assert_eq!(home.bonds.ask(&CUFF), Some(Manner::ByNumber));
        assert_eq!(home.went(refused(Manner::ByNumber)), [Effect::Tell(Trouble::Pairing)]);
        assert_eq!(home.went(refused(Manner::JustWorks)), NOTHING);
        assert_eq!(home.went(refused(Manner::ByNumber)), NOTHING);
        home.went(WELL_AND_NEWLY_BONDED);
        home.went(broke_off(true));
        assert_eq!(
            home.went(refused(Manner::ByNumber)),
            [Effect::Tell(Trouble::Pairing)],
            "a new trouble is told anew"
        );
    }

    #[test]
    fn a_device_that_breaks_off_without_a_word_is_asked_to_pair_the_second_time() {
        let mut home = Home::new();
        home.went(broke_off(false));
        assert_eq!(home.bonds.ask(&CUFF), None);
        home.went(broke_off(false));
        assert_eq!(home.bonds.ask(&CUFF), Some(Manner::JustWorks));
    }

    #[test]
    fn a_device_that_insists_on_its_number_is_paired_by_it_at_once_and_an_old_bond_goes_only_after_several_tries() {
        let mut home = Home::new();
        let newly = course(false, How::BondNotEnough, 11);
        assert_eq!(home.went(newly), [Effect::Renew]);
        assert_eq!(home.bonds.ask(&CUFF), Some(Manner::ByNumber));
        home.went(WELL_AND_NEWLY_BONDED);
        home.went(WELL_BONDED);
        let of_old = course(true, How::BondNotEnough, 11);
        assert_eq!(home.went_often(3, of_old), NOTHING);
        assert_eq!(home.went(of_old), [Effect::Renew]);
        assert_eq!(home.went(newly), [Effect::Tell(Trouble::LostBond)], "it was of no use");
    }

    #[test]
    fn a_device_that_works_without_a_bond_is_never_asked_to_pair() {
        let mut home = Home::new();
        home.went(WELL);
        assert_eq!(home.went_often(10, broke_off(false)), NOTHING);
        assert_eq!(home.bonds.ask(&CUFF), None);
    }

    #[test]
    fn a_number_that_nobody_types_is_told_once() {
        let mut home = Home::new();
        home.went(broke_off(true));
        let unanswered = course(false, How::NotPaired { manner: Manner::ByNumber, showed_number: true }, 60);
        assert_eq!(home.went(unanswered), [Effect::Tell(Trouble::NeedsPasskey)]);
        assert_eq!(home.went(unanswered), NOTHING);
        assert_eq!(home.bonds.ask(&CUFF), Some(Manner::ByNumber));
    }

    #[test]
    fn a_device_that_is_heard_and_takes_no_connection_is_out_of_reach() {
        let mut home = Home::new();
        let no_link = course(false, How::NoLink, 20);
        assert_eq!(home.went(no_link), NOTHING);
        home.later(29);
        assert_eq!(home.went(no_link), NOTHING);
        home.later(1);
        assert_eq!(home.went(no_link), [Effect::Tell(Trouble::Unreachable)]);
        assert_eq!(home.went(no_link), NOTHING);
        assert_eq!(home.bonds.ask(&CUFF), None);
    }

    #[test]
    fn a_bonded_device_that_is_too_far_away_keeps_its_bond() {
        let mut home = Home::new();
        home.went(WELL_BONDED);
        let slow = course(true, How::NoLink, 20);
        for _ in 0..10 {
            home.later(60);
            assert!(!home.went(slow).contains(&Effect::Renew));
        }
    }

    #[test]
    fn links_that_break_at_once_now_and_then_are_no_lost_bond() {
        let mut home = Home::new();
        for _ in 0..10 {
            assert_eq!(home.went_often(3, BROKE_AT_ONCE), NOTHING);
            home.went(WELL_BONDED);
        }
    }

    const WELL: Course =
        Course { was_bonded: false, ended: How::Well { bonded: false }, lasted: Duration::from_secs(8) };
    const WELL_BONDED: Course =
        Course { was_bonded: true, ended: How::Well { bonded: true }, lasted: Duration::from_secs(8) };
    const WELL_AND_NEWLY_BONDED: Course = Course { was_bonded: false, ..WELL_BONDED };
    const BROKE_AT_ONCE: Course = Course { was_bonded: true, ended: How::NoLink, lasted: Duration::from_millis(300) };

    fn broke_off(over_pairing: bool) -> Course {
        course(false, How::BrokeOff { over_pairing }, 1)
    }

    fn refused(manner: Manner) -> Course {
        course(false, How::NotPaired { manner, showed_number: false }, 1)
    }

    fn course(was_bonded: bool, ended: How, seconds: u64) -> Course {
        Course { was_bonded, ended, lasted: Duration::from_secs(seconds) }
    }

    struct Home {
        bonds: Bonds,
        now: Instant,
    }

    impl Home {
        fn new() -> Self {
            let mut bonds = Bonds::default();
            bonds.serve([CUFF]);
            Self { bonds, now: clock::now() }
        }

        fn later(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }

        fn went(&mut self, course: Course) -> Vec<Effect> {
            self.bonds.ended(&CUFF, course, self.now)
        }

        fn went_often(&mut self, times: usize, course: Course) -> Vec<Effect> {
            (0..times).flat_map(|_| self.went(course)).collect()
        }
    }
}
