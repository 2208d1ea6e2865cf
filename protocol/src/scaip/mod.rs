//! SCAIP: what alarm units and alarm receiving centres say to each other, in the body of a SIP MESSAGE.
//!
//! A request (`mrq`) tells of an alarm or of the unit itself, an answer (`mrs`) says whether that was understood. Reading
//! is tolerant: elements come in any order, numbers with or without leading zeros, elements that nobody knows are left
//! out and named, and a code that nobody knows stays a number. What is written keeps to the patterns of the schema.
//! A request that cannot be read may still be an alarm: [`controllers`] finds whose unit sent it.
//!
//! Nothing outside the body is ever read: a body with a document type is not parsed at all, and of entities only the five
//! that XML itself names are known.
//!
//! Source: SS 91100:2014 and CLC/TS 50134-9:2018 as far as public code shows them: caruhome/scaip-gateway, the schema of
//! GermanBlas/SCAIP-TFG, the enumerations of Syntilio/Datahub-Scaip-Proxy. The standards themselves were not used.

mod answer;
mod document;
mod request;
mod values;

pub use answer::{Answer, Status};
pub use request::{Heard, MessageType, Position, Refused, Request, controllers};
pub use values::{Against, Code, ControllerId, Digit, Reference, SentDevice, Text, Version};

/// The media type of both bodies. Units also send `application/xml` and `text/plain`.
pub const MEDIA_TYPE: &str = "application/scaip+xml";

/// The largest body that is read.
pub const LARGEST: usize = 8 * 1024;

/// Why a body is not read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// It has a document type or declares entities: it is dropped without an answer.
    #[error("the body declares a document type")]
    DocumentType,
    /// It is larger than [`LARGEST`].
    #[error("the body has {0} bytes, more than {LARGEST}")]
    TooLong(usize),
    /// It is not well-formed XML in UTF-8, or has another form than a request or an answer.
    #[error("the body cannot be read: {0}")]
    Malformed(&'static str),
    /// An element is there twice.
    #[error("there are several {0}")]
    Repeated(&'static str),
    /// An element that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value breaks the pattern of its element.
    #[error("{0} has a value it cannot have")]
    Pattern(&'static str),
}

impl Fault {
    /// What the unit is answered; `None`: nothing.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::DocumentType => None,
            Self::TooLong(_) => Some(Status::TOO_LONG),
            Self::Malformed(_) | Self::Repeated(_) => Some(Status::INVALID_FORMAT),
            Self::Missing(_) => Some(Status::TAG_MISSING),
            Self::Pattern(_) => Some(Status::WRONG_DATA),
        }
    }
}
