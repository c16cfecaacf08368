//! What do the names stand for that are there without a definition.
use super::findings::{Findings, Span};
use super::random::Random;
use super::source::Source;
use std::cell::{Cell, RefCell};

/// The greatest number of `${_RANDOM}` that is given no other.
const MOST: u32 = 32_767;

/// Stands where something went wrong, so that its absence is not told as well.
const PLACEHOLDER: &str = "1";

/// What the surroundings say when they are asked.
pub(super) struct Builtins<'a> {
    source: &'a dyn Source,
    random: RefCell<Random>,
    drawn: Cell<bool>,
}

impl<'a> Builtins<'a> {
    /// With numbers from a seed.
    pub(super) fn new(source: &'a dyn Source, seed: u32) -> Self {
        Self { source, random: RefCell::new(Random::new(seed)), drawn: Cell::new(false) }
    }

    /// Whether a random number was asked for.
    pub(super) fn drawn(&self) -> bool {
        self.drawn.get()
    }

    /// Whether there is such a name.
    pub(super) fn knows(name: &str) -> bool {
        matches!(name, "_RANDOM" | "_ENV")
    }

    /// What a name with its parameters stands for; a problem is told.
    pub(super) fn value(
        &self,
        name: &str,
        parameters: &str,
        span: Span,
        findings: &mut Findings,
    ) -> String {
        let parameters: Vec<&str> = parameters.split_whitespace().collect();
        match (name, parameters.as_slice()) {
            ("_RANDOM", parameters) => self.number(parameters, span, findings),
            (_, [variable]) => self.source.environment(variable).unwrap_or_else(|| {
                let message = format!("there is no `{variable}` in the environment");
                findings.warning("undefined", span, message).label("replaced by nothing");
                String::new()
            }),
            _ => {
                findings
                    .error("bad-builtin", span, "`${_ENV}` needs one name")
                    .help("write ${_ENV NAME}");
                PLACEHOLDER.to_owned()
            }
        }
    }

    fn number(&self, parameters: &[&str], span: Span, findings: &mut Findings) -> String {
        let numbers: Option<Vec<u32>> = parameters.iter().map(|word| word.parse().ok()).collect();
        let (least, most) = match numbers.as_deref() {
            Some([]) => (0, MOST),
            Some([least]) => (*least, MOST),
            Some([least, most]) => (*least, *most),
            _ => {
                findings
                    .error("bad-builtin", span, "`${_RANDOM}` takes up to two whole numbers")
                    .help("write ${_RANDOM least most}");
                return PLACEHOLDER.to_owned();
            }
        };
        let Some(span_of_numbers) = most.checked_sub(least) else {
            let message = format!("there is no number from {least} to {most}");
            findings.error("bad-builtin", span, message);
            return PLACEHOLDER.to_owned();
        };
        self.drawn.set(true);
        let drawn = u64::from(self.random.borrow_mut().next());
        (drawn % (u64::from(span_of_numbers) + 1) + u64::from(least)).to_string()
    }
}
