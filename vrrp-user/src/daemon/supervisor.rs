//! What is systemd told, where it started the daemon: that it is ready, reloads, stops, lives.
use super::questions::Question;
use super::service::Handle;
use crate::cli::background::Up;
use crate::control::answers::ask;
use sd_notify::NotifyState;
use std::time::Duration;

/// How long the loop may take to answer before it counts as stuck. It answers between two rounds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells systemd; without one this does nothing.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(why) = sd_notify::notify(state) {
        tracing::warn!("telling systemd: {why}");
    }
}

/// The configuration is being read again.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// It is in force, or the one before is still; `status` says which.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon steps down.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stepping down")]);
}

/// Says that the daemon is ready once its first configuration is in force, and that it lives for as
/// long as the loop answers.
pub async fn report(handle: Handle, routers: usize, up: Option<Up>) {
    // Answered when there is something to report.
    if ask(&handle, Question::View).await.is_none() {
        return;
    }
    ready(&status(routers));
    handle.freed.notify_one();
    if let Some(up) = up {
        up.tell();
    }
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    loop {
        let answered = tokio::time::timeout(PATIENCE, ask(&handle, Question::Ping)).await;
        match answered {
            Ok(Some(())) => tell(&[NotifyState::Watchdog]),
            Ok(None) => return,
            // Nothing is said, so that systemd acts; the log says why.
            Err(_) => tracing::error!("the loop has not answered for {PATIENCE:?}"),
        }
        tokio::time::sleep(period / 3).await;
    }
}

/// A line for `systemctl status`.
pub fn status(routers: usize) -> String {
    match routers {
        1 => "1 virtual router".to_owned(),
        more => format!("{more} virtual routers"),
    }
}
