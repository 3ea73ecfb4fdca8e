//! CSV as RFC 4180 has it: files taken apart row by row as they come ([`split`]), and rows put together ([`write`], of whole pages [`table`]).

pub mod split;
pub mod table;
pub mod write;
