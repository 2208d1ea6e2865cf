//! Keeping the data: backups made while the gateway runs, and put back so that nothing is lost; and room for what must go on
//! when the disk is full.
//!
//! A backup is a folder: the store as it was at one moment, the certificate authority, the token for programs and a list of
//! all that with its digests. It holds people's data and the keys that all boxes trust, unencrypted, for its owner alone:
//! it must be kept as the data folder itself is.

pub mod backup;
pub mod clocks;
pub mod disk;
mod files;
pub mod restore;
pub mod retention;
pub mod schedule;
