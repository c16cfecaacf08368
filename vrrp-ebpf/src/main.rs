//! The XDP program: which packets on the wire are adverts, and what becomes of them.
//!
//! - `packet`: reading the frame
//! - `maps`: memory shared with the controller
//! - `tables`: how a packet is judged by that memory
//! - `outcome`: what a judged packet leaves behind
//! - `mirror`: how it is shown to whoever looks
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod mirror;
#[cfg(target_arch = "bpf")]
mod outcome;
#[cfg(target_arch = "bpf")]
mod packet;
#[cfg(target_arch = "bpf")]
mod tables;

#[cfg(target_arch = "bpf")]
mod program {
    use crate::{maps, mirror, outcome, packet::Packet, tables::Maps};
    use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
    use vrrp_common::mirror::Judged;
    use vrrp_common::wire::check::{self, Meaning, Verdict};

    /// Entry point.
    #[xdp(frags)]
    fn xvrrp(ctx: XdpContext) -> u32 {
        let packet = Packet::new(&ctx);
        let verdict = check::frame(&packet, &Maps(&ctx));
        match verdict {
            Verdict::Pass => return xdp_action::XDP_PASS,
            Verdict::Reject(counter, owner) => outcome::reject(counter, owner),
            Verdict::Accept(accepted) => outcome::accept(&packet, &accepted),
        }
        if maps::mirrored()
            && let Some(judged) = Judged::of(&verdict)
        {
            mirror::show(ctx.ctx, judged);
        }
        if maps::LOG.load() != 0 {
            match verdict {
                Verdict::Pass => {}
                Verdict::Reject(counter, _) => {
                    aya_log_ebpf::info!(&ctx, "rejected: counter {}", counter as u32);
                }
                Verdict::Accept(accepted) => {
                    let expected = match accepted.meaning {
                        Meaning::Expected(generation) => generation,
                        Meaning::News(_) | Meaning::Ignored => 0,
                    };
                    aya_log_ebpf::info!(
                        &ctx,
                        "accepted: router {} remarks {:x} expected {}",
                        accepted.router,
                        accepted.remarks,
                        expected
                    );
                }
            }
        }
        xdp_action::XDP_DROP
    }

    /// Does nothing: what running a program costs is measured with it.
    #[xdp(frags)]
    fn xvrrp_empty(_ctx: XdpContext) -> u32 {
        xdp_action::XDP_PASS
    }

    /// What the kernel is told of the licence; no helper used here asks for another.
    #[unsafe(no_mangle)]
    #[unsafe(link_section = "license")]
    static LICENSE: [u8; 4] = *b"MIT\0";

    /// Nothing in the program panics; the verifier would refuse the loop.
    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }
}
