//! Every test vector beside the codecs, through the program an installer uses.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

#[test]
fn every_vector_decodes_as_its_contract_says() {
    let vectors = vectors();
    assert!(vectors.len() >= 352, "only {} vectors were found", vectors.len());
    let captures: String = vectors.iter().map(|vector| format!("{vector}\n")).collect();

    let answers = decode(&[], captures.as_bytes());

    assert!(answers.status.success());
    let answers: Vec<Value> = lines(&answers);
    assert_eq!(answers.len(), vectors.len());
    let wrong: Vec<String> = vectors
        .iter()
        .zip(&answers)
        .filter(|(vector, answer)| answer["id"] != vector["id"] || !keeps(&vector["expect"], &answer["result"]))
        .map(|(vector, answer)| {
            format!("{}:\n  expected {}\n  got      {}", vector["id"], vector["expect"], answer["result"])
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} vectors\n{}", wrong.len(), vectors.len(), wrong.join("\n"));
}

#[test]
fn a_kind_nobody_knows_and_a_line_that_is_no_json_are_answered() {
    let answers = decode(
        &[],
        b"{\"id\":1,\"uuid\":\"2aff\",\"hex\":\"00\"}\n{\"id\":2,\n{\"id\":3,\"uuid\":\"2a19\",\"hex\":\"64\"}\n",
    );

    assert!(answers.status.success());
    assert_eq!(
        lines(&answers),
        [
            json!({"id": 1, "result": "error"}),
            json!({"id": null, "result": "error"}),
            json!({"id": 3, "result": {"percent": 100, "warnings": []}}),
        ]
    );
    assert!(String::from_utf8_lossy(&answers.stderr).contains("line 2"));
}

#[test]
fn an_installer_pastes_a_capture_and_sees_what_it_means() {
    let explained = decode(&["2a35", "16:7c:00:56:00:61:00:e8:07:06:0f:11:11:1b:33:00:08:00"], b"");

    assert!(explained.status.success());
    let text = String::from_utf8(explained.stdout).expect("it is text");
    for part in ["124 mmHg", "86 mmHg", "2024-06-15 17:17:27", "the pulse was above its upper limit", "usable"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn a_payload_that_is_cut_is_refused_with_the_field_that_is_missing() {
    let refused = decode(&["2a35", "167c00"], b"");

    assert!(!refused.status.success());
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(reason.contains("diastolic"), "{reason}");
}

/// The same but for how numbers are written, as 95 or 95.0.
fn keeps(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Number(expected), Value::Number(got)) => {
            let (expected, got) = (expected.as_f64().unwrap_or(f64::NAN), got.as_f64().unwrap_or(f64::NAN));
            (expected - got).abs() <= 1e-9 * expected.abs().clamp(1e-9, 1.0)
        }
        (Value::Object(expected), Value::Object(got)) => {
            expected.len() == got.len()
                && expected.iter().all(|(key, value)| got.get(key).is_some_and(|other| keeps(value, other)))
        }
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(value, other)| keeps(value, other))
        }
        _ => expected == got,
    }
}

fn decode(arguments: &[&str], input: &[u8]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_hempuls-sim"))
        .arg("decode")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = program.stdin.take().expect("it was piped");
    let input = input.to_vec();
    // A program that explains its arguments does not read its input.
    let writer = std::thread::spawn(move || stdin.write_all(&input).ok());
    let output = program.wait_with_output().expect("the program ends");
    writer.join().expect("writing does not panic");
    output
}

fn lines(answers: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&answers.stdout).expect("JSON is text");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn vectors() -> Vec<Value> {
    let mut files = Vec::new();
    for folder in ["../protocol/src", "src"] {
        payload_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    }
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).expect("the file can be read");
            serde_json::from_str::<Vec<Value>>(&text).unwrap_or_else(|reason| panic!("{}: {reason}", file.display()))
        })
        .collect()
}

fn payload_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let is_payload = path.parent().is_some_and(|parent| parent.ends_with("payloads"))
            && path.extension().is_some_and(|extension| extension == "json");
        if path.is_dir() {
            payload_files(&path, found);
        } else if is_payload {
            found.push(path);
        }
    }
}
