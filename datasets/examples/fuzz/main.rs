//! Feeds every reader with damaged files for a while: `cargo run --example fuzz -- SECONDS [TARGET...]`.
//!
//! A panic or a broken promise ends it with the input's seed; the last line of a target says how much was tried and the most
//! memory that the process held.

#![allow(clippy::print_stdout)] // A program of its own.

mod mutation;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs, process};

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let Some(seconds) = words.next().and_then(|word| word.parse().ok()) else {
        println!("usage: fuzz SECONDS [TARGET...]");
        return ExitCode::from(2);
    };
    let wanted: Vec<String> = words.collect();
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    let mut sound = true;
    for target in targets::all(&formats)
        .iter()
        .filter(|target| wanted.is_empty() || wanted.iter().any(|name| name == target.name))
    {
        sound &= fuzz(target, Duration::from_secs(seconds));
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fuzz(target: &targets::Target, time: Duration) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let first = u64::from(process::id()) << 32;
    let (begun, mut runs, mut accepted) = (Instant::now(), 0, 0);
    while begun.elapsed() < time {
        let seed = first + runs;
        let bytes = mutation::mutated(&target.seeds[runs as usize % target.seeds.len()], seed);
        match catch_unwind(AssertUnwindSafe(|| (target.run)(&folder, &bytes))) {
            Ok(taken) => accepted += u64::from(taken),
            Err(_) => {
                let kept = env::temp_dir().join(format!("fuzz-{}-{seed}", target.name));
                fs::write(&kept, &bytes).expect("written");
                println!("{}: broken by seed {seed}, kept in {}", target.name, kept.display());
                return false;
            }
        }
        runs += 1;
    }
    println!(
        "{}: {runs} inputs in {} s, {accepted} accepted, none broken; {}",
        target.name,
        begun.elapsed().as_secs(),
        peak_memory()
    );
    true
}

fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    format!("at most {} of memory", peak.unwrap_or(" unknown").trim())
}
