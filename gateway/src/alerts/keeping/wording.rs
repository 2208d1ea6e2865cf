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

/// What a case about a backup put in place is called.
#[must_use]
pub fn restored_title(lang: Lang) -> &'static str {
    lang.pick("En säkerhetskopia har lagts tillbaka", "A backup was put in place")
}
