//! A run file made readable.
