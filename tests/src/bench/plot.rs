//! What do the figures look like: bars and lines as SVG, on a logarithmic axis where they must be.
use std::fmt::Write as _;

use super::sample::{count, short};

/// Colours that those who do not see red or green tell apart.
const COLOURS: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];
const WIDTH: f64 = 720.0;
const LEFT: f64 = 190.0;

/// One bar: whose, how much, and the least and the most of the repetitions.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose.
    pub label: String,
    /// Which colour.
    pub colour: usize,
    /// The median.
    pub value: f64,
    /// Least and most.
    pub range: (f64, f64),
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn head(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{}</text>\n",
        escape(title)
    )
}

/// Horizontal bars. Where the largest is more than twenty times the smallest the axis is logarithmic,
/// and the title says so.
pub fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.range.1.max(bar.value)).fold(0.0, f64::max);
    let least = bars.iter().map(|bar| bar.value).filter(|value| *value > 0.0);
    let least = least.fold(f64::INFINITY, f64::min);
    let logarithmic = least.is_finite() && most > least * 20.0;
    let room = WIDTH - LEFT - 110.0;
    let x = |value: f64| {
        if most <= 0.0 {
            0.0
        } else if logarithmic {
            let from = least / 2.0;
            room * (value.max(from) / from).ln() / (most / from).ln()
        } else {
            room * value / most
        }
    };
    let axis = if logarithmic { ", logarithmic" } else { "" };
    let height = 40.0 + 26.0 * count(bars.len());
    let mut svg = head(&format!("{title} ({unit}{axis})"), height);
    for (row, bar) in bars.iter().enumerate() {
        let y = 34.0 + 26.0 * count(row);
        let colour = COLOURS[bar.colour % COLOURS.len()];
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"18\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 6.0,
            y + 13.0,
            escape(&bar.label),
            x(bar.value).max(1.0),
            LEFT + x(bar.value.max(bar.range.1)) + 8.0,
            y + 13.0,
            short(bar.value),
        );
        let _ = writeln!(
            svg,
            "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"black\"/>",
            LEFT + x(bar.range.0),
            LEFT + x(bar.range.1),
            y + 9.0,
            y + 9.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// One line: whose, and its points.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose.
    pub label: String,
    /// Where; both coordinates are positive.
    pub points: Vec<(f64, f64)>,
}

/// Lines on two logarithmic axes: what is proportional rises by one decade a decade.
pub fn lines(title: &str, across: &str, lines: &[Line]) -> String {
    let height = 360.0;
    let points = || lines.iter().flat_map(|line| &line.points);
    let bound = |pick: fn(&(f64, f64)) -> f64, from: f64, fold: fn(f64, f64) -> f64| {
        let log = points().map(pick).filter(|value| *value > 0.0).fold(from, fold).log10();
        // Where there is nothing to be drawn.
        if log.is_finite() { log } else { 0.0 }
    };
    let (x0, x1) = (bound(|p| p.0, f64::INFINITY, f64::min), bound(|p| p.0, 0.0, f64::max));
    let (y0, y1) = (bound(|p| p.1, f64::INFINITY, f64::min), bound(|p| p.1, 0.0, f64::max));
    let (y0, y1) = (y0.floor(), y1.ceil().max(y0.floor() + 1.0));
    let (right, bottom) = (WIDTH - 170.0, height - 45.0);
    let x = |value: f64| 60.0 + (right - 60.0) * (value.log10() - x0) / (x1 - x0).max(1e-9);
    let y = |value: f64| bottom - (bottom - 40.0) * (value.log10() - y0) / (y1 - y0).max(1e-9);
    let mut svg = head(title, height);
    let mut decade = y0;
    while decade <= y1 {
        let (value, at) = (10_f64.powf(decade), y(10_f64.powf(decade)));
        let _ = writeln!(
            svg,
            "<line x1=\"60\" x2=\"{right:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"54\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            at + 4.0,
            short(value),
        );
        decade += 1.0;
    }
    let mut marks: Vec<f64> = points().map(|point| point.0).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for mark in marks {
        let at = x(mark);
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{mark}</text>",
            bottom + 16.0,
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        (60.0 + right) / 2.0,
        bottom + 36.0,
        escape(across),
    );
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let of = |(a, b): &(f64, f64)| format!("{:.1},{:.1}", x(*a), y(*b));
        let good: Vec<_> = line.points.iter().filter(|(a, b)| *a > 0.0 && *b > 0.0).collect();
        let path: Vec<String> = good.iter().map(|point| of(point)).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" "),
        );
        for (a, b) in good {
            let (a, b) = (x(*a), y(*b));
            let _ =
                writeln!(svg, "<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let at = 50.0 + 18.0 * count(number);
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{at:.1}\">{}</text>",
            right + 14.0,
            at - 10.0,
            right + 32.0,
            escape(&line.label),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has no logarithm is not drawn, and where nothing has one there are still axes.
    #[test]
    fn nothing_but_zeros_has_an_end() {
        let line =
            |points: &[(f64, f64)]| Line { label: "one".to_owned(), points: points.to_vec() };
        let zeros = lines("zeros", "routers", &[line(&[(1.0, 0.0), (16.0, 0.0)])]);
        assert!(zeros.ends_with("</svg>\n") && !zeros.contains("<circle"), "{zeros}");
        let some = lines("some", "routers", &[line(&[(1.0, 0.0), (16.0, 3.0)])]);
        assert_eq!(some.matches("<circle").count(), 1, "{some}");
        assert!(!lines("none", "routers", &[]).contains("NaN"));
    }
}
