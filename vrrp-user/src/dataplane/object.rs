//! Which XDP program is built in.
use thiserror::Error;

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("XVRRP_EBPF_OBJECT"));

/// There is no program in this binary.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "this xvrrp was built without its XDP program: run `cargo xtask setup` and build again, or use \
     `--xdp-mode off`"
)]
pub struct Missing;

/// The program's ELF object.
pub fn bytes() -> Result<&'static [u8], Missing> {
    if OBJECT.is_empty() { Err(Missing) } else { Ok(OBJECT) }
}
