//! A history drawn with characters.

use super::Bar;

/// The width of a client's name in front of its line.
const MARGIN: usize = 10;

/// The most columns from one event to the next.
const WIDEST_STEP: usize = 6;

/// Draws one line per client. Not the time itself is drawn but its order: from left to right each begin
/// and each end of a call has a place of its own, so that what overlaps is seen however short it was.
pub(super) fn draw(bars: &[Bar], width: usize) -> Vec<String> {
    let events = events(bars);
    let room = width.saturating_sub(MARGIN + 2);
    let step = room
        .checked_div(events.len())
        .unwrap_or(1)
        .clamp(2, WIDEST_STEP);
    let column = |number: usize, end: bool| {
        let place = events
            .iter()
            .position(|(_, is_end, of)| *of == number && *is_end == end);
        place.map(|place| place * step)
    };
    let clients = bars.iter().map(|bar| bar.client).max().unwrap_or(0);
    let mut lines = Vec::new();
    for client in 1..=clients {
        let mut line: Vec<char> = Vec::new();
        for bar in bars.iter().filter(|bar| bar.client == client) {
            let begin = column(bar.number, false).unwrap_or(0);
            let (end, mark) = match column(bar.number, true) {
                Some(end) => (end, '┤'),
                None => (events.len() * step, '→'),
            };
            line.resize(line.len().max(begin), ' ');
            line.resize(end.max(begin), '─');
            line.push(mark);
            let label: Vec<char> = bar.number.to_string().chars().collect();
            let middle = begin + (end - begin).saturating_sub(label.len() - 1) / 2;
            let label = label.into_iter().enumerate();
            let marks = label.map(|(at, digit)| (middle.max(begin + 1) + at, digit));
            for (at, mark) in [(begin, '├')].into_iter().chain(marks) {
                if let Some(place) = line.get_mut(at) {
                    *place = mark;
                }
            }
        }
        let name = format!("client {client}");
        lines.push(format!("{name:MARGIN$}{}", String::from_iter(line)));
    }
    lines.extend(bars.iter().map(|bar| legend(bar, width)));
    lines
}

/// Begins and ends of calls in their order: when, whether it is an end, and the call's number.
pub(crate) fn events(bars: &[Bar]) -> Vec<(u64, bool, usize)> {
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for bar in bars {
        events.push((bar.begun_ns, false, bar.number));
        if let Some(ended) = bar.ended_ns {
            events.push((ended, true, bar.number));
        }
    }
    // What ended when another one began may have met it.
    events.sort_unstable();
    events
}

/// What a bar is, in a line.
fn legend(bar: &Bar, width: usize) -> String {
    let id = bar.id.map(|id| format!(" {id}")).unwrap_or_default();
    let answer = bar.answer.as_deref().unwrap_or("(not answered yet)");
    let line = format!("{:>3} {}{id} → {answer}", bar.number, bar.call);
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if line.chars().count() <= width {
        return line;
    }
    let start: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{start}…")
}
