//! Calls to c10d that may block without regard to their timeout.

use std::{sync::mpsc, thread, time::Duration};

/// The result of `call`, or `None` after `limit`; the call then goes on in a thread of its own.
pub(super) fn within<T: Send + 'static>(limit: Duration, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().name("c10d".to_owned()).spawn(move || {
        // Nobody listens any more after the limit.
        let _ = sender.send(call());
    });
    thread.ok()?;
    receiver.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_blocks_is_left_behind() {
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        assert_eq!(within(Duration::from_millis(20), || thread::sleep(Duration::from_secs(2))), None);
    }
}
