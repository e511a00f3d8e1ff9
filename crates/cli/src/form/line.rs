//! One line being written: its letters and the place of the next one.

/// A line with a cursor between its letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Line {
    letters: Vec<char>,
    at: usize,
}

/// What can be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stroke {
    Letter(char),
    Left,
    Right,
    Home,
    End,
    Backspace,
    Delete,
    /// Everything away.
    Clear,
}

impl Line {
    /// With the cursor at the end.
    pub(super) fn new(text: &str) -> Line {
        let letters: Vec<char> = text.chars().collect();
        Line {
            at: letters.len(),
            letters,
        }
    }

    pub(super) fn text(&self) -> String {
        self.letters.iter().collect()
    }

    /// Letters before the cursor.
    pub(super) fn before(&self) -> String {
        self.letters[..self.at].iter().collect()
    }

    pub(super) fn on(&mut self, stroke: Stroke) {
        match stroke {
            Stroke::Letter(letter) => {
                self.letters.insert(self.at, letter);
                self.at += 1;
            }
            Stroke::Left => self.at = self.at.saturating_sub(1),
            Stroke::Right => self.at = (self.at + 1).min(self.letters.len()),
            Stroke::Home => self.at = 0,
            Stroke::End => self.at = self.letters.len(),
            Stroke::Backspace if self.at > 0 => {
                self.at -= 1;
                self.letters.remove(self.at);
            }
            Stroke::Delete if self.at < self.letters.len() => {
                self.letters.remove(self.at);
            }
            Stroke::Backspace | Stroke::Delete => {}
            Stroke::Clear => *self = Line::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_where_the_cursor_is() {
        let mut line = Line::new("ac");
        for stroke in [
            Stroke::Left,
            Stroke::Letter('ü'),
            Stroke::Right,
            Stroke::Right,
            Stroke::Home,
            Stroke::Backspace,
            Stroke::Delete,
            Stroke::End,
            Stroke::Delete,
            Stroke::Letter('!'),
        ] {
            line.on(stroke);
        }
        assert_eq!((line.text(), line.before()), ("üc!".into(), "üc!".into()));
        line.on(Stroke::Clear);
        assert_eq!(line.text(), "");
    }
}
