//! What must hold for any bytes at all: one function a subject, which panics where it does not.
//!
//! The fuzzer calls them with what it thinks up, the suite with what the fuzzer once found and with
//! bytes of its own.
pub mod config;
pub mod engine_trace;
pub mod frame;

/// A subject: its name, which is that of its corpus, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// Every subject.
pub const TARGETS: [Target; 3] =
    [("frame", frame::judge), ("config", config::judge), ("engine_trace", engine_trace::judge)];

/// Bytes as a source of decisions; when they run out, every decision is 0.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    /// Whether there is anything left to decide by.
    fn more(&self) -> bool {
        !self.0.is_empty()
    }

    /// One byte.
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    /// Two bytes.
    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A bit of chance.
    fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }
}
