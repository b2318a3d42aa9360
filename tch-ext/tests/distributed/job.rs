//! A test as a job of several processes: the test's program is started again for each rank, with the name of the test.

use std::{
    any::type_name,
    env,
    fs::{self, File},
    net::TcpListener,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use tch_ext::distributed::{JoinOptions, Launch, World, exit_at_once};
use tempfile::TempDir;

const TEST: &str = "TCH_EXT_DISTRIBUTED_TEST";
/// Far beyond what any job takes, for a machine that is busy with others.
const DEADLINE: Duration = Duration::from_secs(120);

/// How a process ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub output: String,
}

/// The processes of a job. Dropping it kills those that are left.
pub struct Job {
    processes: Vec<(Child, PathBuf)>,
    _folder: TempDir,
}

/// The launch of this process, if `test` started it.
pub fn launch<T: Fn() + Copy>(_test: T) -> Option<Launch> {
    let started = env::var(TEST).is_ok_and(|name| name == name_of::<T>());
    started.then(|| Launch::from_env().expect("variables of a launcher").expect("a launch"))
}

/// Runs `body` in `size` processes of `test`, and expects all to succeed.
pub fn in_processes<T: Fn() + Copy>(test: T, size: usize, body: impl Fn(&World)) {
    if let Some(launch) = launch(test) {
        if launch.world_size == size {
            run(&launch, body);
        }
        return;
    }
    for attempt in 1.. {
        let outcomes = Job::start(test, size).outcomes();
        // Another program may take the free port first.
        if attempt < 3 && outcomes.iter().any(|outcome| outcome.output.contains("choose another MASTER_PORT")) {
            continue;
        }
        for (rank, Outcome { status, output }) in outcomes.iter().enumerate() {
            assert!(status.success(), "rank {rank} of {size} ended with {status}:\n{output}");
            println!("rank {rank} of {size}: {output}");
        }
        return;
    }
}

/// As one process of a job. Ends without unwinding through connections that wait for others.
fn run(launch: &Launch, body: impl Fn(&World)) -> ! {
    let run = || {
        let world =
            World::join(launch, &JoinOptions { timeout: DEADLINE, ..JoinOptions::default() }).expect("all join");
        body(&world);
        world.leave(DEADLINE).expect("all leave");
    };
    exit_at_once(i32::from(catch_unwind(AssertUnwindSafe(run)).is_err()))
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Job {
    pub fn start<T: Fn() + Copy>(test: T, size: usize) -> Self {
        let port = free_port();
        Self::start_all(test, (0..size).map(|rank| Launch::local(rank, size, port)))
    }

    pub fn start_all<T: Fn() + Copy>(_test: T, launches: impl IntoIterator<Item = Launch>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let start = |(index, launch): (usize, Launch)| {
            let path = folder.path().join(index.to_string());
            let output = || File::options().append(true).create(true).open(&path).expect("a file for the output");
            let mut command = Command::new(env::current_exe().expect("the test's program"));
            command.args([name_of::<T>(), "--exact", "--nocapture"]).env(TEST, name_of::<T>());
            command.envs(launch.variables()).env("OMP_NUM_THREADS", "1").stdout(output()).stderr(output());
            (command.spawn().expect("a process"), path)
        };
        Self { processes: launches.into_iter().enumerate().map(start).collect(), _folder: folder }
    }

    /// Ends a process as the system does when memory runs out.
    pub fn kill(&mut self, index: usize) {
        self.processes[index].0.kill().expect("a process to kill");
    }

    /// Waits until all processes have written `text`.
    pub fn wait_for(&self, text: &str) {
        self.poll(|| self.outputs().iter().all(|output| output.contains(text)).then_some(()));
    }

    /// Waits until all processes have ended.
    pub fn outcomes(mut self) -> Vec<Outcome> {
        let mut statuses = vec![None; self.processes.len()];
        let mut processes = std::mem::take(&mut self.processes);
        let ended = self.poll(|| {
            for (status, (child, _)) in statuses.iter_mut().zip(&mut processes) {
                *status = status.or(child.try_wait().expect("a child process"));
            }
            statuses.iter().copied().collect::<Option<Vec<ExitStatus>>>()
        });
        self.processes = processes;
        ended.into_iter().zip(self.outputs()).map(|(status, output)| Outcome { status, output }).collect()
    }

    fn poll<R>(&self, mut done: impl FnMut() -> Option<R>) -> R {
        let start = Instant::now();
        loop {
            if let Some(result) = done() {
                return result;
            }
            assert!(start.elapsed() < DEADLINE, "still running: {:#?}", self.outputs());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the processes have written so far.
    pub fn outputs(&self) -> Vec<String> {
        let read = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).expect("the output")).into_owned();
        self.processes.iter().map(|(_, path)| read(path)).collect()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        for (child, _) in &mut self.processes {
            // Fails for a process that has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The name of a test as its program takes it: the path without the crate.
fn name_of<T>() -> &'static str {
    let name = type_name::<T>();
    name.split_once("::").map_or(name, |(_, path)| path)
}
