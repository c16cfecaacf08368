//! How do rows and columns become lines that fit a terminal.

/// What the reader's terminal can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// Whether it shows colours.
    pub colour: bool,
    /// Columns of it; nothing where lines may be as long as they like.
    pub width: Option<usize>,
}

/// Between two columns.
const GAP: usize = 2;

/// Words are not cut to fewer letters than this, or than their heading has.
const LEAST: usize = 8;

/// A colour with a meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Paint {
    Good,
    Bad,
    Notable,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Notable => "33",
        }
    }
}

/// The meaning of a word, if it has one: states, paths, and what became of an address.
fn paint(word: &str) -> Option<Paint> {
    match word {
        "MASTER" | "Master" | "present" => Some(Paint::Good),
        "FAULT" | "Fault" | "failed" => Some(Paint::Bad),
        "INIT" | "Init" | "socket" | "xdp-skb" => Some(Paint::Notable),
        word if word.starts_with("pending") => Some(Paint::Notable),
        _ => None,
    }
}

/// A word in the colour of its meaning.
pub fn painted(word: &str, style: Style) -> String {
    match paint(word).filter(|_| style.colour) {
        Some(paint) => format!("\x1b[{}m{word}\x1b[0m", paint.code()),
        None => word.to_owned(),
    }
}

/// A heading, and whether what is below it is a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column(pub &'static str, pub bool);

/// Lines for `rows` under `columns`: numbers to the right, words to the left, nothing after the last
/// one. Words are cut where the terminal is narrow.
pub fn lines<const N: usize>(columns: [Column; N], rows: &[[String; N]], style: Style) -> String {
    let mut widths = columns.map(|Column(heading, _)| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    if let Some(room) = style.width {
        shrink(columns, &mut widths, room);
    }
    let mut text = String::new();
    let headings = columns.map(|Column(heading, _)| heading.to_owned());
    line(&mut text, columns, &headings, &widths, Style { colour: false, ..style });
    for row in rows {
        line(&mut text, columns, row, &widths, style);
    }
    text
}

/// Takes from the widest words until everything fits, or nothing more can be taken.
fn shrink<const N: usize>(columns: [Column; N], widths: &mut [usize; N], room: usize) {
    let gaps = GAP * N.saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > room {
        let widest = columns
            .iter()
            .zip(widths.iter_mut())
            .filter(|(Column(heading, number), width)| {
                !number && **width > heading.chars().count().max(LEAST)
            })
            .max_by_key(|(_, width)| **width);
        match widest {
            Some((_, width)) => *width -= 1,
            None => return,
        }
    }
}

fn line<const N: usize>(
    text: &mut String,
    columns: [Column; N],
    cells: &[String; N],
    widths: &[usize; N],
    style: Style,
) {
    let mut blanks = 0;
    for ((Column(_, number), cell), width) in columns.iter().zip(cells).zip(widths) {
        let cell = cut(cell, *width);
        let missing = width - cell.chars().count();
        if *number {
            blanks += missing;
        }
        // Blanks are owed, so that none come after the last word.
        text.extend(std::iter::repeat_n(' ', blanks));
        text.push_str(&painted(&cell, style));
        blanks = GAP + if *number { 0 } else { missing };
    }
    text.push('\n');
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column("Name", false), Column("N", true), Column("State", false)];

    fn row(name: &str, n: &str, state: &str) -> [String; 3] {
        [name.to_owned(), n.to_owned(), state.to_owned()]
    }

    #[test]
    fn long_words_are_cut_only_where_there_is_no_room() {
        let rows = [row("a_very_long_name_indeed", "10", "MASTER"), row("b", "9", "FAULT")];
        let wide = lines(COLUMNS, &rows, Style::default());
        assert_eq!(wide.lines().nth(1), Some("a_very_long_name_indeed  10  MASTER"));
        let narrow = lines(COLUMNS, &rows, Style { width: Some(24), colour: false });
        assert_eq!(
            narrow,
            "Name           N  State\na_very_long…  10  MASTER\nb              9  FAULT\n"
        );
        for line in narrow.lines() {
            assert!(line.chars().count() <= 24, "{line}");
        }
        // No narrower than can be read.
        let least = lines(COLUMNS, &rows, Style { width: Some(3), colour: false });
        assert_eq!(least.lines().nth(1), Some("a_very_…  10  MASTER"));
    }

    #[test]
    fn colours_take_no_room() {
        let rows = [row("a", "1", "FAULT"), row("b", "2", "BACKUP")];
        let plain = lines(COLUMNS, &rows, Style::default());
        let coloured = lines(COLUMNS, &rows, Style { colour: true, width: None });
        assert!(coloured.contains("\x1b[1;31mFAULT\x1b[0m"), "{coloured}");
        assert_eq!(coloured.replace("\x1b[1;31m", "").replace("\x1b[0m", ""), plain);
    }
}
