//! How the program gets onto an interface, and why it does not.
use super::hook;
use super::link::Link;
use super::port::{Path, XdpMode};
use super::program::Loaded;
use super::tags::{self, InFrames};
use std::error::Error;
use std::io;
use thiserror::Error;

/// Why an interface does not run the program.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Another program is there; it is not replaced.
    #[error(
        "its XDP hook is taken by program {id} ({}); xvrrp leaves it alone",
        name.as_deref().unwrap_or("name unknown")
    )]
    Taken {
        /// The other program's kernel id.
        id: u32,
        /// Its name.
        name: Option<String>,
    },
    /// The kernel does not say what is there.
    #[error("what is on its XDP hook cannot be read: {0}")]
    Unknown(#[source] io::Error),
    /// VLAN tags would not be seen.
    #[error(
        "it takes VLAN tags out of frames and will not stop{}; try `ethtool -K {interface} rxvlan \
         off`",
        why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
    )]
    Tags {
        /// The interface.
        interface: String,
        /// The driver's reason.
        #[source]
        why: Option<io::Error>,
    },
    /// The kernel refuses.
    #[error("{}", list(.0))]
    Kernel(Vec<(Path, String)>),
}

fn list(attempts: &[(Path, String)]) -> String {
    let attempts: Vec<String> =
        attempts.iter().map(|(path, why)| format!("{}: {why}", path.name())).collect();
    attempts.join("; ")
}

/// What was attached, and the attempts that failed before.
#[derive(Debug)]
pub struct Attached {
    /// Native or generic.
    pub path: Path,
    /// To detach it.
    pub link: Link,
    /// Keeps VLAN tags where the program sees them.
    pub tags: InFrames,
    /// Why it is not a faster one.
    pub why: Option<String>,
}

/// Attaches the program in the best way `mode` allows.
pub fn attach(
    loaded: &Loaded,
    interface: &str,
    ifindex: u32,
    mode: XdpMode,
) -> Result<Attached, Refusal> {
    let here = hook::programs(ifindex).map_err(Refusal::Unknown)?;
    if let Some(&id) = here.first() {
        return Err(Refusal::Taken { id, name: hook::name(id) });
    }
    let stuck = |why| Refusal::Tags { interface: interface.to_owned(), why };
    let tags = tags::keep_in_frames(interface)
        .map_err(|why| stuck(Some(why)))?
        .ok_or_else(|| stuck(None))?;
    let paths: &[Path] = match mode {
        XdpMode::Auto => &[Path::XdpNative, Path::XdpSkb],
        XdpMode::Native => &[Path::XdpNative],
        XdpMode::Skb => &[Path::XdpSkb],
        XdpMode::Off => &[],
    };
    let mut failed = Vec::new();
    for &path in paths {
        match loaded.attach(ifindex, path) {
            Ok(link) => {
                let why = (!failed.is_empty()).then(|| list(&failed));
                return Ok(Attached { path, link, tags, why });
            }
            Err(why) => failed.push((path, chain(&why))),
        }
    }
    Err(Refusal::Kernel(failed))
}

/// An error with everything beneath it, for the kernel's own words are at the bottom.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
