//! `--processes`: the processes of a job on this host, started by the command itself.

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tch_ext::distributed::{Launch, MeetingPoint};

use crate::console;
use crate::failure::Failure;
use crate::interruption::Interruption;

const INTERVAL: Duration = Duration::from_millis(20);
/// How long the others may take to end after one has failed and said so.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long they may take after one was killed, which they notice at their next exchange.
const AFTER_KILL: Duration = Duration::from_secs(30);

/// Starts this command `count` times, forwards signals, and ends this process with their exit status.
///
/// # Errors
/// When the processes cannot be started, or one was killed and no other could say so.
pub(super) fn start(count: usize) -> Result<(), Failure> {
    let arguments = without_processes(std::env::args_os().skip(1));
    let (status, _) = run(count, &arguments, Stdio::inherit())?;
    std::process::exit(status)
}

/// What this program prints with `arguments` in `count` processes.
///
/// # Errors
/// When the processes cannot be started, or fail, which they say themselves.
pub fn output_of(count: usize, arguments: &[OsString]) -> Result<Vec<u8>, Failure> {
    match run(count, arguments, Stdio::piped())? {
        (0, output) => Ok(output),
        (status, _) => std::process::exit(status),
    }
}

/// The exit status of `count` processes, and what rank 0 wrote where `output` is a pipe.
fn run(count: usize, arguments: &[OsString], output: Stdio) -> Result<(i32, Vec<u8>), Failure> {
    let outer = Launch::from_env().map_err(Failure::usage)?;
    if let Some(Launch { launcher, world_size, .. }) = outer.as_ref().filter(|outer| outer.world_size > 1) {
        return Err(Failure::usage(format!(
            "--processes starts processes, but a launcher started this one, as one of {world_size}: {} is set",
            launcher.rank_variable()
        ))
        .hint("Leave out --processes under torchrun, srun and mpirun, or let them start a single process."));
    }
    let interruption = Interruption::listen()?;
    let meeting = MeetingPoint::open()?;
    let program =
        std::env::current_exe().map_err(|error| Failure::failed(format!("cannot find this program: {error}")))?;
    let mut job = Job { processes: Vec::new(), first: None };
    let mut output = Some(output);
    for rank in 0..count {
        let mut launch = meeting.launch(rank, count);
        if let Some(outer) = outer.as_ref().filter(|outer| outer.is_named()) {
            // Started again by its launcher, the job finds its run.
            (launch.job, launch.restarted) = (outer.job.clone(), outer.restarted);
        }
        let mut command = Command::new(&program);
        command.args(arguments).envs(launch.variables()).stdin(Stdio::null());
        command.stdout(output.take().unwrap_or_else(Stdio::inherit));
        // A terminal sends Ctrl-C to its whole group: each process must get it once, from here.
        let child = command.process_group(0).spawn();
        job.processes.push(Process {
            child: child.map_err(|error| Failure::failed(format!("cannot start process {rank}: {error}")))?,
            status: None,
        });
    }
    let written = job.processes[0].child.stdout.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).map(|_| text)
        })
    });
    let status = job.wait(&interruption)?;
    let written = written.map(|reader| reader.join().unwrap_or_else(|_| Ok(Vec::new()))).transpose();
    Ok((status, written.map_err(Failure::failed)?.unwrap_or_default()))
}

/// The processes of a job. Dropping it kills those that are left.
struct Job {
    processes: Vec<Process>,
    /// The first failure: when it was noticed, and the status.
    first: Option<(Instant, ExitStatus)>,
}

struct Process {
    child: Child,
    status: Option<ExitStatus>,
}

impl Job {
    /// Waits until all have ended; the exit status for all.
    fn wait(mut self, interruption: &Interruption) -> Result<i32, Failure> {
        let mut forwarded = None;
        let mut silenced = false;
        while self.look()? > 0 {
            if let Some(signal) = interruption.signal().filter(|signal| forwarded != Some(*signal)) {
                self.forward(signal);
                forwarded = Some(signal);
            }
            if let Some((since, status)) = self.first {
                let limit = if status.code().is_some() { AFTER_FAILURE } else { AFTER_KILL };
                if since.elapsed() > limit && !silenced {
                    silenced = true;
                    self.kill();
                }
            }
            std::thread::sleep(INTERVAL);
        }
        let Some((_, status)) = self.first else { return Ok(0) };
        match (status.code(), status.signal()) {
            (Some(code), _) => Ok(code),
            (None, Some(signal)) if forwarded == Some(signal) => Ok(128 + signal),
            (None, Some(signal)) if silenced => {
                Err(Failure::failed(format!("a process of the job was ended by signal {signal}")))
            }
            (None, _) => Ok(1),
        }
    }

    /// How many are running.
    fn look(&mut self) -> Result<usize, Failure> {
        for process in self.processes.iter_mut().filter(|process| process.status.is_none()) {
            let status = process.child.try_wait().map_err(|error| Failure::failed(format!("cannot wait: {error}")))?;
            if let Some(status) = status.filter(|status| !status.success()) {
                self.first.get_or_insert((Instant::now(), status));
            }
            process.status = status;
        }
        Ok(self.processes.iter().filter(|process| process.status.is_none()).count())
    }

    fn forward(&self, signal: i32) {
        for process in self.processes.iter().filter(|process| process.status.is_none()) {
            let pid = i32::try_from(process.child.id()).ok().and_then(Pid::from_raw);
            // One that has just ended needs no signal.
            let _ = pid.zip(Signal::from_named_raw(signal)).map(|(pid, signal)| kill_process(pid, signal));
        }
    }

    fn kill(&mut self) {
        for (rank, process) in self.processes.iter_mut().enumerate().filter(|(_, process)| process.status.is_none()) {
            console::warning(format!("rank {rank} does not end and is killed"));
            // It may have ended meanwhile.
            let _ = process.child.kill();
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.status.is_none()) {
            // Best effort: this process ends with an error of its own.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

/// The arguments without `--processes N`, which the started processes must not see.
fn without_processes(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == "--" {
            kept.push(argument);
            kept.extend(arguments);
            break;
        } else if text == "--processes" {
            arguments.next();
        } else if !text.starts_with("--processes=") {
            kept.push(argument);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn started_processes_do_not_start_others() {
        let kept = |line: &str| {
            let kept = without_processes(line.split(' ').map(OsString::from));
            kept.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(kept("train a.yaml --processes 2 --json"), "train a.yaml --json");
        assert_eq!(kept("train --processes=12 a.yaml"), "train a.yaml");
        assert_eq!(kept("train a.yaml"), "train a.yaml");
        assert_eq!(kept("train -- --processes"), "train -- --processes");
    }
}
