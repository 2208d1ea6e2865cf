//! The words for a certificate that runs out.

use super::Expiring;
use crate::alerts::line::Reader;

/// The line in the reader's words.
#[must_use]
pub fn say(expiring: &Expiring, reader: &Reader) -> String {
    let at = reader.moment(expiring.expires_ms);
    let sv = if expiring.is_urgent { "Efter det släpps den bara in för att förnya det. " } else { "" };
    let en = if expiring.is_urgent { "After that it is let in only to renew it. " } else { "" };
    reader.lang.pick(
        format!(
            "Boxens certifikat går ut {at} och har inte förnyats, fast det borde ha skett. {sv}Kontrollera att boxen når adressen \
             för anslutning, eller koppla in den på nytt med en kod."
        ),
        format!(
            "The box's certificate expires {at} and was not renewed, although it should have been. {en}Check that the box \
             reaches the address for enrolment, or enrol it again with a code."
        ),
    )
}

/// What is said once it was renewed.
#[must_use]
pub fn over(reader: &Reader) -> String {
    reader.lang.pick("Boxens certifikat är förnyat.", "The box's certificate was renewed.").to_owned()
}
