//! Whether the gateway does its work: what `/readyz` tells whoever watches it.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use crate::http::{State, now};
use crate::proof::pulse::Pulse;

/// Ingest that has not come round for so long does no work.
const INGEST_PATIENCE: Duration = Duration::from_secs(15);
/// How long the store may take to begin a piece of work.
const STORE_PATIENCE: Duration = Duration::from_secs(3);

/// What the parts of the gateway last said of themselves.
#[derive(Debug, Default)]
pub struct Health {
    said: Mutex<Said>,
    pulse: OnceLock<Arc<Pulse>>,
}

#[derive(Debug, Default, Clone)]
struct Said {
    broker_up: bool,
    ingest_came_round: Option<Timestamp>,
    ingest_trouble: Option<String>,
    disk_is_short: bool,
}

impl Health {
    /// The broker takes connections, or does so no longer. Says whether it did before.
    pub fn broker_is_up(&self, up: bool) -> bool {
        self.said(|said| std::mem::replace(&mut said.broker_up, up))
    }

    /// Ingest has come round: it stored what there was, or found nothing to store. Say so at least every five seconds.
    pub fn ingest_came_round(&self, now_ms: i64) {
        self.said(|said| {
            said.ingest_came_round = Timestamp::from_millisecond(now_ms).ok();
            said.ingest_trouble = None;
        });
    }

    /// Ingest could not store what there was, and tries again.
    pub fn ingest_fails(&self, why: &str) {
        self.said(|said| said.ingest_trouble = Some(why.to_owned()));
    }

    /// The disk is nearly full, so that readings are refused, or it is so no longer.
    pub fn disk_is_short(&self, is_short: bool) {
        self.said(|said| said.disk_is_short = is_short);
    }

    /// Whether readings are refused because the disk is nearly full.
    pub fn refuses_readings(&self) -> bool {
        self.said(|said| said.disk_is_short)
    }

    /// The gateway is ready only while its own tests come through.
    pub fn rests_on(&self, pulse: Arc<Pulse>) {
        // Said once, at the start.
        let _ = self.pulse.set(pulse);
    }

    /// The gateway's own tests, where it makes any.
    pub(crate) fn pulse(&self) -> Option<&Pulse> {
        self.pulse.get().map(Arc::as_ref)
    }

    /// Whether what homes say is taken in and stored.
    pub fn takes_in(&self) -> bool {
        self.reasons_against(now()).is_empty()
    }

    /// Whether ingest has begun and not come round since too long: what is heard lies here unstored.
    pub fn ingest_stands_still(&self) -> bool {
        let came_round = self.said(|said| said.ingest_came_round);
        came_round.is_some_and(|at| now() - INGEST_PATIENCE > at)
    }

    fn said<T>(&self, change: impl FnOnce(&mut Said) -> T) -> T {
        change(&mut self.said.lock().expect("nobody panics while holding this"))
    }

    fn reasons_against(&self, now: Timestamp) -> Vec<String> {
        let said = self.said(|said| said.clone());
        let mut reasons = Vec::new();
        if !said.broker_up {
            reasons.push("the broker does not take connections".to_owned());
        }
        if let Some(why) = said.ingest_trouble {
            reasons.push(format!("ingest cannot store: {why}"));
        }
        match said.ingest_came_round {
            None => reasons.push("ingest has not started".to_owned()),
            Some(at) if now - INGEST_PATIENCE > at => {
                reasons.push(format!("ingest has not come round for {} s", now.duration_since(at).as_secs()));
            }
            Some(_) => {}
        }
        reasons
    }
}

/// `GET /healthz`: the process is alive and answers.
pub(crate) async fn alive() -> &'static str {
    "alive\n"
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reasons: Vec<String>,
    warnings: Vec<&'static str>,
}

/// `GET /readyz`: whether a press would be taken, stored, told of and shown now, and if not, why.
pub(crate) async fn ready(Shared(state): Shared<State>) -> Response {
    let mut reasons = state.0.health.reasons_against(now());
    match tokio::time::timeout(STORE_PATIENCE, state.store().work()).await {
        Ok(Ok(_unused)) => {}
        Ok(Err(_)) => reasons.push("the store cannot be written".to_owned()),
        Err(_) => reasons.push(format!("the store has been busy for {} s", STORE_PATIENCE.as_secs())),
    }
    if let Some(pulse) = state.0.health.pulse() {
        match tokio::time::timeout(STORE_PATIENCE, pulse.reason_against(state.store().reader())).await {
            Ok(Ok(reason)) => reasons.extend(reason),
            Ok(Err(_)) | Err(_) => reasons.push("the store cannot be read".to_owned()),
        }
    }
    let disk =
        "the disk is nearly full: readings are refused, and boxes keep them; alarms are taken while the reserve lasts";
    let warnings = state.0.health.refuses_readings().then_some(disk).into_iter().collect();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(Readiness { ready: reasons.is_empty(), reasons, warnings })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_takes_nothing_in_says_why() {
        let health = Health::default();
        let start: Timestamp = "2026-11-22T02:00:00Z".parse().expect("a time");
        assert_eq!(health.reasons_against(start), ["the broker does not take connections", "ingest has not started"]);

        health.broker_is_up(true);
        health.ingest_came_round(start.as_millisecond());
        assert!(health.reasons_against(start + Duration::from_secs(15)).is_empty());
        assert_eq!(health.reasons_against(start + Duration::from_secs(16)), ["ingest has not come round for 16 s"]);

        health.ingest_fails("disk full");
        assert_eq!(health.reasons_against(start), ["ingest cannot store: disk full"]);
        health.ingest_came_round(start.as_millisecond());
        assert!(health.reasons_against(start).is_empty());
    }
}
