//! Pages are well formed, ask nobody for anything, and show hostile names as text.

use std::error::Error;

use super::example::{Mark, Picture, Shape};
use super::{Contents, Drawing, Example, Rank, RunPage, Runs, SCRIPT, Section};
use crate::console::Table;
use crate::report::Metrics;
use crate::report::plot::{Curve, Figure, LineChart, Scale, ScatterPlot};
use datasets::mask::Mask;
use datasets::{Image, Size};

type Outcome = Result<(), Box<dyn Error>>;

/// A name that would run or end something where it is not escaped.
const HOSTILE: &str = "</script><script>alert('1')</script>\"><img src=x onerror=alert(2)>{{ 7 * 7 }}";

fn chart(name: &str) -> LineChart {
    let points = vec![[0.0, 0.5], [1.0, 0.25]];
    LineChart {
        title: format!("Curve of {name}"),
        axes: ["x", "y"].map(str::to_owned),
        ranges: [None; 2],
        curves: vec![Curve { name: name.to_owned(), points }],
    }
}

fn picture(marks: [Vec<Mark>; 2]) -> Result<Picture, Box<dyn Error>> {
    let [truth, prediction] = marks;
    let size = Size { height: 40, width: 60 };
    Ok(Picture { truth, prediction, ..Picture::of(&Image::filled(size, [200, 100, 0]), size)? })
}

fn run(name: &str, examples: Vec<Example>) -> Result<RunPage, Box<dyn Error>> {
    let mut table = Table::new("A rule\nin two lines", &["class", "AP"]);
    table.rows = vec![vec![HOSTILE.to_owned(), "0.5".to_owned()], vec!["dog".to_owned(), "-".to_owned()]];
    let figures = vec![Drawing::new("curve", &Figure::Lines(chart(HOSTILE)))?];
    let contents = Contents {
        task: "detect".to_owned(),
        metric: "ap".to_owned(),
        value: Some(0.25),
        interval: None,
        threshold: Some(0.4),
        ignored: None,
        scalars: vec!["ap".to_owned()],
        classes: vec![(HOSTILE.to_owned(), Some(0.5)), ("dog".to_owned(), None)],
        sections: vec![Section { title: "Accuracy".to_owned(), figures, tables: vec![table] }],
        examples,
        ranked: "Images are ranked".to_owned(),
    };
    let metrics = Metrics::parse("epoch,step,lr,loss,ap\n1,4,0.1,2.5,0.1\n2,8,0.1,2.0,0.25");
    let files = vec![("config.yaml".to_owned(), format!("name: {HOSTILE}"))];
    Ok(RunPage { name: name.to_owned(), folder: name.into(), contents, metrics, int8: None, files })
}

fn examples() -> Result<Vec<Example>, Box<dyn Error>> {
    let mark = |class, score, x| Mark::new(class, HOSTILE, score, Shape::Box([x, 5.0, 20.0, 10.0]));
    let boxes = [vec![mark(0, None, 1.0)], vec![mark(0, Some(0.9), 2.0), mark(1, Some(0.2), 30.0)]];
    let example = |rank, picture| Example { name: HOSTILE.to_owned(), rank, score: 0.5, picture };
    Ok(vec![example(Rank::Worst, picture(boxes.clone())?), example(Rank::Best, picture(boxes)?)])
}

/// No element and no attribute came from a name, and nothing is fetched.
fn assert_harmless(html: &str) {
    assert_eq!(html.matches("<script").count(), 1, "one script, the page's own");
    assert!(html.contains(&format!("<script>{SCRIPT}</script>")), "which is not escaped");
    assert!(!html.contains("<img src=x") && !html.contains("49<"), "no tag and no template");
    for attribute in ["src=\"", "href=\""] {
        for (place, _) in html.match_indices(attribute) {
            let address = html[place + attribute.len()..].split('"').next().unwrap_or_default();
            assert!(address.starts_with("data:") || address.starts_with('#'), "{address}");
        }
    }
}

#[test]
fn names_of_a_run_s_page_stay_text() -> Outcome {
    let html = run("one", examples()?)?.html()?;
    assert_harmless(&html);
    assert!(html.contains("Content-Security-Policy") && html.contains("default-src 'none'"));
    assert!(html.matches("&lt;script&gt;").count() >= 8, "in tables, figures, marks, captions and files");
    assert!(html.contains("name: &lt;"));
    Ok(())
}

