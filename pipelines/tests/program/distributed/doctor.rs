//! `pipeline doctor --distributed` and `pipeline bench --train`.

use super::{Job, errors};
use crate::workshop::{Workshop, fail, pipeline, succeed};

#[test]
fn doctor_shows_who_is_where_once() {
    let outputs = Job::start((0..2).map(|_| pipeline(&["doctor", "--distributed", "--json"]))).outputs();
    for (rank, output) in outputs.iter().enumerate() {
        assert!(output.status.success(), "rank {rank}: {}", errors(output));
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
fn doctor_starts_processes_itself() {
    let table = succeed(&["doctor", "--distributed", "--processes", "3"]);
    assert!(table.starts_with("3 processes") && table.matches("\n| ").count() == 4, "{table}");
}

#[test]
fn doctor_without_a_launcher_says_how_to_start_one() {
    let refused = fail(&["doctor", "--distributed"], 2);
    assert!(refused.contains("a single process") && refused.contains("hint: Add --processes 2"), "{refused}");
    let alone = pipeline(&["doctor", "--distributed"]).env("RANK", "3").env("WORLD_SIZE", "2").output().expect("run");
    let said = errors(&alone);
    assert_eq!(alone.status.code(), Some(2), "{said}");
    assert!(said.contains("RANK"), "{said}");
}

#[test]
fn a_number_of_processes_is_refused_where_it_has_no_use() {
    assert!(fail(&["doctor", "--processes", "2"], 2).contains("--processes is only valid with --distributed"));
    assert!(fail(&["bench", "s0", "--processes", "2"], 2).contains("--processes is only valid with --train"));
}

#[test]
fn bench_shows_how_a_job_scales() {
    let workshop = Workshop::new();
    let words = ["bench", "--train", &workshop.at("job.yaml"), "--processes", "2", "--seconds", "0.1", "--json"];
    let report: serde_json::Value = serde_json::from_str(&succeed(&words)).expect("JSON");
    let rows = report["rows"].as_array().expect("a list");
    assert_eq!(rows.len(), 2);
    for (row, count) in rows.iter().zip([1, 2]) {
        assert_eq!((row["processes"].as_u64(), row["images_per_step"].as_u64()), (Some(count), Some(2 * count)));
        let rates = &row["images_per_second"];
        assert!(rates["loader"].as_f64() > Some(0.0) && rates["steps"].as_f64() > Some(0.0), "{row}");
    }
}

#[test]
fn bench_shows_how_fast_a_job_reads() {
    let workshop = Workshop::new();
    let job = workshop.at("job.yaml");
    let words = ["bench", "--loader", &job, "--seconds", "0.1", "--json", "--set", "data.workers=1"];
    let report: serde_json::Value = serde_json::from_str(&succeed(&words)).expect("JSON");
    assert_eq!(report["workers"], 1);
    assert!(report["images_per_second"].as_f64() > Some(0.0), "{report}");
    assert!(fail(&["bench", "--loader", &job, "--train", &job], 2).contains("cannot be used with"));
    assert!(
        fail(&["bench", "--loader", &job, "--processes", "2"], 2).contains("--processes is only valid with --train")
    );
}
