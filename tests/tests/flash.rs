//! What becomes of the agent's buffer when the power fails or flash gives back other bytes (P1, P2): some of what
//! `hempuls-bench power-cuts` and `hempuls-bench damages` do by the thousand.

use std::path::PathBuf;

use hempuls_tests::damage;
use hempuls_tests::power_cut::{self, Lie};

#[tokio::test]
async fn what_was_promised_is_there_once_wherever_the_power_fails() {
    let options = power_cuts(300);
    println!("seed {}", options.seed);
    let report = power_cut::run(&options, |_| ()).await.unwrap();
    assert!(
        report.harm.is_empty(),
        "{} of {} cuts did harm:\n{}",
        report.harm.len(),
        report.cycles,
        report.harm.join("\n")
    );
    assert_eq!(report.cycles, 300);
}

#[tokio::test]
async fn a_sync_that_is_missing_or_comes_too_late_does_harm_that_is_noticed() {
    let options = power_cuts(600);
    println!("seed {}", options.seed);
    let lies = [Lie::NoSyncOfFiles, Lie::NoSyncOfFolders, Lie::SyncAfterTheWord, Lie::EveryFourthSync];
    let found = power_cut::find_out(&options, &lies).await.unwrap();
    let unnoticed: Vec<Lie> = found.iter().filter(|(_, cuts)| cuts.is_none()).map(|(lie, _)| *lie).collect();
    assert!(unnoticed.is_empty(), "unnoticed: {unnoticed:?}; after so many cuts: {found:?}");
}

#[tokio::test]
async fn the_agent_starts_whatever_its_flash_gives_back_and_says_what_is_gone() {
    let options = damage::Options { program: program(), seed: rand::random(), cycles: 100, keep: None };
    println!("seed {}", options.seed);
    let report = damage::run(&options, |_| ()).await.unwrap();
    assert!(report.harm.is_empty(), "{} of {} did harm:\n{}", report.harm.len(), report.cycles, report.harm.join("\n"));
    assert!(report.whole > 0 && report.salvaged > 0, "{report:?}");
}

fn power_cuts(cycles: u32) -> power_cut::Options {
    power_cut::Options {
        program: program(),
        seed: rand::random(),
        cycles,
        cuts_of_a_life: 100,
        steps_of_a_life: 60,
        lie: None,
        keep: None,
    }
}

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_hempuls-bench").into()
}
