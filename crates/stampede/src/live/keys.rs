//! What each key of the live view means. Pure.

use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

/// What somebody at the keyboard wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wish {
    /// So many users more, or fewer.
    Users(i32),
    /// The rate times this.
    Rate(f64),
    /// Issue nothing for a while, or go on.
    PauseOrResume,
    /// Issue nothing more, let what is under way finish, report; asked twice: leave.
    Stop,
    /// Show or hide what the keys do.
    Help,
    /// Draw anew: the terminal has another size.
    Redraw,
}

/// Step of the rate.
const RATE_STEP: f64 = 1.1;

/// The keys, for the foot of the view.
pub(super) const KEYS: &str = "w/W s/S users   +/- rate   p pause   q stop and report   ? help";

/// The keys, explained.
pub(super) const HELP: [&str; 7] = [
    "w  W     one user more, ten more",
    "s  S     one user less, ten less",
    "+  -     rate up or down by a tenth",
    "p        pause, or go on",
    "q        stop issuing, let requests under way finish, report",
    "Ctrl-C   the same; twice leaves without a report",
    "?        this",
];

/// What an event of the terminal asks for.
pub(super) fn wish(event: &Event) -> Option<Wish> {
    let key = match event {
        Event::Resize(..) => return Some(Wish::Redraw),
        Event::Key(key) if key.kind != KeyEventKind::Release => key,
        _ => return None,
    };
    let KeyCode::Char(char) = key.code else { return None };
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        // In raw mode the terminal sends no signal.
        return (char == 'c').then_some(Wish::Stop);
    }
    match char {
        'w' => Some(Wish::Users(1)),
        'W' => Some(Wish::Users(10)),
        's' => Some(Wish::Users(-1)),
        'S' => Some(Wish::Users(-10)),
        '+' | '=' => Some(Wish::Rate(RATE_STEP)),
        '-' => Some(Wish::Rate(1.0 / RATE_STEP)),
        'p' => Some(Wish::PauseOrResume),
        'q' => Some(Wish::Stop),
        '?' => Some(Wish::Help),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyEvent;

    use super::*;

    fn pressed(char: char, modifiers: KeyModifiers) -> Option<Wish> {
        wish(&Event::Key(KeyEvent::new(KeyCode::Char(char), modifiers)))
    }

    #[test]
    fn keys_are_those_of_other_tools() {
        let plain = |char| pressed(char, KeyModifiers::NONE);
        assert_eq!(plain('w'), Some(Wish::Users(1)));
        assert_eq!(pressed('W', KeyModifiers::SHIFT), Some(Wish::Users(10)));
        assert_eq!(plain('s'), Some(Wish::Users(-1)));
        assert_eq!(pressed('S', KeyModifiers::SHIFT), Some(Wish::Users(-10)));
        assert_eq!(plain('p'), Some(Wish::PauseOrResume));
        assert_eq!((plain('q'), plain('x')), (Some(Wish::Stop), None));
    }

    #[test]
    fn up_and_down_by_a_tenth_come_back_to_the_same_rate() {
        let step = |char| match pressed(char, KeyModifiers::NONE) {
            Some(Wish::Rate(factor)) => factor,
            other => panic!("{char} means {other:?}"),
        };
        assert!((step('+') * step('-') - 1.0).abs() < 1e-12);
    }

    #[test]
    fn control_c_stops_and_no_other_control_key_does_anything() {
        assert_eq!(pressed('c', KeyModifiers::CONTROL), Some(Wish::Stop));
        assert_eq!(pressed('w', KeyModifiers::CONTROL), None);
    }
}
