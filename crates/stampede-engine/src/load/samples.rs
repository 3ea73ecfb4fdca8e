//! Single answers, for callers that must show each of them.
//!
//! Invariant: at most as many are kept as was asked for; a load run keeps none.

/// How many single answers to keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// None: memory does not grow with the run.
    #[default]
    Nothing,
    /// The first so many: 56 bytes each.
    AtMost(usize),
    /// Of the first so many requests, when each ended and how: 32 bytes each.
    Outcomes(usize),
}

impl Keep {
    /// One thread's part of the bound.
    pub(super) fn part(self, threads: usize) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::AtMost(most) => Self::AtMost(most.div_ceil(threads)),
            Self::Outcomes(most) => Self::Outcomes(most.div_ceil(threads)),
        }
    }
}

/// One complete answer. Times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken up, after the start of the run.
    pub start_ns: u64,
    /// From taking it up to sending it: connecting, if a connection had to be opened.
    pub connect_ns: u64,
    /// From taking it up to the first byte of the answer.
    pub first_byte_ns: u64,
    /// From taking it up to the last byte of the answer.
    pub total_ns: u64,
    /// Length of the body.
    pub body_bytes: u64,
    /// Status code.
    pub status: u16,
    /// Whether the server offered to keep the connection by a header.
    pub kept_alive: bool,
}

/// What the first answer of a run said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAnswer {
    /// Its `Server` header.
    pub server: Option<String>,
    /// Length of its body.
    pub body_bytes: u64,
}
