//! What is asked for at a Record Access Control Point (0x2A52), and what it answers.
//!
//! Source: Bluetooth SIG, GATT Specification Supplement, "Record Access Control Point".

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    First,
    Last,
}

/// What it indicates when it is done, or does not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Count(u16),
    Response { request: u8, result: u8 },
}

const REPORT: u8 = 1;
const ABORT: u8 = 3;
const REPORT_NUMBER: u8 = 4;
const ALL: u8 = 1;
const FIRST: u8 = 5;
const LAST: u8 = 6;
const SUCCESS: u8 = 1;
const OP_NOT_SUPPORTED: u8 = 2;
const OPERATOR_NOT_SUPPORTED: u8 = 4;
const NO_RECORDS: u8 = 6;

impl Answer {
    /// All that was wanted was sent.
    pub(super) const REPORTED: Self = Self::Response { request: REPORT, result: SUCCESS };

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Count(count) => [&[5, 0][..], &count.to_le_bytes()].concat(),
            Self::Response { request, result } => vec![6, 0, *request, *result],
        }
    }
}

/// What a request wants, or what it is answered at once, by a device that keeps so many records.
pub(super) fn parse(request: &[u8], count: usize) -> Result<Wanted, Answer> {
    let respond = |request, result| Err(Answer::Response { request, result });
    match *request {
        [REPORT, ALL | FIRST | LAST, ..] if count == 0 => respond(REPORT, NO_RECORDS),
        [REPORT, ALL, ..] => Ok(Wanted::All),
        [REPORT, FIRST, ..] => Ok(Wanted::First),
        [REPORT, LAST, ..] => Ok(Wanted::Last),
        [REPORT_NUMBER, ALL, ..] => Err(Answer::Count(u16::try_from(count).unwrap_or(u16::MAX))),
        [ABORT, ..] => respond(ABORT, SUCCESS),
        [request @ (REPORT | REPORT_NUMBER), ..] => respond(request, OPERATOR_NOT_SUPPORTED),
        [request, ..] => respond(request, OP_NOT_SUPPORTED),
        [] => respond(0, OP_NOT_SUPPORTED),
    }
}
