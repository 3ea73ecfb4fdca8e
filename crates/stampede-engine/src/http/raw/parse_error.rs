//! What can be wrong with the bytes of an answer.

use stampede_model::failure::FailureKind;
use thiserror::Error;

/// An answer that cannot be taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// The first bytes.
    #[error("the first bytes are no HTTP/1 status line")]
    StatusLine,
    /// A header line.
    #[error("the head of the answer is broken: {0}")]
    Head(httparse::Error),
    /// Too many bytes before the empty line.
    #[error("the head of the answer has more than {} bytes", super::head::HEAD_MAX)]
    HeadTooLarge,
    /// Too many lines.
    #[error("the head of the answer has more than {} headers", super::head::HEADERS_MAX)]
    TooManyHeaders,
    /// A length that is no number.
    #[error("Content-Length is no number of bytes")]
    ContentLength,
    /// Two lengths: two readers may believe two different ones.
    #[error("more than one Content-Length")]
    RepeatedContentLength,
    /// Two framings: likewise.
    #[error("Content-Length beside Transfer-Encoding")]
    LengthAndEncoding,
    /// Transfer codings came with HTTP/1.1.
    #[error("Transfer-Encoding in an answer of HTTP/1.0")]
    EncodingInHttp10,
    /// `chunked` that is not the last coding, or there twice.
    #[error("Transfer-Encoding names `chunked` elsewhere than once at its end")]
    EncodingOrder,
    /// A flood of answers that announce another one.
    #[error("more than {} interim answers", super::parser::INTERIM_MAX)]
    TooManyInterim,
    /// Another protocol, which nobody asked for.
    #[error("the server switched to another protocol")]
    Switching,
    /// The line before a chunk.
    #[error("a chunk without a hexadecimal size")]
    ChunkSize,
    /// A number that no counter holds.
    #[error("a chunk's size has more than 16 digits")]
    ChunkSizeOverflow,
    /// What follows the size.
    #[error("a chunk's extensions are broken or have more than {} bytes", super::chunks::EXTENSIONS_MAX)]
    ChunkExtension,
    /// A line that does not end as it must.
    #[error("a chunk or its size does not end with CR LF")]
    ChunkEnd,
    /// What follows the last chunk.
    #[error("the trailers are broken")]
    Trailers,
    /// Too many bytes of them.
    #[error("the trailers have more than {} bytes", super::head::HEAD_MAX)]
    TrailersTooLarge,
    /// Nothing came.
    #[error("closed before the first byte of an answer")]
    ClosedBefore,
    /// The head is not complete.
    #[error("closed in the head of the answer")]
    ClosedInHead,
    /// The body is not complete.
    #[error("closed in the body")]
    ClosedInBody,
}

impl ParseError {
    /// The kind under which it is counted.
    pub const fn kind(self) -> FailureKind {
        match self {
            Self::StatusLine
            | Self::Head(_)
            | Self::ContentLength
            | Self::RepeatedContentLength
            | Self::LengthAndEncoding
            | Self::EncodingInHttp10
            | Self::EncodingOrder
            | Self::TooManyInterim
            | Self::Switching => FailureKind::Protocol,
            Self::HeadTooLarge | Self::TooManyHeaders | Self::TrailersTooLarge => FailureKind::HeadTooLarge,
            Self::ChunkSize | Self::ChunkSizeOverflow | Self::ChunkExtension | Self::ChunkEnd | Self::Trailers => {
                FailureKind::MalformedChunk
            }
            Self::ClosedBefore | Self::ClosedInHead | Self::ClosedInBody => FailureKind::ClosedEarly,
        }
    }
}
