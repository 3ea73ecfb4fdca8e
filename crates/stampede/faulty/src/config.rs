//! What a server is started with besides its bug.

use std::time::Duration;

/// How a user's calls are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowKind {
    /// At most so many calls in any interval as long as the window.
    #[default]
    Sliding,
    /// A window begins with the first call after the last one ended.
    Fixed,
}

/// Limits and times of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Calls of `GET /limited` a user has in a window.
    pub limit: usize,
    /// How long a window is.
    pub window: Duration,
    /// How it moves.
    pub kind: WindowKind,
    /// Longest pause where a real system would talk to its database; each pause is drawn between nothing and this.
    pub longest_pause: Duration,
    /// How long a job may stay with a worker before another gets it.
    pub redelivery: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limit: 20,
            window: Duration::from_secs(1),
            kind: WindowKind::Sliding,
            longest_pause: Duration::from_millis(2),
            redelivery: Duration::from_millis(200),
        }
    }
}
