//! Pages of runs, and a run as text.

use crate::workshop::{Workshop, fail, json, output, read, succeed};

/// Trains without measuring.
fn train(workshop: &Workshop, name: &str, overrides: &[&str]) {
    let trained = output(&mut workshop.train(name, overrides));
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
}

#[test]
fn a_run_has_a_page_that_is_made_from_its_folder_alone() {
    let workshop = Workshop::new();
    train(&workshop, "one", &[]);
    let run = workshop.path("runs/one");
    let page = read(run.join("report.html"));
    let contents = json(&read(run.join("page.json")));
    let count = |text: &str| page.matches(text).count();
    let examples = contents["examples"].as_array().unwrap();
    assert_eq!((examples.len(), count("<figure class=\"example\"")), (6, 6), "each image of the validation set once");
    for (side, class) in [("truth", "class=\"mark truth\""), ("prediction", "class=\"mark prediction\"")] {
        let marks = |example: &serde_json::Value| example["picture"][side].as_array().unwrap().len();
        assert_eq!(count(class), examples.iter().map(marks).sum::<usize>(), "{side}");
    }
    for figure in ["precision_recall", "thresholds", "errors", "confusion"] {
        assert!(run.join(format!("plots/{figure}.svg")).is_file(), "{figure}");
    }
    for part in ["Training", "Errors", "Cost", "config.yaml", "environment.json", "% interval"] {
        assert!(page.contains(part), "{part}");
    }

    std::fs::rename(workshop.path("shapes"), workshop.path("elsewhere")).unwrap();
    let again = workshop.at("again.html");
    succeed(&["report", &workshop.at("runs/one"), "--html", "-o", &again]);
    assert_eq!(read(&again), page);

    std::fs::remove_file(run.join("page.json")).unwrap();
    let errors = fail(&["report", &workshop.at("runs/one"), "--html", "-o", &again], 1);
    assert!(
        errors.contains("has no page.json") && errors.contains("hint: Evaluate it with: pipeline eval"),
        "{errors}"
    );
    let errors = fail(&["report", &workshop.at("runs/one"), "--html"], 2);
    assert!(errors.contains("--output"), "{errors}");
}

#[test]
fn a_run_is_watched_as_text() {
    let workshop = Workshop::new();
    train(&workshop, "one", &[]);
    let run = workshop.at("runs/one");
    let whole = succeed(&["watch", &run]);
    let lines: Vec<&str> = whole.lines().collect();
    assert!(lines[0].starts_with("one (detect)  epoch 2/2") && lines[0].ends_with("finished"), "{whole}");
    assert!(lines[1].starts_with("epoch 1 step 3 lr ") && lines[2].contains(" ap "), "{whole}");
    assert!(lines[3].starts_with("| class ") && lines.iter().all(|line| line.chars().count() <= 160), "{whole}");
    assert_eq!(succeed(&["watch", &run, "--once"]), whole);

    std::fs::remove_file(workshop.path("runs/one/report.json")).unwrap();
    assert!(succeed(&["watch", &run, "--once"]).contains("0s left"), "its last evaluation goes on");
    let errors = fail(&["watch", &workshop.at("shapes")], 2);
    assert!(errors.contains("is not a run"), "{errors}");
}

#[test]
fn runs_side_by_side_have_differences_where_they_saw_the_same_images() {
    let workshop = Workshop::new();
    train(&workshop, "one", &[]);
    train(&workshop, "two", &["seed=8"]);
    let runs = [workshop.at("runs/one"), workshop.at("runs/two")];
    let file = workshop.at("both.html");
    let printed = succeed(&["report", &runs[0], &runs[1], "--html", "-o", &file]);
    assert!(printed.contains("one") && printed.contains("two"), "{printed}");
    let page = read(&file);
    for part in ["A: one, B: two", "paired bootstrap", "Curves, side by side", "ap of each class", "two: config.yaml"] {
        assert!(page.contains(part), "{part}");
    }

    std::fs::write(workshop.path("runs/two/ground_truth.json"), "{}").unwrap();
    let written = output(&mut crate::workshop::pipeline(&["report", &runs[0], &runs[1], "--html", "-o", &file]));
    let warning = String::from_utf8_lossy(&written.stderr).into_owned();
    assert!(written.status.success() && warning.contains("no differences between one and two"), "{warning}");
    assert!(!read(&file).contains("A: one"));
}
