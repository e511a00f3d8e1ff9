//! A form as cells of a screen. Cuts what does not fit; a page longer than the screen follows the row that is chosen.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::{Position, Rect};
use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::text::Line as Text;

use super::state::{Form, Message, Mode, Row};
use super::tabs::TABS;

/// Columns of the labels.
const LABEL: u16 = 20;
/// Lines below the fields: a rule, what it is for, what it takes, a message, the keys.
const BELOW: u16 = 6;
const KEYS: &str = "↑↓ setting  ←→ page  Enter write  Space next  Del default  ^S save  Esc leave";
const WRITING: &str = "Enter set  Esc leave as it was  ^U clear  ^S set and save";
const LEAVING: &str = "y leave without saving  s save  Esc go on";

/// Draws the form; tells where the cursor stands, if it shows.
pub(super) fn draw(form: &Form, buffer: &mut Buffer) -> Option<Position> {
    let area = buffer.area;
    let dim = Style::new().fg(Color::DarkGray);
    put(
        buffer,
        1,
        0,
        &form.title(),
        Style::new().add_modifier(Modifier::BOLD),
    );
    let top = tabs(form, buffer) + 1;
    let rows = form.rows();
    let room = area.height.saturating_sub(top + BELOW);
    let first = (form.row + 1).saturating_sub(usize::from(room));
    let mut cursor = None;
    for (at, row) in rows.iter().enumerate().skip(first).take(usize::from(room)) {
        let y = top + u16::try_from(at - first).unwrap_or(u16::MAX);
        let chosen = at == form.row;
        let found = field(form, row, y, chosen, buffer);
        cursor = cursor.or(found);
    }
    below(form, area, dim, buffer);
    cursor
}

/// The names of all pages, over as many lines as they need; the line after them.
fn tabs(form: &Form, buffer: &mut Buffer) -> u16 {
    let (mut x, mut y) = (1, 1);
    for (at, tab) in TABS.iter().enumerate() {
        let name = format!(" {} ", tab.name);
        let width = u16::try_from(Text::raw(&*name).width()).unwrap_or(u16::MAX);
        if x + width >= buffer.area.width && x > 1 {
            (x, y) = (1, y + 1);
        }
        let style = match at == form.tab {
            true => Style::new().add_modifier(Modifier::REVERSED),
            false => Style::new(),
        };
        put(buffer, x, y, &name, style);
        x += width;
    }
    y + 1
}

fn field(form: &Form, row: &Row, y: u16, chosen: bool, buffer: &mut Buffer) -> Option<Position> {
    let marked = match chosen {
        true => Style::new().fg(Color::Cyan),
        false => Style::new(),
    };
    if chosen {
        put(buffer, 0, y, "▸", marked);
    }
    put(buffer, 2, y, &row.label, marked);
    let x = 2 + LABEL;
    let room = buffer.area.width.saturating_sub(x + 1);
    if let Mode::Writing(line) = &form.mode
        && chosen
    {
        // The end of what stands before the cursor always shows.
        let before = Text::raw(line.before()).width();
        let hidden = before.saturating_sub(usize::from(room.saturating_sub(1)));
        let shown: String = line.text().chars().skip(hidden).collect();
        put(
            buffer,
            x,
            y,
            &shown,
            Style::new().add_modifier(Modifier::UNDERLINED),
        );
        let column = u16::try_from(before - hidden).unwrap_or(u16::MAX);
        return Some(Position::new(x.saturating_add(column), y));
    }
    let dim = Style::new().fg(Color::DarkGray);
    match &row.value {
        // Values over several lines are shown on one.
        Some(value) => put(buffer, x, y, &value.replace(['\r', '\n'], " "), marked),
        None => put(buffer, x, y, &row.default, dim),
    }
    None
}

fn below(form: &Form, area: Rect, dim: Style, buffer: &mut Buffer) {
    let Some(y) = area.height.checked_sub(BELOW) else {
        return;
    };
    put(buffer, 0, y, &"─".repeat(usize::from(area.width)), dim);
    let (what, takes) = form.help();
    let width = usize::from(area.width.saturating_sub(2)).max(1);
    for (at, line) in wrapped(&what, width).iter().take(2).enumerate() {
        put(buffer, 1, y + 1 + u16::from(at == 1), line, Style::new());
    }
    put(buffer, 1, y + 3, &takes, dim);
    match (&form.message, &form.mode) {
        (Message::Fault(fault), _) => put(buffer, 1, y + 4, fault, Style::new().fg(Color::Red)),
        (Message::None, Mode::Leaving) => {
            let text = "there are changes that are not saved";
            put(buffer, 1, y + 4, text, Style::new().fg(Color::Yellow));
        }
        (Message::None, Mode::Choosing | Mode::Writing(_)) => {}
    }
    let keys = match form.mode {
        Mode::Choosing => KEYS,
        Mode::Writing(_) => WRITING,
        Mode::Leaving => LEAVING,
    };
    put(buffer, 1, y + 5, keys, dim);
}

/// The text in lines of at most `width` letters, parted between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().map_or(0, |line| line.chars().count());
        let fits = last == 0 || last + 1 + word.chars().count() <= width;
        match lines.last_mut() {
            Some(line) if fits => {
                if last > 0 {
                    line.push(' ');
                }
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Text on one line, cut at the edge.
fn put(buffer: &mut Buffer, x: u16, y: u16, text: &str, style: Style) {
    let area = buffer.area;
    if y < area.height && x < area.width {
        buffer.set_stringn(x, y, text, usize::from(area.width - x), style);
    }
}
