//! When is memory that was freed given back to the kernel?
//!
//! To apply a configuration of thousands of routers needs much memory for a moment, and the allocator
//! keeps it. It is given back when that moment is over, by a thread that nobody waits for.
use crate::dataplane::sys;
use std::time::Duration;
use tokio::sync::Notify;

/// Time until what was begun is over.
const PAUSE: Duration = Duration::from_secs(2);

/// Gives back what was freed each time it is `asked` to, once for all that ask within a pause.
pub async fn give_back(asked: &Notify) {
    loop {
        asked.notified().await;
        tokio::time::sleep(PAUSE).await;
        // A thread that panicked has freed nothing.
        let _ = tokio::task::spawn_blocking(sys::trim_memory).await;
    }
}
