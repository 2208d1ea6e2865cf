//! The shipped gateway with one more rule, which panics on a systolic pressure of 133 mmHg: a mistake that a rule of
//! ours could have.

use std::process::ExitCode;

use clap::Parser as _;
use hempuls_gateway::alerts::Finding;
use hempuls_gateway::alerts::rules::{Doubt, Facts, Rule, Verdict, Waiting, What};
use hempuls_gateway::cli::Cli;
use hempuls_protocol::observation::{Decimal, Value};

struct Broken;

impl Rule for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn judge(&self, facts: &Facts<'_>) -> Verdict {
        if let What::Reading(observations) = facts.what {
            let fatal = Value::Number(Decimal::whole(133));
            assert!(observations.iter().all(|observation| observation.value != fatal), "as every rule may");
        }
        Verdict::Unsure(Doubt::NotMine)
    }

    fn overdue(&self, _: &Waiting) -> Option<Finding> {
        None
    }

    fn is_over(&self, _: &Waiting, _: i64) -> bool {
        false
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("nobody has installed another provider before main");
    match Cli::parse().run_with(vec![Box::new(Broken)]).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
