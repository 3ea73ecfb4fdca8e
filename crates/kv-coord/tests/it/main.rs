//! The suites, on each back end.
