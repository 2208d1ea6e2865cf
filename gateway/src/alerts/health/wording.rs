//! The words for what is wrong with a box.

use super::ailments::Ailment;
use super::{
    BATTERY, BUFFER, CHANNEL, CONFIG, DEVICE, FHIR, FLASH, Found, Harm, IDENTITY, Misbehaviour, RADIO, REFUSED,
    Refused, UNREADABLE_ALARM,
};
use crate::alerts::line::Reader;
use crate::alerts::rules::{books_do_not_balance as books, certificate_expiring, clock_wrong};
use crate::wording::{self as words, Lang};

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    match found {
        Found::NewEpoch { lane, moved, lost: 0 } => {
            let of = self::lane(lane, lang);
            lang.pick(
                format!("Boxens lagring ({of}) började om. Inget gick förlorat; {moved} togs på nytt."),
                format!("The box's storage ({of}) began anew. Nothing was lost; {moved} were taken again."),
            )
        }
        Found::NewEpoch { lane, moved, lost } => {
            let of = self::lane(lane, lang);
            lang.pick(
                format!("Boxens lagring ({of}) började om. {lost} gick förlorade; {moved} togs på nytt."),
                format!("The box's storage ({of}) began anew. {lost} were lost; {moved} were taken again."),
            )
        }
        Found::WentBack { lane, from } => {
            let of = self::lane(lane, lang);
            lang.pick(
                format!(
                    "Boxens lagring ({of}) har gått tillbaka i tiden, från nummer {from}: återställd kopia, trasigt \
                     minneskort, eller två boxar med samma identitet."
                ),
                format!(
                    "The box's storage ({of}) went back in time, from number {from}: a restored copy, a broken card, or \
                     two boxes with one identity."
                ),
            )
        }
        Found::LostRestoring { lane, lost } => {
            let of = self::lane(lane, lang);
            lang.pick(
                format!("Databasen återställdes, och boxen har inte kvar {lost} som saknas ({of})."),
                format!("The store was restored, and the box no longer keeps {lost} that are missing ({of})."),
            )
        }
        Found::Damaged { damage, taken_again } => {
            let what = match damage {
                Harm::Unreadable => lang.pick("var skadad", "was damaged"),
                Harm::KeyLost => lang.pick(
                    "kunde inte läsas: nyckeln som den krypterades med saknas",
                    "could not be read: the key it was encrypted with is missing",
                ),
                Harm::Gone => lang.pick("var borta", "was gone"),
            };
            lang.pick(
                format!("Boxens lagring {what}. En ny har tagit dess plats; {taken_again} händelser kunde räddas."),
                format!("The box's storage {what}. Another has taken its place; {taken_again} events could be saved."),
            )
        }
        Found::Quarantined { lane, .. } if lane == "alarm" => lang
            .pick("Ett larm från det här hemmet kunde inte läsas.", "An alarm from this home could not be read.")
            .to_owned(),
        Found::Quarantined { count, .. } => lang.pick(
            format!("{count} mätningar kunde inte läsas. De är sparade som de kom."),
            format!("{count} readings could not be read. They are kept as they came."),
        ),
        Found::UnreadableMessage => lang
            .pick(
                "Ett meddelande från boxen kunde inte läsas. Det är sparat som det kom.",
                "A message from the box could not be read. It is kept as it came.",
            )
            .to_owned(),
        Found::Refused { count, why } => refused(*count, *why, lang),
        Found::Device { device, device_kind, trouble } => {
            format!("{} {}.", named(device, device_kind.as_deref(), lang), does(*trouble, lang))
        }
        Found::Ails(ailment) => ails(ailment, reader),
        Found::Over(ailment) => over(ailment, reader),
        Found::Books(difference) => books::wording::say(difference, lane(&difference.lane, lang), lang),
        Found::BooksBalance(difference) => books::wording::over(lane(&difference.lane, lang), lang),
        Found::Identity(happened) => happened.say(reader),
        Found::ChannelFails { channel, because } if channel == "dead_man" => lang.pick(
            format!("Dödmansanropet går inte fram ({because}). Skulle gatewayen tystna märker ingen det."),
            format!(
                "The dead-man call does not get through ({because}). If the gateway fell silent, nobody would notice."
            ),
        ),
        Found::ChannelFails { channel, because } if channel == FHIR => lang.pick(
            format!("Journalservern tar inte emot något ({because}). Mätningar och larm väntar här tills den gör det."),
            format!("The server of health records takes nothing ({because}). Readings and alerts wait here until it does."),
        ),
        Found::RecordsRefused { because } => lang.pick(
            format!(
                "Journalservern vägrar ta emot enskilda mätningar eller larm ({because}). De finns här men inte i journalen. \
                 `hempuls-gateway records list` visar vilka, `records retry` skickar dem igen."
            ),
            format!(
                "The server of health records refuses single readings or alerts ({because}). They are here and not in the record. \
                 `hempuls-gateway records list` shows which, `records retry` sends them again."
            ),
        ),
        Found::ChannelFails { channel, because } => {
            let channel = channel_name(channel, lang);
            lang.pick(
                format!(
                    "{channel} går inte fram ({because}). Den som skulle ha fått veta något så har inte fått veta det. Vem det är \
                     står på varje larms sida."
                ),
                format!(
                    "{channel} does not get through ({because}). Whoever was to be told something by it has not been told. Who \
                     that is stands on each alert's page."
                ),
            )
        }
        Found::ChannelDelivers { channel } => {
            let channel = channel_name(channel, lang);
            lang.pick(format!("{channel} går fram igen."), format!("{channel} gets through again."))
        }
        Found::ReceiverSilent { receiver, because, is_last } => {
            let which = receiver_name(*receiver, lang);
            match is_last {
                false => lang.pick(
                    format!("{which} ger inget livstecken ({because}). Larm går till den andra så länge."),
                    format!("{which} gives no sign of life ({because}). Alarms go to the other one meanwhile."),
                ),
                true => lang.pick(
                    format!(
                        "{which} ger inget livstecken ({because}), och ingen annan heller. Larm når inte larmcentralen: någon \
                         här måste se dem."
                    ),
                    format!(
                        "{which} gives no sign of life ({because}), and neither does any other. Alarms do not reach the \
                         centre: somebody here must look at them."
                    ),
                ),
            }
        }
        Found::ReceiverAnswers { receiver } => {
            let which = receiver_name(*receiver, lang);
            lang.pick(format!("{which} ger livstecken igen."), format!("{which} gives signs of life again."))
        }
    }
}

