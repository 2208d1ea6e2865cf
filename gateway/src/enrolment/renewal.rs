//! Where an agent exchanges the certificate it has for the next: `POST /renew`, over TLS with that certificate.
//!
//! In time, and also after years in a cupboard, when it has long expired: an agent that proves that it has the key of the
//! certificate it was given last gets another, and nothing else. Until it has shown that, the one before is good too, so
//! that an answer that is lost locks nobody out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use hempuls_protocol::enrolment::{Granted, Renewal};
use hempuls_protocol::ids::AgentId;
use rustls::pki_types::CertificateDer;

use super::{Desk, No, no};
use crate::alerts::health::identity::Happened;
use crate::alerts::health::{self, Found};
use crate::changes::Change;
use crate::store::homes::{self, Agent};
use crate::store::{Connection, StoreError, agents, devices, restorations};
use crate::{alerts, clock};

/// The certificate that somebody showed in the handshake, which proves that she has its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    agent: AgentId,
    serial: String,
    from_ms: i64,
    until_ms: i64,
}

impl Shown {
    /// What it says, if it is an agent's.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
        let validity = parsed.validity();
        Some(Self {
            agent: name.parse().ok()?,
            serial: parsed.serial.to_str_radix(16),
            from_ms: validity.not_before.timestamp().saturating_mul(1000),
            until_ms: validity.not_after.timestamp().saturating_mul(1000),
        })
    }

    /// Whether so little of its life is left that another may be had.
    fn is_due(&self, now_ms: i64) -> bool {
        self.until_ms.saturating_sub(now_ms) <= (self.until_ms - self.from_ms) / 2
    }
}

/// `POST /renew`
pub(super) async fn renew(
    State(desk): State<Desk>,
    Extension(shown): Extension<Option<Shown>>,
    Json(renewal): Json<Renewal>,
) -> Result<Json<Granted>, No> {
    let shown = shown.ok_or_else(|| {
        no(StatusCode::UNAUTHORIZED, "Only an agent that shows its certificate can get the next. Enrol it with a code.")
    })?;
    if !desk.pace.admits(&shown.agent, clock::now_ms()) {
        tracing::warn!(agent.id = %shown.agent, "asks too often for a certificate");
        return Err(no(StatusCode::TOO_MANY_REQUESTS, "This agent asks too often. Try again in a few minutes."));
    }
    let result = desk.renew(&shown, &renewal.csr).await;
    if let Err((status, Json(denied))) = &result {
        tracing::warn!(agent.id = %shown.agent, status = status.as_u16(), why = denied.error, "got no certificate");
    }
    result.map(Json)
}

impl Desk {
    async fn renew(&self, shown: &Shown, csr: &str) -> Result<Granted, No> {
        let unstored = |error: StoreError| super::unstored(&error);
        let now_ms = clock::now_ms();
        let mut work = self.store.work().await.map_err(unstored)?;
        let known = homes::find_agents(&mut work, &[&shown.agent]).await.map_err(unstored)?.pop();
        let known = known.ok_or_else(|| no(StatusCode::FORBIDDEN, "The gateway knows no such agent."))?;
        if known.is_revoked {
            return Err(no(
                StatusCode::FORBIDDEN,
                "This agent is revoked. What it still has is listed at the gateway. Ask the care team about it.",
            ));
        }
        let is_known = known.has_certificate(&shown.serial)
            || restorations::adopt(&mut work, &known, &shown.serial).await.map_err(unstored)?;
        if !is_known {
            note(&mut work, &known, Happened::OldCertificate, now_ms).await.map_err(unstored)?;
            work.commit().await.map_err(|error| unstored(error.into()))?;
            self.changes.tell([Change::WorkList]);
            return Err(no(
                StatusCode::FORBIDDEN,
                "This certificate was replaced by another, which was used. Is this an old copy of the agent's state? \
                 Enrol it again with a fresh code (hempuls-gateway home code).",
            ));
        }
        if !shown.is_due(now_ms) {
            return Err(no(
                StatusCode::CONFLICT,
                "More than half of this certificate's life is left, so there is none to be had yet.",
            ));
        }
        let issued = self.certify(&shown.agent, csr, now_ms)?;
        agents::has_shown(&mut work, &shown.agent, &shown.serial).await.map_err(unstored)?;
        agents::renew(&mut work, &shown.agent, &issued.serial, issued.expires_ms).await.map_err(unstored)?;
        let has_expired = shown.until_ms < now_ms;
        if has_expired {
            let happened = Happened::CameBack { expired_ms: shown.until_ms };
            note(&mut work, &known, happened, now_ms).await.map_err(unstored)?;
        }
        work.commit().await.map_err(|error| unstored(error.into()))?;
        if has_expired {
            self.changes.tell([Change::WorkList]);
            tracing::warn!(agent.id = %shown.agent, "is back with an expired certificate, and was given another");
        } else {
            tracing::info!(agent.id = %shown.agent, "was given its next certificate");
        }
        Ok(self.granted(&shown.agent, issued))
    }
}

/// Tells whoever looks after the boxes.
async fn note(work: &mut Connection, agent: &Agent, happened: Happened, now_ms: i64) -> Result<(), StoreError> {
    let has_button = devices::has_button(work, &agent.home).await?;
    let concern = health::concern(agent.id.as_str(), &agent.home, has_button, Found::Identity(happened));
    alerts::raise(work, &concern, now_ms).await
}

/// How often one agent may ask.
const MOST: usize = 30;
const WITHIN_MS: i64 = 10 * 60_000;

/// Who asked when. Only agents that have shown a certificate of ours stand here, so there are never more than there are
/// agents.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<AgentId, Vec<i64>>>);

impl Pace {
    fn admits(&self, agent: &AgentId, now_ms: i64) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_agent = asked.entry(agent.clone()).or_default();
        of_agent.retain(|at| now_ms.abs_diff(*at) < WITHIN_MS.unsigned_abs());
        let admits = of_agent.len() < MOST;
        if admits {
            of_agent.push(now_ms);
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_can_be_had_once_half_of_the_one_before_is_over_and_for_ever_after() {
        let day = 24 * 60 * 60 * 1000;
        let agent = AgentId::from_random([1; 10]);
        let shown = Shown { agent, serial: "1".into(), from_ms: 0, until_ms: 100 * day };
        for (at, is_due) in [(0, false), (49 * day, false), (50 * day, true), (100 * day, true), (830 * day, true)] {
            assert_eq!(shown.is_due(at), is_due, "{at}");
        }
    }

    #[test]
    fn who_asks_too_often_waits_and_keeps_nobody_else_waiting() {
        let (pace, now) = (Pace::default(), 1_800_000_000_000);
        let [ada, bea] = [1, 2].map(|n| AgentId::from_random([n; 10]));
        for _ in 0..MOST {
            assert!(pace.admits(&ada, now));
        }
        assert!(!pace.admits(&ada, now + WITHIN_MS / 2));
        assert!(pace.admits(&bea, now));
        assert!(pace.admits(&ada, now + WITHIN_MS));
    }
}
