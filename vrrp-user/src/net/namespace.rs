//! How does the daemon move to another network namespace.
use anyhow::Context as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

/// Moves the calling thread, and with it those it starts from now on, to a namespace of `ip netns`.
///
/// # Errors
/// Where there is none of that name, or no right to enter it.
pub fn enter(name: &str) -> anyhow::Result<()> {
    let path = Path::new("/run/netns").join(name);
    let what = || format!("network namespace {name}");
    let namespace = File::open(&path).with_context(what)?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(what)
}