/// What a channel is called at the beginning of a sentence.
pub(crate) fn channel_name(channel: &str, lang: Lang) -> String {
    match channel {
        "email" => lang.pick("E-post", "E-mail").to_owned(),
        "sms" => lang.pick("Sms", "SMS").to_owned(),
        "webhook" => lang.pick("Anrop till ett program", "A call to a program").to_owned(),
        FHIR => lang.pick("Det som ska till journalen", "What goes to the record").to_owned(),
        "scaip" => lang.pick("Larm till larmcentralen", "Alarms to the alarm centre").to_owned(),
        "dead_man" => lang.pick("Dödmansanropet", "The dead-man call").to_owned(),
        other => other.to_owned(),
    }
}

/// What a receiver of the alarm centre is called at the beginning of a sentence.
fn receiver_name(receiver: i64, lang: Lang) -> &'static str {
    if receiver == 1 {
        lang.pick("Larmcentralens första mottagare", "The alarm centre's first receiver")
    } else {
        lang.pick("Larmcentralens andra mottagare", "The alarm centre's second receiver")
    }
}

fn refused(count: u64, why: Refused, lang: Lang) -> String {
    let because = match why {
        Refused::Flash => lang.pick("boxens lagring tog inte emot dem", "the box's storage did not take them"),
        Refused::Full => lang.pick("boxens lagring är full", "the box's storage is full"),
        Refused::NotAuthentic => lang.pick(
            "de kom inte bevisligen från knappen. Antingen har boxen fel nyckel till den, och då når inga tryck fram, \
             eller så försöker någon annan låta som den",
            "they were not proved to come from the button. Either the box has the wrong key for it, and then no press \
             gets through, or somebody else tries to sound like it",
        ),
        Refused::Replayed => lang.pick("de såg ut som gamla tryck", "they looked like old presses played again"),
        Refused::Stuck => lang.pick("knappen verkar ha fastnat", "the button seems to be stuck"),
    };
    match (lang, count) {
        (Lang::Sv, 1) => format!("1 signal hördes i hemmet men togs inte emot: {because}."),
        (Lang::Sv, _) => format!("{count} signaler hördes i hemmet men togs inte emot: {because}."),
        (Lang::En, 1) => format!("1 signal was heard in the home and not taken: {because}."),
        (Lang::En, _) => format!("{count} signals were heard in the home and not taken: {because}."),
    }
}

