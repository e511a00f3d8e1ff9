//! A timeline as a picture: one bar per service, light while it waits, dark while it starts; the critical chain in red.
//!
//! Plain SVG 1.1 without scripts or fonts of its own, so that every browser and every report shows it.

use crate::timeline::{Bar, Timeline};
use crate::words;

const WIDTH: u64 = 1000;
const LEFT: u64 = 10;
const ROW: u64 = 24;
const TOP: u64 = 50;
const CHART: u64 = WIDTH - 2 * LEFT;
/// Lines of the grid, at most.
const LINES: u64 = 10;

/// The whole picture.
pub(crate) fn draw(timeline: &Timeline) -> String {
    let chain: Vec<&str> = timeline
        .critical_chain()
        .iter()
        .map(|bar| bar.service.as_str())
        .collect();
    let height = TOP + ROW * timeline.bars.len() as u64 + 20;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    svg.push_str(&format!(
        "<text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{} ready after {}</text>\n",
        words::count(timeline.bars.len() as u64, "service", "services"),
        words::duration_nanos(timeline.total),
    ));
    svg.push_str(&grid(timeline.total, height));
    for (nth, bar) in timeline.bars.iter().enumerate() {
        let critical = chain.contains(&bar.service.as_str());
        svg.push_str(&row(bar, nth as u64, timeline.total, critical));
    }
    svg.push_str("</svg>\n");
    svg
}

fn grid(total: u64, height: u64) -> String {
    let step = step(total);
    let mut grid = String::new();
    let mut at = 0;
    while at <= total {
        let x = x(at, total);
        let bottom = height - 10;
        grid.push_str(&format!(
            "<line x1=\"{x}\" y1=\"42\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{x}\" y=\"38\" fill=\"#666\">{}</text>\n",
            words::duration_nanos(at),
        ));
        at += step;
    }
    grid
}

/// 1, 2 or 5 times a power of ten, so that there are few enough lines.
fn step(total: u64) -> u64 {
    let mut step: u64 = 100_000;
    for factor in [2_u64, 5, 10].into_iter().cycle() {
        if total / step <= LINES {
            break;
        }
        let power = 10_u64.pow(step.ilog10());
        step = power.saturating_mul(factor);
    }
    step
}

fn row(bar: &Bar, nth: u64, total: u64, critical: bool) -> String {
    let y = TOP + nth * ROW;
    let (asked, begun, ready) = (
        x(bar.asked, total),
        x(bar.begun, total),
        x(bar.ready, total),
    );
    let colour = if critical { "#c33" } else { "#39c" };
    let text_x = if begun > WIDTH / 2 { LEFT } else { begun + 4 };
    let own = words::duration_nanos(bar.own());
    format!(
        "<rect x=\"{asked}\" y=\"{y}\" width=\"{}\" height=\"18\" fill=\"#eee\"/>\
         <rect x=\"{begun}\" y=\"{y}\" width=\"{}\" height=\"18\" fill=\"{colour}\" fill-opacity=\"0.6\"/>\
         <text x=\"{text_x}\" y=\"{}\">{} ({own})</text>\n",
        begun - asked,
        (ready - begun).max(1),
        y + 13,
        escaped(&bar.service),
    )
}

fn x(at: u64, total: u64) -> u64 {
    let share = u128::from(at) * u128::from(CHART) / u128::from(total.max(1));
    LEFT + u64::try_from(share).unwrap_or(CHART)
}

/// Text between tags.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::tests::{shop, status};

    #[test]
    fn every_service_has_a_bar_and_the_critical_ones_are_red() {
        let svg = draw(&Timeline::of(&shop()));
        assert_eq!(svg.matches("fill=\"#c33\"").count(), 4);
        assert_eq!(svg.matches("fill=\"#39c\"").count(), 1);
        assert!(svg.contains("5 services ready after 620 ms"));
        assert!(svg.contains(">gateway (120 ms)<"));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let svg = draw(&Timeline::of(&[status("<a & b>\u{1}", [0, 0, 1], &[])]));
        assert!(svg.contains("&lt;a &amp; b&gt;\u{fffd}"));
    }

    #[test]
    fn the_grid_has_round_steps_and_few_of_them() {
        for (total, expected) in [
            (0, 100_000),
            (900_000, 100_000),
            (620_000_000, 100_000_000),
            (1_500_000_000, 200_000_000),
            (u64::MAX, 2_000_000_000_000_000_000),
        ] {
            assert_eq!(step(total), expected, "{total}");
        }
        draw(&Timeline::of(&[]));
    }
}
