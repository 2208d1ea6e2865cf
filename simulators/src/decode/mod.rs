//! `hempuls-sim decode`: what a captured payload means.
//!
//! Without arguments it reads captures as JSON lines and answers each with a line of its own, in the shape of the test
//! vectors beside the codecs (`protocol/src/devices/*/payloads/`). With a kind and a payload it explains that one in
//! words, for the person who installs a device.

mod capture;
mod explain;
pub(crate) mod omron;
mod shape;

use std::io::{self, BufRead, Write};

use anyhow::{Context, bail};
use serde_json::{Value as Json, json};

use capture::{Capture, Circumstances};

/// Decode payloads that devices sent.
///
/// Without arguments, JSON lines {"id":…,"uuid":…,"hex":…,"ctx":…} are read from standard input.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What kind of payload it is: a characteristic such as 2a35 or 2a35:beurer, fcd2 for a BTHome button, or a vendor's
    /// own: nonin, berrymed, yonker, microlife, microlife:record, omron:14le, omron:14be; scaip:mrq for the message of an
    /// alarm unit, personnummer for a person's number
    #[arg(requires = "hex")]
    uuid: Option<String>,
    /// The payload in hexadecimal digits, first byte on the wire first; spaces, colons and dashes are skipped
    hex: Option<String>,
    /// The address of the button, for an encrypted frame
    #[arg(long, requires = "hex")]
    mac: Option<String>,
    /// The key of the button, for an encrypted frame
    #[arg(long, requires = "hex")]
    bindkey: Option<String>,
    /// The cuff adds end-to-end checksums to its records (2b36)
    #[arg(long, requires = "hex")]
    e2e_crc: bool,
}

/// Decodes what the arguments or standard input hold.
///
/// # Errors
/// When standard input or output fails, or the one payload in the arguments cannot be read. A payload among JSON lines
/// that cannot be read is an answer, not an error.
pub fn run(args: Args) -> anyhow::Result<()> {
    match (args.uuid, args.hex) {
        (Some(uuid), Some(hex)) => {
            let circumstances = Circumstances { mac: args.mac, bindkey: args.bindkey, e2e_crc: args.e2e_crc };
            explain_one(&uuid, &hex, circumstances)
        }
        _ => answer_lines(io::stdin().lock(), io::stdout().lock()),
    }
}

fn explain_one(uuid: &str, hex: &str, circumstances: Circumstances) -> anyhow::Result<()> {
    let digits: String = hex.chars().filter(|c| !c.is_whitespace() && !matches!(c, ':' | '-')).collect();
    let payload = hex::decode(digits).context("the payload is not in hexadecimal digits")?;
    let uuid = uuid.to_lowercase();
    let uuid = uuid.trim_start_matches("0x");
    match shape::decode(uuid, &payload, &circumstances) {
        Ok(result) => {
            print!("{}", explain::in_words(uuid, &payload, &result));
            Ok(())
        }
        Err(reason) => bail!("{}: {reason}", explain::name(uuid)),
    }
}

/// Answers each line as soon as it was read, so that the program can be talked to through a pipe.
fn answer_lines(captures: impl BufRead, mut answers: impl Write) -> anyhow::Result<()> {
    for (number, line) in (1..).zip(captures.split(b'\n')) {
        let line = line.context("reading standard input")?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        serde_json::to_writer(&mut answers, &answer(number, &line))?;
        answers.write_all(b"\n").and_then(|()| answers.flush()).context("writing to standard output")?;
    }
    Ok(())
}

fn answer(number: u64, line: &[u8]) -> Json {
    let parsed: Json = match serde_json::from_slice(line) {
        Ok(parsed) => parsed,
        Err(reason) => {
            eprintln!("line {number} is not JSON: {reason}");
            return json!({"id": null, "result": "error"});
        }
    };
    let id = parsed.get("id").cloned().unwrap_or_default();
    let result = match serde_json::from_value::<Capture>(parsed) {
        Ok(capture) => capture.decode(),
        Err(reason) => {
            eprintln!("line {number} is no capture: {reason}");
            None
        }
    };
    json!({"id": id, "result": result.unwrap_or_else(|| json!("error"))})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_json_does_not_stop_the_next() {
        let captures =
            "nonsense\n\n{\"id\":7,\"uuid\":\"2a19\",\"hex\":\"64\"}\n{\"id\":8,\"uuid\":\"1234\",\"hex\":\"64\"}";
        let mut answers = Vec::new();

        answer_lines(captures.as_bytes(), &mut answers).expect("memory can be read and written");

        let answers = String::from_utf8(answers).expect("JSON is text");
        assert_eq!(
            answers.lines().collect::<Vec<_>>(),
            [
                r#"{"id":null,"result":"error"}"#,
                r#"{"id":7,"result":{"percent":100,"warnings":[]}}"#,
                r#"{"id":8,"result":"error"}"#,
            ]
        );
    }

    #[test]
    fn a_capture_that_lacks_something_is_an_error_under_its_id() {
        for capture in [
            r#"{"id":"x","uuid":"2a19"}"#,
            r#"{"id":"x","hex":"64"}"#,
            r#"{"id":"x","uuid":"2a19","hex":"6"}"#,
            r#"{"id":"x","uuid":"2a19","hex":["64"]}"#,
            r#"{"id":"x","uuid":"fcd2:sequence","hex":"44"}"#,
            r#"{"id":"x","uuid":"fcd2","hex":"4400013a01","ctx":{"bindkey":"short"}}"#,
        ] {
            assert_eq!(answer(1, capture.as_bytes()), json!({"id": "x", "result": "error"}), "{capture}");
        }
    }
}
