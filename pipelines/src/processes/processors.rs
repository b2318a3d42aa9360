//! How many threads each process computes with.

use rustix::thread::{CpuSet, sched_getaffinity};

use super::Processes;
use crate::failure::Failure;

/// Without a word from the user, the processes of a host share its processors.
///
/// # Errors
/// When a process is lost.
pub(super) fn share_processors(processes: &Processes) -> Result<(), Failure> {
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    let all = processes.gather((std::env::var_os("OMP_NUM_THREADS").is_some(), allowed(usable)))?;
    let hosts = processes.hosts();
    let own = processes.rank();
    let (given, allowed) = &all[own];
    if !given {
        let here = all.iter().zip(hosts).filter(|(_, host)| **host == hosts[own]);
        let here: Vec<&[usize]> = here.map(|((_, allowed), _)| allowed.as_slice()).collect();
        tch::set_num_threads(share(allowed, usable, &here) as i32);
    }
    Ok(())
}

/// The processors that this process may run on: `mpirun` and `srun` often bind each process to some of its own.
fn allowed(usable: usize) -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return (0..usable).collect() };
    (0..CpuSet::MAX_CPU).filter(|&processor| set.is_set(processor)).collect()
}

/// The part of a process that may run on the processors `allowed`, of which it may use the time of `usable` (a container may have
/// less than it sees). `here`: those of all processes of the host, itself included.
fn share(allowed: &[usize], usable: usize, here: &[&[usize]]) -> usize {
    let sharers = |processor: &usize| here.iter().filter(|other| other.contains(processor)).count().max(1);
    let part: f64 = allowed.iter().map(|processor| 1.0 / sharers(processor) as f64).sum();
    // Sums of thirds are not quite whole.
    (part * usable as f64 / allowed.len().max(1) as f64 + 1e-6).max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_share_the_processors_that_they_may_run_on() {
        let all: Vec<usize> = (0..12).collect();
        let all = all.as_slice();
        assert_eq!(share(all, 12, &[all; 3]), 4);
        assert_eq!(share(all, 12, &[all; 24]), 1);
        let halves = [&all[..6], &all[6..]];
        assert_eq!(share(halves[1], 6, &halves), 6, "bound by the launcher, each has its own already");
        let sockets = [halves[0], halves[1], halves[0], halves[1]];
        assert_eq!(share(halves[0], 6, &sockets), 3);
        assert_eq!(share(all, 6, &[all; 2]), 3, "a container may use half of what it sees");
    }

    #[test]
    fn the_processors_of_this_process_are_found() {
        assert!(!allowed(1).is_empty());
    }
}
