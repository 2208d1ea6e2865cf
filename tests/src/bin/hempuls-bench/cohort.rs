//! What a cohort shows.

use anyhow::{Result, ensure};
use hempuls_tests::cohort::{self, Options};

/// So many alerts a patient and day at most.
const MOST_PER_PATIENT_DAY: f64 = 0.10;

pub(crate) fn run(options: &Options) -> Result<()> {
    let Options { seed, people, days, closed_after_hours, .. } = options;
    println!("seed {seed}, {people} people, {days} days, cases closed {closed_after_hours} h after they last rang");
    let report = cohort::run(options, |done| {
        if done % 50 == 0 {
            eprint!("\r{done} people ");
        }
    })?;
    eprintln!();
    print!("{}", report.say());
    let (rate, missed) = (report.per_patient_day(), report.missed());
    println!("| cohort, alerts per patient-day | {rate:.4} | ≤ {MOST_PER_PATIENT_DAY:.2} |");
    println!("| cohort, planted events missed | {missed} of {} | 0 |", report.planted(false));
    println!("| cohort, slow changes missed | {} of {} | – |", report.missed_slow(), report.planted(true));
    ensure!(rate <= MOST_PER_PATIENT_DAY && missed == 0, "the cohort's figures do not hold");
    Ok(())
}
