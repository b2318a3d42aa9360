//! A meeting point for processes that one program starts on its host.

use super::{
    launch::{Launch, Listener},
    store::Store,
};
use crate::Error;

/// Where processes of this host meet, hosted by the program that starts them, as by `torchrun`'s agent: on a port that no other
/// program can take first, and for as long as this is not dropped. Processes whose meeting point is gone fail.
#[derive(Debug)]
pub struct MeetingPoint {
    _store: Store,
    port: u16,
}

impl MeetingPoint {
    /// Opens it on a free port.
    ///
    /// # Errors
    /// libtorch's own message.
    pub fn open() -> Result<Self, Error> {
        let (store, port) = Store::host()?;
        Ok(Self { _store: store, port })
    }

    /// The launch of one of `world_size` processes that meet here. Give it to the process by [`Launch::variables`].
    pub fn launch(&self, rank: usize, world_size: usize) -> Launch {
        let job = format!("{}-{}", std::process::id(), self.port);
        Launch { listener: Listener::Agent, job, ..Launch::local(rank, world_size, self.port) }
    }
}
