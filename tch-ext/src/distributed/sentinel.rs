//! A thread that answers for its process while the main thread works, hears of failures, and ends the process where that hangs.
//!
//! A process that was killed cannot answer; one that only takes long can. Without this thread they look the same.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use super::{
    failure::{Failure, keys, read},
    store::Store,
};
use crate::Error;

/// How often the thread looks.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);
/// How long the thread may take to stop; longer only where the store hangs.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What the thread has heard.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    None,
    Failure(Failure),
    /// The process that hosts the store has ended.
    StoreClosed,
}

#[derive(Debug)]
pub(super) struct Sentinel {
    stop: Sender<()>,
    stopped: Receiver<()>,
    news: Arc<Mutex<News>>,
}

impl Sentinel {
    /// `store`: a connection of its own, since a call waits for the one before it. `end_after`: how long the process may go on after
    /// a failure.
    pub(super) fn start(store: Store, rank: usize, end_after: Option<Duration>) -> Self {
        let (stop, orders) = mpsc::channel();
        let (ended, stopped) = mpsc::channel();
        let news = Arc::new(Mutex::new(News::None));
        let own = Arc::clone(&news);
        thread::spawn(move || {
            let bad = match watch(&store, rank, &orders, &own) {
                Ok(heard) => heard,
                Err(_) => {
                    let mut news = own.lock().unwrap_or_else(PoisonError::into_inner);
                    if *news == News::None {
                        *news = News::StoreClosed;
                    }
                    true
                }
            };
            drop(store);
            let hangs = |limit| orders.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if bad && end_after.is_some_and(hangs) {
                // SAFETY: ends the process; nothing of it is used after this. Nothing is flushed: the thread that hangs may hold the
                // lock of an output.
                unsafe { libc::_exit(1) }
            }
            // Nobody waits where the world was not left in order.
            let _ = ended.send(());
        });
        Self { stop, stopped, news }
    }

    pub(super) fn news(&self) -> News {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // Fails where the thread has ended already.
        let _ = self.stop.send(());
        let _ = self.stopped.recv_timeout(STOP_LIMIT);
    }
}

/// Answers until a failure is heard of (true), or the process leaves in order (false).
fn watch(store: &Store, rank: usize, orders: &Receiver<()>, news: &Mutex<News>) -> Result<bool, Error> {
    let mut answered = false;
    while orders.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        if !answered && store.get(keys::ROLL_CALL)?.is_some() {
            store.set(&keys::present(rank), "")?;
            answered = true;
        }
        if let Some(failure) = read(store)? {
            *news.lock().unwrap_or_else(PoisonError::into_inner) = News::Failure(failure);
            store.set(&keys::informed(rank), "")?;
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn wait_for(condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn it_answers_and_hears_the_reason() {
        let store = Store::local().unwrap();
        let sentinel = Sentinel::start(store.clone(), 3, None);
        assert_eq!(sentinel.news(), News::None);
        store.set(keys::ROLL_CALL, "").unwrap();
        wait_for(|| store.get("present/3").unwrap().is_some());
        assert_eq!(sentinel.news(), News::None);
        store.set(keys::REASON, "1 0,2 rank 1 on b: no space").unwrap();
        wait_for(|| store.get("informed/3").unwrap().is_some());
        let failure = Failure { reporter: 1, reason: "rank 1 on b: no space".to_owned(), gone: vec![0, 2] };
        assert_eq!(sentinel.news(), News::Failure(failure));
    }
}
