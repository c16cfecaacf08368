//! What does a new process do before it becomes the program: become its user, and nothing of ours.
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use rustix::process::{Signal, set_parent_process_death_signal, setsid};
use std::io;
use tokio::process::Command;

/// Who to become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    /// All groups, the one above included.
    pub(super) groups: Vec<Gid>,
    /// Whether anything of it has to be changed, which only root may.
    pub(super) change: bool,
}

/// Has `command` start as `identity` in a session of its own, with every signal at its default, no
/// descriptor but the standard ones, and SIGTERM when the thread that started it ends.
///
/// A session is a process group, so that all of it can be ended; and the kernel gives each session
/// its share of the processors, so that a program cannot use up ours.
pub(super) fn become_other(command: &mut Command, identity: Identity) {
    let prepare = move || {
        for signal in 1..=libc::SIGRTMAX() {
            // SAFETY: sets a disposition, never a handler. Where a number is refused (SIGKILL, and
            // those the C library keeps) nothing is changed.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        setsid()?;
        if identity.change {
            setgroups(&identity.groups)?;
            setgid(identity.gid)?;
            setuid(identity.uid)?;
        }
        // After the user, whose change takes it back.
        set_parent_process_death_signal(Some(Signal::TERM))?;
        close_on_exec()
    };
    // SAFETY: between fork and exec only system calls are made, by wrappers that neither allocate
    // nor lock: the list of groups was made before, and errors are numbers.
    unsafe { command.pre_exec(prepare) };
}

/// Marks every descriptor above the standard ones to be closed. Ours are already, those that we
/// were started with need not be.
fn close_on_exec() -> io::Result<()> {
    let (first, last) = (3_u32, u32::MAX);
    // SAFETY: takes three numbers and touches no memory.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}