fn does(trouble: Misbehaviour, lang: Lang) -> &'static str {
    match trouble {
        Misbehaviour::Unreadable => lang.pick("skickade något oläsligt", "sent something unreadable"),
        Misbehaviour::Pairing => lang.pick("går inte att parkoppla med boxen", "cannot be paired with the box"),
        Misbehaviour::NoService => lang.pick(
            "svarar, men kan inte det som en sådan apparat ska kunna: är det rätt apparat?",
            "answers, but cannot do what such a device should: is it the right one?",
        ),
        Misbehaviour::LostBond => lang
            .pick("är inte längre parkopplad med boxen; parkoppla den på nytt", "has lost its pairing; pair it again"),
        Misbehaviour::PairedElsewhere => lang.pick(
            "har parkopplats med något annat och känner inte igen boxen; parkoppla den med boxen på nytt",
            "was paired with something else and knows the box no more; pair it with the box again",
        ),
        Misbehaviour::Unreachable => lang.pick(
            "hörs men svarar inte: den är för långt bort, eller upptagen med en annan telefon eller box",
            "is heard but takes no connection: too far away, or busy with another phone or box",
        ),
        Misbehaviour::NeedsPasskey => lang.pick(
            "visar en kod som någon måste skriva in vid boxen",
            "shows a number that somebody must type at the box",
        ),
        Misbehaviour::StuckButton => {
            lang.pick("trycks in om och om igen; knappen kan ha fastnat", "is pressed over and over; it may be stuck")
        }
        Misbehaviour::Silent => lang.pick(
            "har inte gett livstecken i tid: den kan vara utom räckhåll, avstängd eller utan batteri",
            "has not given its sign of life in time: it may be out of reach, off, or without battery",
        ),
        Misbehaviour::ClockWrong => lang.pick(
            "har en klocka som går fel och som boxen inte kan ställa",
            "has a clock that is wrong and that the box cannot set",
        ),
    }
}

fn ails(ailment: &Ailment, reader: &Reader) -> String {
    let lang = reader.lang;
    match ailment {
        Ailment::DeadRadio => lang.pick(
            "Boxens radio hör ingenting: varken mätningar eller larmknappar når fram.".to_owned(),
            "The box's radio hears nothing: neither readings nor alarm buttons get through.".to_owned(),
        ),
        Ailment::FullFlash => lang.pick(
            "Boxens lagring är full: den tar emot larm, men inga mätningar.".to_owned(),
            "The box's storage is full: it takes alarms, but no readings.".to_owned(),
        ),
        Ailment::DeadFlash => lang.pick(
            "Boxens lagring tar inte emot något: mätningar går förlorade, och larm skickas ur arbetsminnet.".to_owned(),
            "The box's storage takes nothing: readings are lost, and alarms are sent from working memory.".to_owned(),
        ),
        Ailment::AlarmsInMemory => lang.pick(
            "Det finns larm som bara ligger i boxens arbetsminne. De försvinner om boxen blir strömlös.".to_owned(),
            "There are alarms in the box's working memory only. They are lost if its power fails.".to_owned(),
        ),
        Ailment::RefusedConfig { why } => lang.pick(
            format!("Boxen kan inte använda sina nya inställningar och fortsätter med de förra. Den säger: {why}"),
            format!("The box cannot use its new configuration and goes on with the one before. It says: {why}"),
        ),
        Ailment::LowBattery { device, device_kind } => {
            let what = named(device, device_kind.as_deref(), lang);
            lang.pick(
                format!("{what} har snart slut på batteri. Byt eller ladda det."),
                format!("{what} is low on battery. Change or charge it."),
            )
        }
        Ailment::SilentDevice { device, device_kind } => {
            format!("{} {}.", named(device, device_kind.as_deref(), lang), does(Misbehaviour::Silent, lang))
        }
        Ailment::WrongDeviceClock { device, device_kind } => {
            format!("{} {}.", named(device, device_kind.as_deref(), lang), does(Misbehaviour::ClockWrong, lang))
        }
        Ailment::WrongClock(wrong) => clock_wrong::wording::say(wrong, lang),
        Ailment::CertificateExpiring(expiring) => certificate_expiring::wording::say(expiring, reader),
    }
}

