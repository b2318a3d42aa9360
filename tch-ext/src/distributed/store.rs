//! Keys and texts that all processes of a job see: the place where they meet and leave their reasons.

use std::{
    ffi::c_char,
    ptr::{self, NonNull},
    sync::Arc,
    time::Duration,
};

use super::{launch::Launch, milliseconds};
use crate::{
    Error,
    ffi::{Text, check, take_text},
};

/// `Store` of `csrc/dist.h`.
#[repr(C)]
pub(super) struct ForeignStore {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn tch_ext_dist_store_connect(
        host: Text,
        port: u16,
        server: bool,
        world: usize,
        timeout_ms: i64,
        store: *mut *mut ForeignStore,
    ) -> *mut c_char;
    fn tch_ext_dist_store_host(port: *mut u16, store: *mut *mut ForeignStore) -> *mut c_char;
    fn tch_ext_dist_store_local(store: *mut *mut ForeignStore) -> *mut c_char;
    fn tch_ext_dist_store_under(store: *const ForeignStore, prefix: Text, under: *mut *mut ForeignStore)
    -> *mut c_char;
    fn tch_ext_dist_store_free(store: *mut ForeignStore);
    fn tch_ext_dist_store_set(store: *const ForeignStore, key: Text, value: Text) -> *mut c_char;
    fn tch_ext_dist_store_get(store: *const ForeignStore, key: Text, value: *mut *mut c_char) -> *mut c_char;
    fn tch_ext_dist_store_wait(
        store: *const ForeignStore,
        keys: *const Text,
        count: usize,
        timeout_ms: i64,
    ) -> *mut c_char;
    fn tch_ext_dist_store_add(store: *const ForeignStore, key: Text, amount: i64, sum: *mut i64) -> *mut c_char;
    fn tch_ext_dist_store_claim(
        store: *const ForeignStore,
        key: Text,
        value: Text,
        winner: *mut *mut c_char,
    ) -> *mut c_char;
}

/// A connection to the store; copies share it. A call blocks while another waits.
#[derive(Debug, Clone)]
pub(super) struct Store(Arc<Handle>);

#[derive(Debug)]
struct Handle(NonNull<ForeignStore>);

// SAFETY: c10d's stores lock each operation.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle owns the store, and nothing uses it after this.
        unsafe { tch_ext_dist_store_free(self.0.as_ptr()) }
    }
}

impl Store {
    /// Meets the others at the master, which `hosting` opens there.
    pub(super) fn connect(launch: &Launch, hosting: bool, timeout: Duration) -> Result<Self, Error> {
        // SAFETY: the text lives through the call.
        Self::made(|store| unsafe {
            tch_ext_dist_store_connect(
                Text::new(&launch.master_host),
                launch.master_port,
                hosting,
                launch.world_size,
                milliseconds(timeout),
                store,
            )
        })
    }

    /// A store on a free port of this host, for processes that connect to it; the port.
    pub(super) fn host() -> Result<(Self, u16), Error> {
        let mut port = 0;
        // SAFETY: the function writes store and port before it returns null.
        let store = Self::made(|store| unsafe { tch_ext_dist_store_host(&mut port, store) })?;
        Ok((store, port))
    }

    /// The store of a single process, without a connection.
    pub(super) fn local() -> Result<Self, Error> {
        // SAFETY: the function writes the store before it returns null.
        Self::made(|store| unsafe { tch_ext_dist_store_local(store) })
    }

    /// The same store for keys of their own, over the same connection.
    pub(super) fn under(&self, prefix: &str) -> Result<Self, Error> {
        // SAFETY: store and text live through the call.
        Self::made(|under| unsafe { tch_ext_dist_store_under(self.as_ptr(), Text::new(prefix), under) })
    }

    fn made(make: impl FnOnce(*mut *mut ForeignStore) -> *mut c_char) -> Result<Self, Error> {
        let mut store = ptr::null_mut();
        check("open the store of the processes", make(&mut store))?;
        Ok(Self(Arc::new(Handle(NonNull::new(store).expect("a successful call creates a store")))))
    }

    pub(super) fn set(&self, key: &str, value: &str) -> Result<(), Error> {
        // SAFETY: store and texts live through the call.
        check("write to the store", unsafe { tch_ext_dist_store_set(self.as_ptr(), Text::new(key), Text::new(value)) })
    }

    /// `None` if nobody has set the key.
    pub(super) fn get(&self, key: &str) -> Result<Option<String>, Error> {
        let mut value = ptr::null_mut();
        // SAFETY: store and text live through the call, which writes the value before it returns null.
        check("read from the store", unsafe { tch_ext_dist_store_get(self.as_ptr(), Text::new(key), &mut value) })?;
        Ok((!value.is_null()).then(|| take_text(value)))
    }

    /// Fails unless all keys are set in time.
    pub(super) fn wait(&self, keys: &[String], timeout: Duration) -> Result<(), Error> {
        let keys = Text::list(keys);
        // SAFETY: store and texts live through the call.
        check("wait for the other processes", unsafe {
            tch_ext_dist_store_wait(self.as_ptr(), keys.as_ptr(), keys.len(), milliseconds(timeout))
        })
    }

    /// Adds to a number, 0 at first; returns the sum.
    pub(super) fn add(&self, key: &str, amount: i64) -> Result<i64, Error> {
        let mut sum = 0;
        // SAFETY: store and text live through the call.
        check("write to the store", unsafe {
            tch_ext_dist_store_add(self.as_ptr(), Text::new(key), amount, &mut sum)
        })?;
        Ok(sum)
    }

    /// Sets the key if nobody has; returns its value, which may be another's.
    pub(super) fn claim(&self, key: &str, value: &str) -> Result<String, Error> {
        let mut winner = ptr::null_mut();
        // SAFETY: store and texts live through the call, which writes the winner before it returns null.
        check("write to the store", unsafe {
            tch_ext_dist_store_claim(self.as_ptr(), Text::new(key), Text::new(value), &mut winner)
        })?;
        Ok(take_text(winner))
    }

    pub(super) fn as_ptr(&self) -> *const ForeignStore {
        self.0.0.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_claim_a_key_keeps_it() {
        let store = Store::local().unwrap();
        assert_eq!(store.get("reason").unwrap(), None);
        assert_eq!(store.claim("reason", "first").unwrap(), "first");
        assert_eq!(store.claim("reason", "second").unwrap(), "first");
        assert_eq!(store.get("reason").unwrap().as_deref(), Some("first"));
        assert_eq!((store.add("count", 2).unwrap(), store.add("count", 1).unwrap()), (2, 3));
        let other = store.under("other").unwrap();
        assert_eq!(other.claim("reason", "third").unwrap(), "third");
        assert_eq!(store.get("reason").unwrap().as_deref(), Some("first"));
        let keys = ["reason".to_owned(), "nobody".to_owned()];
        assert!(store.wait(&keys[..1], Duration::from_millis(10)).is_ok());
        assert!(store.wait(&keys, Duration::from_millis(10)).is_err());
    }
}
