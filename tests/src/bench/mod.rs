//! How fast is it, and against whom: the harness of `cargo xtask bench`.
//!
//! Ours and the peer run alternately in one run, on the same load, in the same namespaces. Absolute
//! figures are the machine's and nobody asserts them; what may be compared is what one run measured.
//!
//! - [`card`][]: which machine it was, and how busy
//! - [`sample`][]: what was measured, and which of it may be compared
//! - [`goal`][]: which goals were reached
//! - [`plot`][]: the pictures
//! - [`report`][]: the files a run writes
//! - [`wire`][]: many frames with one call, and what the other end sends, with kernel timestamps
//! - [`live`][]: frames the kernel makes itself
//! - [`load`][]: masters at a set rate, and floods
//! - [`topology`][]: two namespaces, cables between them, and the configuration of many routers
//! - [`subject`][], [`frr`][]: who is measured: started, watched, stopped
//! - [`scenario`][]: what is measured
pub mod card;
pub mod frr;
pub mod goal;
pub mod live;
pub mod load;
pub mod plot;
pub mod report;
pub mod sample;
pub mod scenario;
pub mod subject;
pub mod topology;
pub mod wire;
