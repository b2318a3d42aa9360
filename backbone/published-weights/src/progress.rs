//! Who hears how far a download is.

/// Hears how far a download is.
pub trait Progress: Sync {
    /// `done` of the `size` bytes are here. A transfer that begins anew says so once more.
    fn begin(&self, done: u64, size: u64);
    /// So many bytes more are here.
    fn advance(&self, bytes: u64);
    /// What is worth telling a person: why nothing moves, or why it begins anew.
    fn note(&self, text: &str);
}

/// Nobody.
impl Progress for () {
    fn begin(&self, _: u64, _: u64) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
}
