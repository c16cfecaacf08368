//! How does a diagnostic look to a person, and to a program.
use super::diagnostic::{Diagnostic, Place, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;
use std::ops::Range;

/// Lines longer than this are shown in part.
const WIDTH: usize = 160;

/// Title, source line with caret, other places, include chain and help, with colour if asked for.
pub fn pretty(diagnostic: &Diagnostic, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut group = Group::with_title(title);
    let shown: Vec<_> =
        diagnostic
            .place
            .iter()
            .map(|place| (Window::of(place), diagnostic.label.as_deref(), AnnotationKind::Primary))
            .chain(diagnostic.related.iter().map(|(place, why)| {
                (Window::of(place), Some(why.as_str()), AnnotationKind::Context)
            }))
            .collect();
    for (window, label, kind) in &shown {
        let annotation = kind.span(window.mark.clone()).label(*label);
        group = group.element(
            Snippet::source(window.text.as_str())
                .path(window.file.as_str())
                .line_start(window.line)
                .annotation(annotation),
        );
    }
    for (file, line) in diagnostic.place.iter().flat_map(Place::include_chain) {
        group = group.element(Level::NOTE.message(format!("included from {file}:{line}")));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group]).to_string()
}

/// One source line, cut to what fits, and the marked bytes in it.
struct Window {
    file: String,
    line: usize,
    text: String,
    mark: Range<usize>,
}

impl Window {
    fn of(place: &Place) -> Self {
        let line = place.line();
        let range = place.file.line_range(line);
        let text = place.file.text.get(range.clone()).unwrap_or_default();
        let start = (place.start as usize).saturating_sub(range.start).min(text.len());
        let end = (place.end as usize).saturating_sub(range.start).clamp(start, text.len());
        let (from, to) = if text.len() > WIDTH {
            let from = text.floor_char_boundary(start.saturating_sub(WIDTH / 4));
            (from, text.ceil_char_boundary((from + WIDTH).min(text.len())))
        } else {
            (0, text.len())
        };
        Self {
            file: place.file.name.to_string(),
            line: line as usize,
            text: text.get(from..to).unwrap_or_default().chars().map(visible).collect(),
            mark: start - from..end.min(to) - from,
        }
    }
}

/// Control characters must not reach a terminal. What stands for one has as many bytes, so that
/// marks stay in place.
fn visible(c: char) -> char {
    match c {
        '\t' => c,
        c if c.is_ascii_control() => '?',
        c if c.is_control() => '\u{b7}',
        c => c,
    }
}

/// A diagnostic as JSON.
#[derive(Serialize)]
struct Json<'a> {
    severity: String,
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<JsonPlace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    related: Vec<JsonRelated<'a>>,
}

#[derive(Serialize)]
struct JsonPlace {
    file: String,
    line: u32,
    column: usize,
    included_from: Vec<String>,
}

#[derive(Serialize)]
struct JsonRelated<'a> {
    message: &'a str,
    place: JsonPlace,
}

fn json_place(place: &Place) -> JsonPlace {
    let chain = place.include_chain();
    JsonPlace {
        file: place.file.name.to_string(),
        line: place.line(),
        column: place.column(),
        included_from: chain.into_iter().map(|(file, line)| format!("{file}:{line}")).collect(),
    }
}

/// An object with all diagnostics and their number.
pub fn json(diagnostics: &[Diagnostic]) -> serde_json::Result<String> {
    let list: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| Json {
            severity: diagnostic.severity.to_string(),
            code: diagnostic.code,
            message: &diagnostic.message,
            place: diagnostic.place.as_ref().map(json_place),
            label: diagnostic.label.as_deref(),
            help: diagnostic.help.as_deref(),
            related: diagnostic
                .related
                .iter()
                .map(|(place, message)| JsonRelated { message, place: json_place(place) })
                .collect(),
        })
        .collect();
    let (errors, warnings) = count(diagnostics);
    serde_json::to_string_pretty(&serde_json::json!({
        "errors": errors,
        "warnings": warnings,
        "diagnostics": list,
    }))
}

/// Errors and warnings.
pub fn count(diagnostics: &[Diagnostic]) -> (usize, usize) {
    let of = |severity| {
        let these = diagnostics.iter().filter(|found| found.severity == severity);
        these.map(|found| found.count).sum()
    };
    (of(Severity::Error), of(Severity::Warning))
}

/// `2 errors, 1 warning`
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let (errors, warnings) = count(diagnostics);
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!("{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings))
}
