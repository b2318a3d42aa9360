//! Several processes of one job, started as a launcher starts them.

use std::net::TcpListener;
use std::process::{Output, Stdio};

use crate::workshop::{fail, pipeline};

/// Runs the command once for each rank at the same time, with the variables that torchrun sets.
fn launch(arguments: &[&str], ranks: usize) -> Vec<Output> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let started: Vec<_> = (0..ranks)
        .map(|rank| {
            pipeline(arguments)
                .env("RANK", rank.to_string())
                .env("LOCAL_RANK", rank.to_string())
                .env("WORLD_SIZE", ranks.to_string())
                .env("MASTER_ADDR", "127.0.0.1")
                .env("MASTER_PORT", port.to_string())
                .env("OMP_NUM_THREADS", "1")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("started")
        })
        .collect();
    started.into_iter().map(|process| process.wait_with_output().expect("ended")).collect()
}

#[test]
fn doctor_shows_who_is_where_once() {
    let outputs = launch(&["doctor", "--distributed", "--json"], 2);
    for (rank, output) in outputs.iter().enumerate() {
        assert!(output.status.success(), "rank {rank}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(outputs[1].stdout.is_empty(), "only rank 0 prints");
    let report: serde_json::Value = serde_json::from_slice(&outputs[0].stdout).expect("JSON");
    let processes = report["processes"].as_array().expect("a list");
    let ranks: Vec<_> = processes.iter().map(|process| process["rank"].as_u64().expect("a number")).collect();
    assert_eq!(ranks, [0, 1]);
    assert!(processes[0]["pid"] != processes[1]["pid"], "{report}");
    assert!(report["latency_ms"].as_f64() > Some(0.0) && report["bandwidth_mb_per_s"].as_f64() > Some(0.0), "{report}");
}

#[test]
fn doctor_without_a_launcher_says_how_to_start_one() {
    let refused = fail(&["doctor", "--distributed"], 2);
    assert!(refused.contains("no launcher started this process") && refused.contains("hint: torchrun"), "{refused}");
    let alone = pipeline(&["doctor", "--distributed"]).env("RANK", "3").env("WORLD_SIZE", "2").output().expect("run");
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert_eq!(alone.status.code(), Some(2), "{said}");
    assert!(said.contains("RANK"), "{said}");
}
