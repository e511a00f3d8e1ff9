//! The terminal: keys in, cells out, and everything as it was when the form is over, however it ends.

use std::io::{self, Stdout, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use crossterm::style::{
    Attribute, Color as Ink, Print, ResetColor, SetAttribute, SetForegroundColor,
};
use crossterm::terminal::{
    Clear, ClearType as Part, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use crossterm::{execute, queue};
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::{Position, Rect};
use ratatui_core::style::{Color, Modifier};
use ratatui_core::text::Line as Text;

use super::draw::draw;
use super::state::{Form, Next, Press};
use crate::failure::Failure;

/// Shows the form until it is over; the form if it is to be kept.
pub(super) fn show(mut form: Form) -> Result<Option<Form>, Failure> {
    let failed =
        |error: io::Error| Failure::failed("cannot use this terminal for a form").because(error);
    let mut screen = Screen::open().map_err(failed)?;
    loop {
        screen.paint(&form).map_err(failed)?;
        let press = match read().map_err(failed)? {
            Event::Key(key) => press(key),
            Event::Resize(..) => {
                screen.shown = None;
                None
            }
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
        };
        match press.map(|press| form.on(press)) {
            Some(Next::Save) => return Ok(Some(form)),
            Some(Next::Leave) => return Ok(None),
            Some(Next::Stay) | None => {}
        }
    }
}

/// What a key means to the form.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a terminal has more keys than a form"
)]
fn press(key: KeyEvent) -> Option<Press> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alone = !key.modifiers.contains(KeyModifiers::ALT);
    Some(match key.code {
        KeyCode::Char('s') if control => Press::Save,
        KeyCode::Char('c') if control => Press::Quit,
        KeyCode::Char('u') if control => Press::Clear,
        KeyCode::Char(letter) if alone && !control => Press::Letter(letter),
        KeyCode::Up => Press::Up,
        KeyCode::Down => Press::Down,
        KeyCode::Left => Press::Left,
        KeyCode::Right => Press::Right,
        KeyCode::Tab => Press::Tab,
        KeyCode::BackTab => Press::BackTab,
        KeyCode::Enter => Press::Enter,
        KeyCode::Esc => Press::Escape,
        KeyCode::Backspace => Press::Backspace,
        KeyCode::Delete => Press::Delete,
        KeyCode::Home => Press::Home,
        KeyCode::End => Press::End,
        _ => return None,
    })
}

/// The terminal while a form is on it.
struct Screen {
    out: Stdout,
    /// What stands on it; `None` where nobody knows.
    shown: Option<Buffer>,
}

impl Screen {
    fn open() -> io::Result<Screen> {
        enable_raw_mode()?;
        let mut screen = Screen {
            out: io::stdout(),
            shown: None,
        };
        execute!(screen.out, EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    fn paint(&mut self, form: &Form) -> io::Result<()> {
        let (width, height) = size()?;
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let cursor = draw(form, &mut buffer);
        let before = match self.shown.take().filter(|shown| shown.area == area) {
            Some(shown) => shown,
            None => {
                queue!(self.out, Clear(Part::All))?;
                Buffer::empty(area)
            }
        };
        queue!(self.out, Hide)?;
        for y in 0..height {
            let same = (0..width).all(|x| before[(x, y)] == buffer[(x, y)]);
            if !same {
                self.line(&buffer, y)?;
            }
        }
        if let Some(Position { x, y }) = cursor {
            queue!(self.out, MoveTo(x, y), Show)?;
        }
        self.shown = Some(buffer);
        self.out.flush()
    }

    /// A whole line: few enough letters, and nothing of what was there before is left between them.
    fn line(&mut self, buffer: &Buffer, y: u16) -> io::Result<()> {
        queue!(self.out, MoveTo(0, y))?;
        let mut last = None;
        let mut covered = 0;
        for cell in (0..buffer.area.width).map(|x| &buffer[(x, y)]) {
            // The second half of a wide letter has been written with the first.
            if covered > 0 {
                covered -= 1;
                continue;
            }
            covered = Text::raw(cell.symbol()).width().saturating_sub(1);
            let look = (cell.fg, cell.modifier);
            if last != Some(look) {
                queue!(self.out, SetAttribute(Attribute::Reset), ResetColor)?;
                for (wanted, attribute) in [
                    (Modifier::BOLD, Attribute::Bold),
                    (Modifier::REVERSED, Attribute::Reverse),
                    (Modifier::UNDERLINED, Attribute::Underlined),
                ] {
                    if cell.modifier.contains(wanted) {
                        queue!(self.out, SetAttribute(attribute))?;
                    }
                }
                if let Some(ink) = ink(cell.fg) {
                    queue!(self.out, SetForegroundColor(ink))?;
                }
                last = Some(look);
            }
            queue!(self.out, Print(cell.symbol()))?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = execute!(
            self.out,
            SetAttribute(Attribute::Reset),
            ResetColor,
            Show,
            LeaveAlternateScreen
        );
        let _ = disable_raw_mode();
    }
}

/// The few colours `draw` uses.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a terminal has more colours than a form"
)]
fn ink(colour: Color) -> Option<Ink> {
    Some(match colour {
        Color::DarkGray => Ink::DarkGrey,
        Color::Cyan => Ink::DarkCyan,
        Color::Red => Ink::DarkRed,
        Color::Yellow => Ink::DarkYellow,
        _ => return None,
    })
}
