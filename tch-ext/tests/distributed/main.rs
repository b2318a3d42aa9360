//! Many processes: each test starts copies of itself on this host, which join and check each other.

mod batch_norm;
mod collectives;
mod failures;
mod job;
mod joining;
mod training;