fn over(ailment: &Ailment, reader: &Reader) -> String {
    let lang = reader.lang;
    match ailment {
        Ailment::DeadRadio => lang.pick("Boxens radio hör igen.", "The box's radio hears again.").to_owned(),
        Ailment::FullFlash | Ailment::DeadFlash => {
            lang.pick("Boxens lagring tar emot allt igen.", "The box's storage takes everything again.").to_owned()
        }
        Ailment::AlarmsInMemory => lang
            .pick(
                "Inga larm ligger längre i boxens arbetsminne.",
                "No alarms are in the box's working memory any more.",
            )
            .to_owned(),
        Ailment::RefusedConfig { .. } => {
            lang.pick("Boxen använder sina nya inställningar.", "The box uses its new configuration.").to_owned()
        }
        Ailment::LowBattery { device, device_kind } => {
            let what = named(device, device_kind.as_deref(), lang);
            lang.pick(format!("{what} har bra batteri igen."), format!("{what} has a good battery again."))
        }
        Ailment::SilentDevice { device, device_kind } => {
            let what = named(device, device_kind.as_deref(), lang);
            lang.pick(format!("{what} hörs igen."), format!("{what} is heard again."))
        }
        Ailment::WrongDeviceClock { device, device_kind } => {
            let what = named(device, device_kind.as_deref(), lang);
            lang.pick(format!("{what} visar rätt tid igen."), format!("{what} shows the right time again."))
        }
        Ailment::WrongClock(_) => clock_wrong::wording::over(lang),
        Ailment::CertificateExpiring(_) => certificate_expiring::wording::over(reader),
    }
}

/// What a device is, and which: `Larmknapp F0:F1:F2:F3:F4:F5`.
fn named(device: &str, kind: Option<&str>, lang: Lang) -> String {
    let what = match kind {
        Some(kind) => words::device_kind(Some(kind), lang),
        None => lang.pick("Apparaten", "The device").to_owned(),
    };
    format!("{what} {device}")
}

/// What a case about a box is called.
#[must_use]
pub fn title(case: &str, lang: Lang) -> String {
    match case {
        BUFFER => lang.pick("Boxens lagring", "The box's storage"),
        UNREADABLE_ALARM => lang.pick("Ett larm kunde inte läsas", "An alarm could not be read"),
        REFUSED => lang.pick("Signaler som inte togs emot", "Signals that were not taken"),
        DEVICE => lang.pick("En apparat krånglar", "A device has trouble"),
        RADIO => lang.pick("Fel på boxens radio", "Trouble with the box's radio"),
        FLASH => lang.pick("Fel på boxens lagring", "Trouble with the box's storage"),
        CONFIG => lang.pick("Inställningar som boxen inte kan använda", "A configuration that the box cannot use"),
        BATTERY => lang.pick("Svagt batteri", "Low battery"),
        IDENTITY => lang.pick("Boxens identitet", "The box's identity"),
        clock_wrong::NAME => lang.pick("En klocka går fel", "A clock is wrong"),
        certificate_expiring::NAME => lang.pick("Boxens certifikat går ut", "The box's certificate expires"),
        books::NAME => lang.pick("Bokföringen går inte ihop", "The books do not balance"),
        CHANNEL => lang.pick("Aviseringar går inte fram", "Notifications do not get through"),
        _ => lang.pick("Något kunde inte läsas", "Something could not be read"),
    }
    .to_owned()
}

/// What travels in a lane.
pub(super) fn lane(lane: &str, lang: Lang) -> &'static str {
    if lane == "alarm" { lang.pick("larm", "alarms") } else { lang.pick("mätningar", "readings") }
}
