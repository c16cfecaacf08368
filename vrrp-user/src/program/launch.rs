//! How is a program started, watched and ended: in a session of its own, as its user.
use super::host::System;
use super::sys::{self, Identity};
use crate::config::host::{Account, Host as _};
use crate::config::program::{Program, Scripts, User};
use nix::unistd::{Gid, Uid, getgrouplist};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::CString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a program that was asked to end may take before it is made to.
pub const GRACE: Duration = Duration::from_secs(2);

/// A program that can be started any number of times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Runnable {
    words: Vec<String>,
    identity: Identity,
}

impl Runnable {
    /// `program` of a settled configuration, with the rules it has.
    ///
    /// # Errors
    /// In words, where its user is not known.
    pub fn new(program: &Program, scripts: &Scripts) -> Result<Self, String> {
        let (own, account) = (System.own(), account(program.user.as_ref(), scripts)?);
        let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
        let groups = if scripts.supplementary_groups { all_groups(uid, gid) } else { vec![gid] };
        let words = match program.words.first() {
            None => return Err("nothing to run".to_owned()),
            // Asks whether a file can be read; a matter for the shell.
            Some(first) if first.starts_with('<') => shell(&program.words),
            Some(_) => program.words.clone(),
        };
        let change = own != account || uid.is_root();
        Ok(Self { words, identity: Identity { uid, gid, groups, change } })
    }

    /// User and group it runs as.
    pub fn account(&self) -> (u32, u32) {
        (self.identity.uid.as_raw(), self.identity.gid.as_raw())
    }

    /// The program, for messages.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Starts it with `more` arguments after its own; must be called on a thread that lives as long
    /// as the program may.
    ///
    /// # Errors
    /// Where the kernel will not.
    pub fn start(&self, more: &[&str]) -> io::Result<Run> {
        let (program, arguments) = self.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        sys::become_other(&mut command, self.identity.clone());
        let child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Run { child, group: id.ok_or(io::ErrorKind::NotFound)? })
    }
}

/// The account of `user`, or that of programs which name none.
///
/// # Errors
/// In words, where it is not known.
pub fn account(user: Option<&User>, scripts: &Scripts) -> Result<Account, String> {
    let Some(user) = user.or(scripts.user.as_ref()) else { return Ok(System.own()) };
    let gid = match &user.group {
        Some(name) => Some(System.group(name).ok_or_else(|| format!("no group `{name}`"))?),
        None => None,
    };
    // A settled configuration has numbers, and nobody has to be asked.
    let number = || Some(Account { uid: user.name.parse().ok()?, gid: gid? });
    let known = || {
        let found = System.user(&user.name)?;
        Some(Account { gid: gid.unwrap_or(found.gid), ..found })
    };
    number().or_else(known).ok_or_else(|| format!("no user `{}`", user.name))
}

/// Every group of a user, or the one where the rest cannot be found out.
fn all_groups(uid: Uid, gid: Gid) -> Vec<Gid> {
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    let name = user.and_then(|user| CString::new(user.name).ok());
    name.and_then(|name| getgrouplist(&name, gid).ok()).unwrap_or_else(|| vec![gid])
}

/// The words as a command of the shell, the first of them left as it is.
fn shell(words: &[String]) -> Vec<String> {
    let mut line = String::new();
    for (number, word) in words.iter().enumerate() {
        if number == 0 {
            line.push_str(word);
        } else {
            line.push_str(&format!(" '{}'", word.replace('\'', "'\\''")));
        }
    }
    vec!["/bin/sh".to_owned(), "-c".to_owned(), line]
}

/// A program that was started.
#[derive(Debug)]
pub struct Run {
    child: Child,
    group: Pid,
}

impl Run {
    /// Waits until it ends. May be dropped and called again.
    ///
    /// # Errors
    /// Where the kernel has lost it.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks it to end, and all it started in its process group; makes them after `grace`.
    pub async fn end(mut self, grace: Duration) {
        self.signal(Signal::TERM);
        if timeout(grace, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
            // However long that takes: one in the middle of something that no signal ends must not
            // be joined by others.
            let _ = self.child.wait().await;
        }
        // It has ended; what it started may have ignored that.
        self.signal(Signal::KILL);
    }

    /// Ends it at once, and all it started in its process group; waits for that at most `limit`.
    pub async fn kill(mut self, limit: Duration) {
        self.signal(Signal::KILL);
        // One that waits for a device does not end before it has answered.
        let _ = timeout(limit, self.child.wait()).await;
    }

    fn signal(&self, signal: Signal) {
        // Nobody is left there, or nobody we may speak to: nothing to be done either way.
        let _ = kill_process_group(self.group, signal);
    }
}

/// What a status says, in words.
pub fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// Runs a program to its end, for `limit` at most.
///
/// # Errors
/// In words, where it could not be started, failed, or took too long.
pub async fn complete(runnable: &Runnable, limit: Duration) -> Result<(), String> {
    let mut run = runnable.start(&[]).map_err(|e| format!("cannot be started: {e}"))?;
    match timeout(limit, run.ended()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(words(status)),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => {
            run.end(GRACE).await;
            Err(format!("took longer than {} s and was ended", limit.as_secs()))
        }
    }
}
