//! What travels over MQTT: topics, and the messages on them as CBOR (RFC 8949) with integer keys.
//!
//! The schema is `hempuls.cddl` beside this file; `samples/` holds one message of each kind and version, never edited.

pub mod envelope;
pub mod feedback;
pub mod heartbeat;
pub mod home_config;
pub mod receipt;
pub mod topic;

use minicbor::{Decode, Decoder};

/// The version of every message this crate writes.
pub const VERSION: u8 = 1;

/// Reads one value that fills `bytes` to the last one.
///
/// # Errors
/// When the bytes are no such value, or more bytes follow it.
pub fn decode_whole<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, minicbor::decode::Error> {
    let mut decoder = Decoder::new(bytes);
    let value = decoder.decode()?;
    if decoder.position() != bytes.len() {
        return Err(minicbor::decode::Error::message("bytes follow the message"));
    }
    Ok(value)
}
