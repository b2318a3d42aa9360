//! The program on real data.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::data_check::{check, count, damage};
use crate::workshop::{Workshop, read};

#[test]
#[ignore = "needs data: ../shared/data/bccd_voc"]
fn damage_to_a_copy_of_real_data_is_reported_completely() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/bccd_voc/BCCD");
    let workshop = Workshop::new();
    let copied = Command::new("cp").args(["-r", "--no-preserve=mode"]).arg(&source).arg(workshop.path("bccd")).status();
    assert!(copied.expect("cp runs").success());
    let bccd = workshop.path("bccd");
    let text = read(workshop.path("job.yaml"));
    let kept: String =
        text.lines().take_while(|line| !line.starts_with("data:")).map(|line| format!("{line}\n")).collect();
    let data = format!(
        "data:\n  root: {}\n  size: 64\n  train: {{ format: voc, split: train }}\n  val: {{ format: voc, split: val }}\n",
        bccd.display()
    );
    fs::write(workshop.path("task.yaml"), kept + &data).expect("written");
    let (_, before, _) = check(&workshop.at("task.yaml"));
    damage(&bccd);
    let (status, after, _) = check(&workshop.at("task.yaml"));
    assert_eq!(status, Some(1));
    for kind in ["unreadable", "annotation", "missing", "box_outside_frame"] {
        assert_eq!(count(&after, kind), count(&before, kind) + 1, "{kind}");
    }
}
