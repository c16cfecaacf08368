//! Which programs may be run, and as whom: keepalived's rules, with reasons.
//!
//! A program that would run with root's rights must not be one that somebody else can change, be it
//! the file or any directory on the way to it. Such a program is left out, as is one that is not
//! there or cannot be run; a user that does not exist makes the configuration unusable.
mod said;

use super::diagnostic::Severity;
use super::host::{Account, Facts, Host, Kind};
use super::model::{Config, Name, Origin};
use super::program::{Notify, Owner, Program, Scripts, User};
use super::source::Unreadable;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Links followed on the way to one file, as in the kernel.
const LINKS: usize = 40;

/// keepalived's user for programs, where there is one.
const DEFAULT_USER: &str = "keepalived_script";

/// Something wrong with a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// An error, or a thing to know.
    pub severity: Severity,
    /// A short stable name of the kind of problem.
    pub code: &'static str,
    /// Where the program was named; line 0 where that is not known.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The configuration cannot be used; otherwise the program is left out.
    pub fatal: bool,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { origin, severity, message, .. } = self;
        if origin.line > 0 {
            write!(f, "{}:{}: ", origin.file, origin.line)?;
        }
        write!(f, "{severity}: {message}")?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Leaves out of `config` what must not or cannot be run, and settles who runs the rest and under
/// which path. What was found comes in the order of the configuration.
pub fn enforce(config: &mut Config, host: &dyn Host) -> Vec<Problem> {
    let scripts = &mut config.globals.scripts;
    let mut judge = Judge { host, rules: scripts.clone(), default: None, problems: Vec::new() };
    judge.default = match &judge.rules.user.clone() {
        Some(user) => judge.known("script_user", &Origin::default(), user),
        None => Some(host.user(DEFAULT_USER).unwrap_or_else(|| host.own())),
    };
    if let Some(account) = judge.default {
        scripts.user = Some(account.into());
    }
    judge.timed("startup_script", &mut scripts.startup);
    judge.timed("shutdown_script", &mut scripts.shutdown);
    judge.optional("notify_fifo_script", &mut scripts.fifo);
    judge.optional("vrrp_notify_fifo_script", &mut scripts.vrrp_fifo);
    judge.owner("notify_fifo", &mut scripts.fifo_owner);
    judge.owner("vrrp_notify_fifo", &mut scripts.vrrp_fifo_owner);

    let mut disabled: Vec<Name> = Vec::new();
    config.scripts.retain_mut(|script| {
        let what = format!("vrrp_script {}", script.name);
        match judge.settle(&what, &script.program) {
            Some(program) => {
                if program != script.program {
                    Arc::make_mut(script).program = program;
                }
                true
            }
            None => {
                disabled.push(script.name.clone());
                false
            }
        }
    });
    for instance in &mut config.instances {
        let who = format!("instance {}", instance.name);
        let mut notify = instance.notify.clone();
        judge.notify(&who, &mut notify);
        if notify != instance.notify {
            Arc::make_mut(instance).notify = notify;
        }
        if instance.tracks.scripts.iter().any(|track| disabled.contains(&track.object)) {
            let scripts = &mut Arc::make_mut(instance).tracks.scripts;
            scripts.retain(|track| !disabled.contains(&track.object));
        }
    }
    for group in &mut config.groups {
        let who = format!("group {}", group.name);
        let mut notify = group.notify.clone();
        judge.notify(&who, &mut notify);
        if notify != group.notify {
            Arc::make_mut(group).notify = notify;
        }
        if group.tracks.scripts.iter().any(|track| disabled.contains(&track.object)) {
            let scripts = &mut Arc::make_mut(group).tracks.scripts;
            scripts.retain(|track| !disabled.contains(&track.object));
        }
    }
    judge.problems
}

