//! The words for how the gateway's data is kept.

use super::Found;
use crate::alerts::line::Reader;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    match found {
        Found::BackupFails { newest_ms, why } => {
            let newest = newest(*newest_ms, reader);
            lang.pick(
                format!("En säkerhetskopia kunde inte göras ({why}). {newest} Säg till den som driver gatewayen."),
                format!("A backup could not be made ({why}). {newest} Tell whoever runs the gateway."),
            )
        }
        Found::BackupLate { newest_ms } => {
            let newest = newest(*newest_ms, reader);
            lang.pick(
                format!("Ingen säkerhetskopia gjordes när det var dags. {newest} Säg till den som driver gatewayen."),
                format!("No backup was made when one was due. {newest} Tell whoever runs the gateway."),
            )
        }
        Found::BackupMade { made_ms } => {
            let at = reader.moment(*made_ms);
            lang.pick(
                format!("Säkerhetskopior görs igen; den senaste {at}."),
                format!("Backups are made again; the latest {at}."),
            )
        }
        Found::Restored { made_ms, restored_ms, by } => {
            let (made, restored) = (reader.moment(*made_ms), reader.moment(*restored_ms));
            lang.pick(
                format!(
                    "{by} lade tillbaka en säkerhetskopia från {made}, den {restored}. Mätningar och larm från hemmens boxar \
                     kommer in igen av sig själva, och sådant som teamet redan fått veta kan komma en gång till. Det som \
                     människor skrev däremellan finns inte kvar: anteckningar, planer, nya hem och apparater, och larm från \
                     trygghetslarm av annat fabrikat. Skriv in det på nytt."
                ),
                format!(
                    "{by} put a backup of {made} in place, at {restored}. Readings and alarms of the homes' boxes come in \
                     again by themselves, and what the team was told already may be told once more. What people wrote in \
                     between is gone: notes, plans, new homes and devices, and alarms from alarm units of other makes. Enter \
                     it again."
                ),
            )
        }
        Found::DiskShort { free_mib } => lang.pick(
            format!(
                "Gatewayens disk är nästan full ({free_mib} MB ledigt). Mätningar tas inte emot: de ligger kvar i boxarna och kommer \
                 senare. Larm tas emot, så länge reserven räcker. Säg till den som driver gatewayen att frigöra plats nu."
            ),
            format!(
                "The gateway's disk is nearly full ({free_mib} MB free). Readings are not taken: they stay in the boxes and come \
                 later. Alarms are taken, for as long as the reserve lasts. Tell whoever runs the gateway to free room now."
            ),
        ),
        Found::DiskWell => lang
            .pick(
                "Det finns plats på gatewayens disk igen. Mätningar tas emot, och de som väntat kommer in.",
                "There is room on the gateway's disk again. Readings are taken, and those that waited come in.",
            )
            .to_owned(),
        Found::ClockSet { by_min } => {
            let minutes = by_min.unsigned_abs();
            let (riktning, direction) = if *by_min > 0 { ("fram", "forward") } else { ("tillbaka", "back") };
            lang.pick(
                format!(
                    "Klockan som allt hos gatewayen går efter ställdes {riktning} {minutes} minuter. Påminnelser och aviseringar kan ha \
                     kommit för tidigt eller för sent; inget kom två gånger av det. Tider i larm kan vara fel. Säg till den som \
                     driver gatewayen att se efter att klockan går rätt."
                ),
                format!(
                    "The clock that everything at the gateway goes by was set {direction} by {minutes} minutes. Reminders and \
                     notifications may have come too early or too late; nothing came twice because of it. Times in alerts may be \
                     wrong. Tell whoever runs the gateway to see that the clock is right."
                ),
            )
        }
        Found::ClocksDiffer { by_min } => {
            let minutes = by_min.unsigned_abs();
            let (riktning, direction) = if *by_min > 0 { ("före", "ahead of") } else { ("efter", "behind") };
            lang.pick(
                format!(
                    "Klockan i en av gatewayens datorer går {minutes} minuter {riktning} databasens. Allt här går efter databasens klocka. \
                     Säg till den som driver gatewayen att se efter vilken som går rätt."
                ),
                format!(
                    "The clock of one of the gateway's machines is {minutes} minutes {direction} the database's. Everything here goes \
                     by the database's clock. Tell whoever runs the gateway to see which one is right."
                ),
            )
        }
    }
}

fn newest(newest_ms: Option<i64>, reader: &Reader) -> String {
    let lang = reader.lang;
    match newest_ms {
        Some(at_ms) => {
            let at = reader.moment(at_ms);
            lang.pick(format!("Den senaste är från {at}."), format!("The latest is of {at}."))
        }
        None => lang.pick("Det finns ingen alls.", "There is none at all.").to_owned(),
    }
}

/// What a case about backups is called.
#[must_use]
pub fn backup_title(lang: Lang) -> &'static str {
    lang.pick("Säkerhetskopior görs inte", "Backups are not made")
}

/// What a case about a full disk is called.
#[must_use]
pub fn disk_title(lang: Lang) -> &'static str {
    lang.pick("Gatewayens disk är nästan full", "The gateway's disk is nearly full")
}

/// What a case about a clock is called.
#[must_use]
pub fn clock_title(lang: Lang) -> &'static str {
    lang.pick("Gatewayens klocka ställdes om eller går fel", "The gateway's clock was set, or is wrong")
}

/// What a case about a backup put in place is called.
#[must_use]
pub fn restored_title(lang: Lang) -> &'static str {
    lang.pick("En säkerhetskopia har lagts tillbaka", "A backup was put in place")
}