#[test]
fn a_page_has_each_part_that_there_is() -> Outcome {
    let html = run("one", examples()?)?.html()?;
    let count = |text: &str| html.matches(text).count();
    assert_eq!((count("class=\"mark truth\""), count("class=\"mark prediction\"")), (2, 4));
    assert_eq!((count("data-score=\"0.9\""), count("name=\"class\"")), (2, 2));
    assert!(html.contains("value=\"0.4\"") && html.contains("<output for=\"threshold\" id=\"threshold-value\">0.40<"));
    for part in ["Loss and its parts", "Validation", "Learning rate", "The worst", "The best", "<h2 id=\"files\""] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("As good as half"), "no example is typical");

    let bare = run("one", Vec::new())?.html()?;
    assert!(!bare.contains("Examples") && !bare.contains("id=\"threshold\""));
    Ok(())
}

#[test]
fn masks_are_layers_and_labels_are_lists() -> Outcome {
    let mask = Mask { height: 2, width: 3, data: vec![0, 1, 255, 2, 1, 1] };
    let mut masked = picture([Vec::new(), Vec::new()])?;
    masked.truth = masked.layers(&mask, &["none", "sky", "road"], &[0])?;
    let names: Vec<&str> = masked.truth.iter().map(|mark| mark.name.as_str()).collect();
    assert_eq!(names, ["sky", "road"]);
    let example = |picture| Example { name: "1.jpg".to_owned(), rank: Rank::Typical, score: 0.5, picture };
    let html = run("one", vec![example(masked)])?.html()?;
    assert_eq!(html.matches("<image href=\"data:image/png;base64,").count(), 2);
    assert!(!html.contains("id=\"threshold\""), "masks have no score");

    let labels = picture([
        vec![Mark::new(3, "cat", None, Shape::Whole)],
        vec![Mark::new(4, "dog", Some(0.75), Shape::Whole), Mark::new(3, "cat", Some(0.25), Shape::Whole)],
    ])?;
    let html = run("one", vec![example(labels)])?.html()?;
    assert!(html.contains("dog 0.750") && !html.contains("class=\"mark"), "a class is not on a place");
    assert!(!html.contains("id=\"controls\""));
    Ok(())
}

#[test]
fn runs_are_drawn_together_and_compared_class_by_class() -> Outcome {
    let [one, mut two] = [run("one", Vec::new())?, run("two", examples()?)?];
    two.contents.classes.reverse();
    two.contents.classes[1].1 = Some(0.75);
    let scatter = ScatterPlot { title: "Accuracy", axes: ["ms", "ap"], scale: Scale::Linear, series: Vec::new() };
    let runs = [one, two];
    let page = Runs {
        runs: &runs,
        table: Table::new("", &["run", "ap"]),
        scatter: Figure::Scatter(scatter),
        differences: vec![Table::new("A: one, B: two", &["metric"])],
    };
    let html = page.html()?;
    assert_harmless(&html);
    assert!(html.contains("A: one, B: two") && html.contains("Curves, side by side"));
    let row = html.split("<th scope=\"row\">").nth(1).unwrap_or_default();
    let numbers: Vec<&str> = row.split("<td class=\"number\">").skip(1).filter_map(|cell| cell.get(..6)).collect();
    assert_eq!(numbers[..2], ["0.5000", "0.7500"], "the class of both runs, wherever it stands");
    assert!(html.matches("one: &lt;").count() >= 1 && html.matches("two: &lt;").count() >= 1, "a curve of each");
    Ok(())
}

#[test]
fn contents_are_read_as_they_are_written_and_missing_ones_name_the_next_step() -> Outcome {
    let folder = tempfile::tempdir()?;
    let missing = Contents::read(folder.path()).err().ok_or("there is none")?;
    assert!(missing.next_step().unwrap_or_default().contains("pipeline eval"), "{missing}");
    let contents = run("one", examples()?)?.contents;
    contents.write(folder.path())?;
    assert_eq!(Contents::read(folder.path())?, contents);
    std::fs::write(folder.path().join("page.json"), "{}")?;
    assert!(Contents::read(folder.path()).is_err());
    Ok(())
}