/// By its numbers, which no later look at the list of users can change.
impl From<Account> for User {
    fn from(Account { uid, gid }: Account) -> Self {
        Self { name: uid.to_string(), group: Some(gid.to_string()) }
    }
}

struct Judge<'a> {
    host: &'a dyn Host,
    rules: Scripts,
    /// Who runs what names no user.
    default: Option<Account>,
    problems: Vec<Problem>,
}

/// A file at the end of its path.
struct Found {
    /// Without links.
    real: PathBuf,
    facts: Facts,
    /// Everything on the way, links and what they lead to included.
    way: Vec<(PathBuf, Facts)>,
}

impl Judge<'_> {
    fn timed(&mut self, what: &str, slot: &mut Option<(Program, u32)>) {
        *slot = slot.take().and_then(|(program, timeout)| {
            self.settle(what, &program).map(|program| (program, timeout))
        });
    }

    fn optional(&mut self, what: &str, slot: &mut Option<Box<Program>>) {
        *slot = slot.take().and_then(|program| self.settle(what, &program).map(Box::new));
    }

    /// By numbers from now on.
    fn owner(&mut self, what: &str, slot: &mut Option<Owner>) {
        if let Some(owner) = slot
            && let Some(account) = self.known(what, &owner.origin, &owner.user)
        {
            owner.user = account.into();
        }
    }

    fn notify(&mut self, who: &str, notify: &mut Notify) {
        if *notify == Notify::default() {
            return;
        }
        let slots = [
            ("notify", &mut notify.any),
            ("notify_master", &mut notify.master),
            ("notify_backup", &mut notify.backup),
            ("notify_fault", &mut notify.fault),
            ("notify_stop", &mut notify.stop),
            ("notify_master_rx_lower_pri", &mut notify.lower),
            ("notify_deleted", &mut notify.deleted.program),
        ];
        for (keyword, slot) in slots {
            self.optional(&format!("{keyword} of {who}"), slot);
        }
    }

    /// The program as it is to be run, or nothing where it is not.
    fn settle(&mut self, what: &str, program: &Program) -> Option<Program> {
        let account = self.account(what, program)?;
        let mut settled = program.clone();
        settled.user = Some(account.into());
        let first = program.words.first()?;
        // keepalived's way to ask whether a file can be read: nothing is run but the shell.
        if first.starts_with('<') {
            return Some(settled);
        }
        let path = match first.contains('/') {
            true => PathBuf::from(first),
            false => self.search(what, program, first, account)?,
        };
        let (path, found) = match self.locate(&path) {
            Ok(found) => found,
            Err((at, why)) => {
                let message = format!("{what} is not run: {}: {why}", at.display());
                self.disable("script-missing", program, message, None);
                return None;
            }
        };
        self.executable(what, program, &path, &found, account)?;
        self.secure(what, program, &path, &found, account)?;
        // A path that is no text was not written in the configuration but behind a link.
        match path.to_str() {
            Some(path) => path.clone_into(&mut settled.words[0]),
            None => return Some(settled),
        }
        Some(settled)
    }

    fn account(&mut self, what: &str, program: &Program) -> Option<Account> {
        match &program.user {
            Some(user) => self.known(what, &program.origin, user),
            None => self.default,
        }
    }

    fn known(&mut self, what: &str, origin: &Origin, user: &User) -> Option<Account> {
        let group = match &user.group {
            None => None,
            Some(name) => match self.host.group(name) {
                Some(group) => Some(group),
                None => {
                    self.unknown(origin, format!("{what}: there is no group `{name}`"));
                    return None;
                }
            },
        };
        // A number needs no entry in the list of users if the group is said too.
        let by_number = || {
            let (uid, gid) = (user.name.parse().ok()?, group?);
            Some(Account { uid, gid })
        };
        match self.host.user(&user.name).or_else(by_number) {
            Some(account) => Some(Account { gid: group.unwrap_or(account.gid), ..account }),
            None => {
                self.unknown(origin, format!("{what}: there is no user `{}`", user.name));
                None
            }
        }
    }

    fn unknown(&mut self, origin: &Origin, message: String) {
        let problem = Problem {
            severity: Severity::Error,
            code: "script-user",
            origin: origin.clone(),
            message,
            help: Some("create it, or name another".to_owned()),
            fatal: true,
        };
        // One line may give a user to many programs.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn disable(
        &mut self,
        code: &'static str,
        program: &Program,
        message: String,
        help: Option<String>,
    ) {
        self.say(Severity::Error, code, program, message, help);
    }

    fn say(
        &mut self,
        severity: Severity,
        code: &'static str,
        program: &Program,
        message: String,
        help: Option<String>,
    ) {
        let origin = program.origin.clone();
        self.problems.push(Problem { severity, code, origin, message, help, fatal: false });
    }

    /// A name without a slash is looked for in PATH, now and not at each run.
    fn search(
        &mut self,
        what: &str,
        program: &Program,
        name: &str,
        account: Account,
    ) -> Option<PathBuf> {
        let mut denied = None;
        for folder in self.host.search() {
            let path = folder.join(name);
            let Ok((_, found)) = self.locate(&path) else { continue };
            if found.facts.kind == Kind::File && self.may_execute(found.facts, account) {
                let message = format!("{what}: `{name}` was found as {}", path.display());
                let help = Some("say the whole path".to_owned());
                self.say(Severity::Warning, "script-path", program, message, help);
                return Some(path);
            }
            denied = Some(path);
        }
        let message = match denied {
            Some(path) => format!(
                "{what} is not run: {} cannot be executed by user {} group {}",
                path.display(),
                account.uid,
                account.gid
            ),
            None => format!("{what} is not run: there is no `{name}` in PATH"),
        };
        self.disable("script-missing", program, message, Some("say the whole path".to_owned()));
        None
    }

    /// Where a path leads, and the path to run it by: without links, but by its own name, for there
    /// are programs that do what their name says.
    fn locate(&self, path: &Path) -> Result<(PathBuf, Found), (PathBuf, Unreadable)> {
        let given = if path.is_absolute() { path.to_owned() } else { self.host.here().join(path) };
        let found = self.walk(&given)?;
        if self.rules.symlink_paths {
            return Ok((given, found));
        }
        let (Some(name), Some(folder)) = (given.file_name(), found.real.parent()) else {
            return Ok((found.real.clone(), found));
        };
        let renamed = folder.join(name);
        if renamed != found.real
            && let Ok(other) = self.walk(&renamed)
            && other.real == found.real
        {
            return Ok((renamed, other));
        }
        let direct = self.walk(&found.real)?;
        Ok((found.real, direct))
    }

    /// Looks at everything on the way along a path.
    fn walk(&self, path: &Path) -> Result<Found, (PathBuf, Unreadable)> {
        let root = PathBuf::from("/");
        let look = |path: &Path| self.host.look(path).map_err(|why| (path.to_owned(), why));
        let mut facts = look(&root)?;
        let mut way = vec![(root.clone(), facts)];
        let mut real = root;
        let mut links = 0;
        let mut ahead: Vec<OsString> = names(path).rev().collect();
        while let Some(name) = ahead.pop() {
            if name == ".." {
                real.pop();
                facts = look(&real)?;
                continue;
            }
            let next = real.join(&name);
            facts = look(&next)?;
            way.push((next.clone(), facts));
            if facts.kind != Kind::Link {
                real = next;
                continue;
            }
            links += 1;
            if links > LINKS {
                return Err((next, Unreadable::Other("too many links".to_owned())));
            }
            let target = self.host.link(&next).map_err(|why| (next, why))?;
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            ahead.extend(names(&target).rev());
        }
        Ok(Found { real, facts, way })
    }

    fn may_execute(&self, facts: Facts, account: Account) -> bool {
        let Facts { mode, owner, group, .. } = facts;
        if account.uid == 0 {
            return mode & 0o111 != 0;
        }
        if account.uid == owner {
            return mode & 0o100 != 0;
        }
        // Which groups the user has besides is not asked here.
        let any_group = self.rules.supplementary_groups && mode & 0o010 != 0;
        any_group || mode & if account.gid == group { 0o010 } else { 0o001 } != 0
    }

    fn executable(
        &mut self,
        what: &str,
        program: &Program,
        path: &Path,
        found: &Found,
        account: Account,
    ) -> Option<()> {
        let path = path.display();
        if found.facts.kind != Kind::File {
            let message = format!("{what} is not run: {path} is not a regular file");
            self.disable("script-missing", program, message, None);
            return None;
        }
        let Account { uid, gid } = account;
        if !self.may_execute(found.facts, account) {
            let Facts { mode, owner, .. } = found.facts;
            let message = format!(
                "{what} is not run: {path} (mode {mode:04o}, owner {owner}) cannot be executed by \
                 user {uid} group {gid}"
            );
            let help = format!("chmod +x {path}, or run it as another user");
            self.disable("script-missing", program, message, Some(help));
            return None;
        }
        let closed = found
            .way
            .iter()
            .find(|(_, facts)| facts.kind == Kind::Directory && !self.may_execute(*facts, account));
        if let Some((folder, facts)) = closed {
            let (folder, mode) = (folder.display(), facts.mode);
            let message = format!(
                "{what}: {path} may be out of reach for user {uid} group {gid}: {folder} has mode \
                 {mode:04o}"
            );
            let help = Some(format!("chmod +x {folder}"));
            self.say(Severity::Warning, "script-reach", program, message, help);
        }
        Some(())
    }

    /// Whether nobody but root can change what runs with root's rights.
    fn secure(
        &mut self,
        what: &str,
        program: &Program,
        path: &Path,
        found: &Found,
        account: Account,
    ) -> Option<()> {
        let Facts { owner, group, mode, .. } = found.facts;
        let gains = owner == 0 && mode & 0o4100 == 0o4100 || group == 0 && mode & 0o2010 == 0o2010;
        if account.uid != 0 && account.gid != 0 && !gains {
            return Some(());
        }
        let Some((place, facts)) = found.way.iter().find(|(_, facts)| !safe(*facts)) else {
            return Some(());
        };
        let Facts { owner, group, mode, kind } = *facts;
        let place = place.display();
        let who = if owner != 0 {
            format!("it belongs to user {owner}")
        } else if mode & 0o002 != 0 {
            "everybody may write to it".to_owned()
        } else {
            format!("group {group} may write to it")
        };
        let part = match kind {
            Kind::Directory => "directory ",
            Kind::Link => "link ",
            Kind::File | Kind::Other => "",
        };
        let path = path.display();
        let told = format!("{part}{place} has mode {mode:04o} and {who}");
        let help = if owner != 0 {
            format!("chown root {place}, or run the script as another user")
        } else {
            format!("chmod go-w {place}, or run the script as another user")
        };
        if self.rules.security {
            let message = format!("{what} is not run: {path} would run as root, and {told}");
            self.disable("script-insecure", program, message, Some(help));
            return None;
        }
        let message = format!("{what}: {path} runs as root, and {told}");
        self.say(Severity::Warning, "script-insecure", program, message, Some(help));
        Some(())
    }
}

/// Whether only root can change it, or what is in it.
fn safe(facts: Facts) -> bool {
    let Facts { kind, owner, group, mode } = facts;
    let written = mode & 0o002 != 0 || group != 0 && mode & 0o020 != 0;
    owner == 0
        && match kind {
            // A link has no permissions of its own.
            Kind::Link => true,
            Kind::Directory => mode & 0o1000 != 0 || !written,
            Kind::File | Kind::Other => !written,
        }
}

fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests;
