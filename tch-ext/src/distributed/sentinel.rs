//! A thread that answers for its process while the main thread works, and hears of failures.
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
    /// `store`: a connection of its own, since a call waits for the one before it.
    pub(super) fn start(store: Store, rank: usize) -> Self {
        let (stop, orders) = mpsc::channel();
        let (ended, stopped) = mpsc::channel();
        let news = Arc::new(Mutex::new(News::None));
        let own = Arc::clone(&news);
        thread::spawn(move || {
            if watch(&store, rank, &orders, &own).is_err() {
                let mut news = own.lock().unwrap_or_else(PoisonError::into_inner);
                if *news == News::None {
                    *news = News::StoreClosed;
                }
            }
            drop(store);
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

fn watch(store: &Store, rank: usize, orders: &Receiver<()>, news: &Mutex<News>) -> Result<(), Error> {
    let (mut answered, mut heard) = (false, false);
    while orders.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        if !answered && store.get(keys::ROLL_CALL)?.is_some() {
            store.set(&keys::present(rank), "")?;
            answered = true;
        }
        if let Some(failure) = read(store)?.filter(|_| !heard) {
            *news.lock().unwrap_or_else(PoisonError::into_inner) = News::Failure(failure);
            store.set(&keys::informed(rank), "")?;
            heard = true;
        }
    }
    Ok(())
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
        let sentinel = Sentinel::start(store.clone(), 3);
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
