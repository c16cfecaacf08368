//! What can the terminal show, and how is it shown something again.
use crate::report::grid::Style;
use rustix::termios::tcgetwinsize;
use std::io::{IsTerminal as _, Write as _, stdout};

/// Colours only on a terminal whose owner did not forbid them; its width.
pub fn style() -> Style {
    if !stdout().is_terminal() {
        return Style::default();
    }
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    Style { colour: !forbidden && !dumb, width: size().map(|(columns, _)| columns) }
}

/// Columns and rows.
fn size() -> Option<(usize, usize)> {
    let size = tcgetwinsize(stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0)?;
    Some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// Shows `text` in place of what was shown before, as much as there is room for. On no terminal it
/// follows what was there. Says whether anybody still reads.
pub fn show_again(text: &str) -> bool {
    let mut out = stdout().lock();
    if !out.is_terminal() {
        return out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok();
    }
    let rows = size().map_or(usize::MAX, |(_, rows)| rows);
    // From the upper left, and what is left of the screen before is erased.
    let shown = format!("\x1b[H\x1b[J{}", clipped(text, rows));
    out.write_all(shown.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// The first lines, and how many are missing. The cursor needs a row too.
fn clipped(text: &str, rows: usize) -> String {
    let count = text.lines().count();
    if count < rows {
        return text.to_owned();
    }
    let kept = rows.saturating_sub(2);
    let mut clipped: String = text.lines().take(kept).flat_map(|line| [line, "\n"]).collect();
    clipped.push_str(&format!("... {} more lines\n", count - kept));
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_counted() {
        assert_eq!(clipped("a\nb\n", 3), "a\nb\n");
        assert_eq!(clipped("a\nb\nc\n", 3), "a\n... 2 more lines\n");
    }
}
