//! How do other threads hand something to the loop and wake it.
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc;

/// The side that hands over; cheap to clone.
#[derive(Debug)]
pub struct Sender<T> {
    messages: mpsc::Sender<T>,
    wake: Arc<OwnedFd>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { messages: self.messages.clone(), wake: Arc::clone(&self.wake) }
    }
}

impl<T> Sender<T> {
    /// Hands `message` over; `false` where the loop has ended.
    pub fn send(&self, message: T) -> bool {
        let sent = self.messages.send(message).is_ok();
        // Fails only when the counter is at its end, and then the loop is awake anyway.
        let _ = write(&*self.wake, &1_u64.to_ne_bytes());
        sent
    }
}

/// The loop's side.
#[derive(Debug)]
pub struct Inbox<T> {
    messages: mpsc::Receiver<T>,
    wake: Arc<OwnedFd>,
}

impl<T> Inbox<T> {
    /// The next message, if there is one.
    pub fn take(&self) -> Option<T> {
        self.messages.try_recv().ok()
    }

    /// Forgets wake-ups so far: to be called before the messages are taken.
    pub fn quiet(&self) {
        let _ = read(&*self.wake, &mut [0_u8; 8]);
    }

    /// Comes back to the rest in the next round.
    pub fn wake_again(&self) {
        let _ = write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

impl<T> AsFd for Inbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// A mailbox for the loop.
pub fn channel<T>() -> std::io::Result<(Sender<T>, Inbox<T>)> {
    let (sender, receiver) = mpsc::channel();
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let inbox = Inbox { messages: receiver, wake: Arc::clone(&wake) };
    Ok((Sender { messages: sender, wake }, inbox))
}
