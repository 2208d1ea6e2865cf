//! One captured payload, or a sequence of them, and what is known about the device.

use hempuls_protocol::devices::alarm_button::{Enrolled, Frame, ReplayGuard, Verdict, packet_is_newer};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::shape;

/// A line of input.
#[derive(Debug, Deserialize)]
pub(super) struct Capture {
    uuid: String,
    hex: Payload,
    #[serde(default)]
    ctx: Option<Circumstances>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Payload {
    One(String),
    Several(Vec<String>),
}

/// What a decoder needs besides the payload.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Circumstances {
    /// The enrolled address of a button.
    pub(super) mac: Option<String>,
    /// The key of a button.
    pub(super) bindkey: Option<String>,
    /// Whether the last segment of a stored record ends in a checksum.
    #[serde(default)]
    pub(super) e2e_crc: bool,
}

impl Circumstances {
    /// What is known of a button.
    ///
    /// # Errors
    /// When address or key are mistyped: a button with a bad key must not be taken for one without.
    pub(super) fn enrolled(&self) -> anyhow::Result<Enrolled> {
        Ok(Enrolled {
            address: self.mac.as_deref().map(str::parse).transpose()?,
            key: self.bindkey.as_deref().map(str::parse).transpose()?,
        })
    }
}

impl Capture {
    /// The decoded payload, or `None` if it must be refused.
    pub(super) fn decode(self) -> Option<Json> {
        let circumstances = self.ctx.unwrap_or_default();
        match (self.uuid.as_str(), self.hex) {
            ("fcd2:sequence", Payload::Several(frames)) => {
                let enrolled = circumstances.enrolled().ok()?;
                let mut listener = Listener::default();
                Some(frames.iter().map(|frame| json!(listener.hear(frame, &enrolled))).collect())
            }
            ("fcd2:sequence", Payload::One(_)) | (_, Payload::Several(_)) => None,
            (uuid, Payload::One(payload)) => shape::decode(uuid, &hex::decode(payload).ok()?, &circumstances).ok(),
        }
    }
}

/// Hears the frames of one button, one after the other and within the 4 s that repeats on air may take.
#[derive(Debug, Default)]
struct Listener {
    guard: ReplayGuard,
    last_packet: Option<u8>,
}

impl Listener {
    fn hear(&mut self, frame: &str, enrolled: &Enrolled) -> &'static str {
        let service_data = hex::decode(frame).ok();
        let Some(Ok(contents)) = service_data.and_then(|bytes| Some(Frame::decode(&bytes).ok()?.open(enrolled))) else {
            return "error";
        };
        let verdict = match (contents.counter, contents.packet_id()) {
            (Some(counter), _) => self.guard.admit(counter),
            (None, Some(packet_id)) => {
                let newer = self.last_packet.is_none_or(|last| packet_is_newer(last, packet_id));
                if newer {
                    self.last_packet = Some(packet_id);
                }
                if newer { Verdict::Accept } else { Verdict::Replay }
            }
            (None, None) => Verdict::Accept,
        };
        match verdict {
            Verdict::Accept => "accept",
            Verdict::Replay => "replay",
        }
    }
}
