//! Several processes of one job, started as launchers start them.

mod doctor;
mod failures;
mod launchers;
mod resuming;
mod training;

use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far beyond what any job takes, for a machine that is busy with others.
const DEADLINE: Duration = Duration::from_secs(120);

/// The processes of a job, started with the variables that torchrun sets. Dropping it kills those that are left.
struct Job(Vec<Child>);

impl Job {
    /// One process for each command, by rank.
    fn start(commands: impl IntoIterator<Item = Command>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = listener.expect("a free port").port().to_string();
        let commands: Vec<Command> = commands.into_iter().collect();
        let count = commands.len().to_string();
        let start = |(rank, mut command): (usize, Command)| {
            let rank = rank.to_string();
            let variables = [("RANK", &rank), ("LOCAL_RANK", &rank), ("WORLD_SIZE", &count), ("MASTER_PORT", &port)];
            command.envs(variables).env("MASTER_ADDR", "127.0.0.1");
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
        };
        Self(commands.into_iter().enumerate().map(start).collect())
    }

    /// Waits until all have ended.
    fn outputs(mut self) -> Vec<Output> {
        self.0.drain(..).map(|child| child.wait_with_output().expect("ended")).collect()
    }

    /// The same, where all succeed.
    fn succeed(self) {
        for (rank, output) in self.outputs().iter().enumerate() {
            assert!(output.status.success(), "rank {rank}: {}", errors(output));
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
        }
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What all processes printed that begins with `error:`.
fn sentences(outputs: &[Output]) -> Vec<String> {
    let of_all: String = outputs.iter().map(errors).collect();
    of_all.lines().filter_map(|line| line.strip_prefix("error: ")).map(str::to_owned).collect()
}

/// Waits until `holds`.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Settings under which nothing is drawn from the generators of single processes.
fn without_dropout(task: &str) -> &'static [&'static str] {
    match task {
        "classify" => &["head.dropout=0"],
        "segment" => &["head.dropout=0", "head.auxiliary.dropout=0"],
        _ => &[],
    }
}
