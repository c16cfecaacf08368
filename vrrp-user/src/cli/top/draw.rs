//! How does it look: what is in sum above, a line a router below, and the keys at the bottom.
use super::live::{Live, Row};
use crate::report::detail;
use crate::report::grid::Style as Plain;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as Cells, Table};

/// Interfaces that have a line of their own; the rest is on request of `show xdp`.
const PORTS: usize = 4;

/// The whole screen.
pub(super) fn screen(frame: &mut Frame<'_>, live: &mut Live, colour: bool) {
    let ports = live.ports();
    let shown = u16::try_from(ports.len().min(PORTS)).unwrap_or(0);
    let [head, interfaces, body, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(shown),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(summary(live, colour)), head);
    let lines: Vec<Line<'_>> = ports
        .iter()
        .take(PORTS)
        .map(|(interface, port)| {
            Line::raw(format!(
                "{interface:<15} {:<10} {:>9} adverts/s  {:>9} rejected/s",
                port.path,
                tenths(port.accepted),
                tenths(port.rejected)
            ))
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), interfaces);
    if live.opened.is_some() {
        opened(frame, live, body);
    } else {
        table(frame, live, body, colour);
    }
    frame.render_widget(Paragraph::new(keys(live)), foot);
}

fn summary(live: &Live, colour: bool) -> Vec<Line<'static>> {
    let snapshot = live.snapshot();
    let mut states = vec![Span::raw(format!("xvrrp {}  ", snapshot.version))];
    for state in ["MASTER", "BACKUP", "FAULT", "INIT"] {
        let count = live.count(state);
        let style = if count > 0 { style(state, colour) } else { Style::default() };
        states.push(Span::styled(format!("{count} {state}  "), style));
    }
    let rate =
        format!("{} adverts/s  {} news", tenths(live.total_rate()), snapshot.controller.events);
    states.push(Span::raw(rate));
    let reasons = live.reasons();
    let rejected = if reasons.is_empty() {
        "rejected: nothing".to_owned()
    } else {
        let words: Vec<String> =
            reasons.iter().take(5).map(|(name, count)| format!("{name} {count}")).collect();
        format!("rejected: {}", words.join(", "))
    };
    let trouble = match (&live.trouble, &snapshot.reload_error) {
        (Some(why), _) => Line::styled(format!("no answer: {why}"), style("FAULT", colour)),
        (None, Some(_)) => Line::styled("the last reload was refused", style("INIT", colour)),
        (None, None) => Line::default(),
    };
    vec![Line::from(states), Line::raw(rejected), trouble]
}

fn table(frame: &mut Frame<'_>, live: &mut Live, area: Rect, colour: bool) {
    let rows = live.rows();
    let cells = rows.iter().map(|row| cells(row, colour));
    let widths = [
        Constraint::Min(10),
        Constraint::Length(9),
        Constraint::Length(4),
        Constraint::Length(6),
        Constraint::Length(4),
        Constraint::Min(10),
        Constraint::Length(6),
        Constraint::Length(9),
        Constraint::Length(5),
        Constraint::Length(6),
    ];
    let names = [
        "Name",
        "Interface",
        "VRID",
        "State",
        "Prio",
        "Master",
        "Adv/s",
        "Margin",
        "Trans",
        "Reject",
    ];
    let table = Table::new(cells, widths)
        .header(Cells::new(names).style(Style::default().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::default().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, &mut live.selected);
}

fn cells(row: &Row, colour: bool) -> Cells<'static> {
    let margin = row.margin.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    Cells::new([
        Cell::from(row.name.clone()),
        Cell::from(row.interface.clone()),
        Cell::from(row.vrid.to_string()),
        Cell::from(row.state.clone()).style(style(&row.state, colour)),
        Cell::from(row.priority.to_string()),
        Cell::from(row.master.clone()),
        Cell::from(tenths(row.rate)),
        Cell::from(margin),
        Cell::from(row.transitions.to_string()),
        Cell::from(row.rejected.to_string()),
    ])
}

fn opened(frame: &mut Frame<'_>, live: &Live, area: Rect) {
    let text = match live.opened() {
        Some(instance) => detail::instance(instance, Plain::default()),
        None => "a reload removed it".to_owned(),
    };
    frame.render_widget(Paragraph::new(text).scroll((live.scrolled, 0)), area);
}

fn keys(live: &Live) -> Line<'static> {
    let text = if live.typing {
        format!("filter: {}_", live.filter)
    } else if live.opened.is_some() {
        "Esc back  Up/Down scroll  q quit".to_owned()
    } else {
        let filter =
            if live.filter.is_empty() { String::new() } else { format!(" `{}`", live.filter) };
        let order = live.order.name();
        format!("q quit  / filter{filter}  s sort by {order}  Up/Down select  Enter open")
    };
    Line::styled(text, Style::default().add_modifier(Modifier::DIM))
}

fn style(state: &str, colour: bool) -> Style {
    let plain = Style::default();
    if !colour {
        return plain;
    }
    match state {
        "MASTER" => plain.fg(Color::Green),
        "FAULT" => plain.fg(Color::Red).add_modifier(Modifier::BOLD),
        "INIT" => plain.fg(Color::Yellow),
        _ => plain,
    }
}

/// A number of tenths.
fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}
