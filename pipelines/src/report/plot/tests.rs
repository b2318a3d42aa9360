//! Figures are well formed, show their data within the frame, and list what cannot be drawn.

use std::error::Error;
use std::path::Path;

use eval::classification::{ClassificationEvaluator, ClassificationOptions};
use eval::coco::{AnalysisOptions, analyze_files};
use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::{Axis, HeatMap, Line, LineChart, Point, PointSeries, ScatterPlot};

type Outcome = Result<(), Box<dyn Error>>;

/// More than the rounding of coordinates.
const SLACK: f64 = 0.02;

fn point(label: &str, x: f64, y: f64) -> Point {
    Point { label: label.to_owned(), x, y }
}

fn scatter(points: Vec<Point>, logarithmic: bool) -> ScatterPlot {
    let axis = |title| if logarithmic { Axis::logarithmic(title) } else { Axis::linear(title) };
    let series = vec![PointSeries { name: "deploy form".to_owned(), points }];
    ScatterPlot { title: "Accuracy <against> latency".to_owned(), x: axis("latency, ms"), y: axis("top-1, %"), series }
}

fn chart(lines: Vec<Vec<[f64; 2]>>) -> LineChart {
    let line = |(number, points)| Line { name: format!("line {number}"), points };
    LineChart {
        title: "Losses".to_owned(),
        x: Axis::linear("epoch"),
        y: Axis::logarithmic("loss, nats"),
        lines: lines.into_iter().enumerate().map(line).collect(),
    }
}

fn map(values: Vec<Vec<f64>>) -> HeatMap {
    let names = |letter: char| (0..3).map(|number| format!("{letter}&{number}")).collect();
    HeatMap {
        title: "Confusions".to_owned(),
        row_axis: "truth".to_owned(),
        column_axis: "prediction".to_owned(),
        rows: names('r'),
        columns: names('c'),
        values,
        range: None,
        notes: vec!["a note".to_owned()],
    }
}

fn of_class<'a>(document: &'a Document<'a>, class: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    let has = move |node: &Node<'_, '_>| {
        node.attribute("class").is_some_and(|classes| classes.split(' ').any(|word| word == class))
    };
    document.descendants().filter(has)
}

fn texts(document: &Document<'_>) -> Vec<String> {
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

fn words(document: &Document<'_>, class: &str) -> Vec<String> {
    of_class(document, class).map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
}

/// Left, top, right and bottom.
fn frame(document: &Document<'_>) -> [f64; 4] {
    let frame = of_class(document, "frame").next().expect("a frame");
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|side| number(frame, side));
    [x, y, x + width, y + height]
}

fn pair(text: &str) -> [f64; 2] {
    let numbers: Vec<f64> = text.split([' ', ',']).filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().unwrap_or([f64::NAN; 2])
}

/// The positions of marks and of the points of lines.
fn places(document: &Document<'_>) -> Vec<[f64; 2]> {
    let marks = of_class(document, "point").filter_map(|node| node.attribute("transform"));
    let marks = marks.map(|place| pair(place.trim_start_matches("translate(").trim_end_matches(')')));
    let lines = of_class(document, "line").filter_map(|node| node.attribute("points"));
    marks.chain(lines.flat_map(|points| points.split(' ').map(pair).collect::<Vec<_>>())).collect()
}

fn inside([left, top, right, bottom]: [f64; 4], [x, y]: [f64; 2]) -> bool {
    (left - SLACK..=right + SLACK).contains(&x) && (top - SLACK..=bottom + SLACK).contains(&y)
}

#[test]
fn a_scatter_plot_names_its_points_axes_and_series() -> Outcome {
    let plot = scatter(vec![point("s0 & \"small\"", 5.2, 71.4), point("s1", 9.1, 75.9), point("s4", 40.0, 79.4)], true);
    let svg = plot.svg();
    let document = Document::parse(&svg)?;
    let texts = texts(&document);
    let expected =
        ["Accuracy <against> latency", "latency, ms", "top-1, %", "deploy form", "s0 & \"small\"", "s1", "s4"];
    for text in expected {
        assert!(texts.iter().any(|found| found == text), "{text:?} is not among {texts:?}");
    }
    assert_eq!(document.root_element().attribute("aria-label"), Some("Accuracy <against> latency"));
    assert_eq!(words(&document, "x")[..3], ["5", "10", "20"].map(String::from), "ticks of a logarithmic axis");
    let places = places(&document);
    assert_eq!(places.len(), 3);
    // 5.2 to 9.1 is a third of the way to 40 in logarithms, a ninth in differences.
    let share = (places[1][0] - places[0][0]) / (places[2][0] - places[0][0]);
    assert!((share - (9.1f64 / 5.2).ln() / (40.0f64 / 5.2).ln()).abs() < 1e-3, "{share}");
    assert!(places[0][1] > places[1][1] && places[1][1] > places[2][1], "higher is better");
    Ok(())
}

#[test]
fn labels_of_near_points_do_not_overlap() -> Outcome {
    let points = ["left", "right", "above", "below"].map(|label| (label, 5.0));
    let points = points.iter().enumerate().map(|(number, (label, x))| point(label, *x, 70.0 + 0.2 * number as f64));
    let svg = scatter(points.chain([point("low", 1.0, 50.0), point("high", 9.0, 90.0)]).collect(), false).svg();
    let document = Document::parse(&svg)?;
    let boxes: Vec<[f64; 4]> = of_class(&document, "label")
        .map(|node| {
            let (x, y) = (number(node, "x"), number(node, "y"));
            [x, y - 8.0, x + 6.0 * node.text().unwrap_or_default().len() as f64, y]
        })
        .collect();
    assert_eq!(boxes.len(), 6);
    for (place, a) in boxes.iter().enumerate() {
        for b in &boxes[place + 1..] {
            assert!(a[0] >= b[2] || b[0] >= a[2] || a[1] >= b[3] || b[1] >= a[3], "{a:?} overlaps {b:?}");
        }
    }
    Ok(())
}

#[test]
fn points_that_cannot_be_drawn_are_listed_and_the_others_drawn() -> Outcome {
    let points = vec![point("good", 1.0, 2.0), point("zero", 0.0, 2.0), point("nan", 1.0, f64::NAN)];
    let svg = scatter(points.clone(), true).svg();
    let document = Document::parse(&svg)?;
    assert_eq!(places(&document).len(), 1);
    let note = words(&document, "note").join(" ");
    let expected = "2 points cannot be drawn (not finite, or not above 0 on a logarithmic axis): zero, nan";
    assert_eq!(note, expected);
    let svg = scatter(points, false).svg();
    assert_eq!(places(&Document::parse(&svg)?).len(), 2, "0 can be drawn on a linear axis");

    let many = (0..20).map(|number| point(&format!("p{number}"), f64::INFINITY, 0.0)).collect();
    let svg = scatter(many, false).svg();
    let note = words(&Document::parse(&svg)?, "note").join(" ");
    assert!(note.starts_with("no data 20 points") && note.ends_with("p6, p7 and 12 more"), "{note}");
    Ok(())
}

#[test]
fn figures_without_data_say_so() -> Outcome {
    let empty = [scatter(Vec::new(), true).svg(), chart(Vec::new()).svg(), chart(vec![Vec::new()]).svg()];
    for svg in &empty {
        let document = Document::parse(svg)?;
        assert_eq!((words(&document, "note"), places(&document).len()), (vec!["no data".to_owned()], 0));
    }
    let nothing = HeatMap { rows: Vec::new(), columns: Vec::new(), ..map(Vec::new()) };
    let svg = nothing.svg();
    assert_eq!(words(&Document::parse(&svg)?, "note"), ["a note", "no data"]);
    Ok(())
}

#[test]
fn a_line_has_a_gap_at_a_missing_value_and_a_mark_at_a_single_point() -> Outcome {
    let nan = f64::NAN;
    let points = vec![[0.0, 3.0], [1.0, 2.0], [2.0, nan], [3.0, 1.5], [4.0, 0.0], [5.0, 1.2], [6.0, 1.1]];
    let svg = chart(vec![points, vec![[0.0, 1.0], [6.0, 4.0]]]).svg();
    let document = Document::parse(&svg)?;
    let turns = |node: Node<'_, '_>| node.attribute("points").map_or(0, |points| points.split(' ').count());
    assert_eq!(of_class(&document, "line").map(turns).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(of_class(&document, "point").count(), 1);
    assert_eq!(words(&document, "legend"), ["line 0", "line 1"]);
    let note = words(&document, "note").join(" ");
    assert!(note.starts_with("2 points") && note.ends_with("line 0 (2, NaN), line 0 (4, 0)"), "{note}");
    let colors: Vec<_> = of_class(&document, "line").filter_map(|node| node.attribute("stroke")).collect();
    assert!(colors[0] != colors[1] && colors[1] == colors[2], "{colors:?}");
    Ok(())
}

#[test]
fn a_long_line_keeps_its_peaks_and_few_of_its_points() -> Outcome {
    let mut points: Vec<[f64; 2]> = (0..100_000).map(|step| [f64::from(step), 1.0]).collect();
    points[54_321][1] = 1000.0;
    points[65_432][1] = 0.001;
    let svg = chart(vec![points]).svg();
    assert!(svg.len() < 100_000, "{} bytes", svg.len());
    let document = Document::parse(&svg)?;
    let heights: Vec<f64> = places(&document).into_iter().map(|[_, y]| y).collect();
    let [_, top, _, bottom] = frame(&document);
    let (highest, lowest) =
        (heights.iter().copied().fold(f64::MAX, f64::min), heights.iter().copied().fold(0.0, f64::max));
    let margin = (bottom - top) * 0.06;
    assert!(highest < top + margin && lowest > bottom - margin, "{highest} {lowest} in {top} {bottom}");
    Ok(())
}

#[test]
fn more_lines_than_colours_differ_in_dashes() -> Outcome {
    let svg = chart((0..28).map(|number| vec![[0.0, 1.0], [1.0, 2.0 + f64::from(number)]]).collect()).svg();
    let document = Document::parse(&svg)?;
    let mut looks: Vec<_> = of_class(&document, "line")
        .map(|node| {
            (node.attribute("stroke").map(str::to_owned), node.attribute("stroke-dasharray").map(str::to_owned))
        })
        .collect();
    looks.sort();
    looks.dedup();
    assert_eq!((looks.len(), words(&document, "legend").len()), (28, 28));
    Ok(())
}

#[test]
fn a_heat_map_shades_the_values_that_it_has() -> Outcome {
    let svg = map(vec![vec![0.0, 0.5, 1.0], vec![f64::NAN, 0.25, f64::INFINITY], vec![0.125]]).svg();
    let document = Document::parse(&svg)?;
    assert_eq!((words(&document, "row").len(), words(&document, "column").len()), (3, 3));
    assert_eq!(words(&document, "row")[1], "r&1");
    let fills: Vec<_> = of_class(&document, "cell").filter_map(|node| node.attribute("fill")).collect();
    assert_eq!((fills.len(), of_class(&document, "undefined").count()), (9, 4));
    assert_eq!((fills[0], fills[2], fills[3]), ("#f7fbff", "#08306b", "#d9d9d9"));
    assert_eq!(words(&document, "value"), ["0", "0.50", "1", "0.25", "0.12"]);
    let [left, top, right, bottom] = frame(&document);
    for cell in of_class(&document, "cell") {
        let corner = [number(cell, "x"), number(cell, "y")];
        let end = [corner[0] + number(cell, "width"), corner[1] + number(cell, "height")];
        assert!(inside([left, top, right, bottom], corner) && inside([left, top, right, bottom], end));
    }
    Ok(())
}

#[test]
fn confusions_are_shares_of_the_truth_and_the_most_confused_classes_are_shown() -> Outcome {
    let options = ClassificationOptions { top_k: vec![1], ..Default::default() };
    let mut evaluator = ClassificationEvaluator::new(["ant", "bee", "cat", "dog"], options)?;
    for (truth, predicted) in [(0, 0), (1, 1), (1, 3), (3, 1), (3, 3), (3, 3), (3, 3)] {
        let mut scores = [0.0; 4];
        scores[predicted] = 1.0;
        evaluator.add("1.jpg", &scores, truth)?;
    }
    let report = evaluator.finish();
    let names = ["ant", "bee", "cat", "dog"].map(str::to_owned);
    let map = |limit| HeatMap::of_confusions("Confusions", &report.confusion, &names, limit);
    let all = map(10);
    assert_eq!((all.rows.len(), &all.values[3][..]), (4, &[0.0, 0.25, 0.0, 0.75][..]));
    assert!(all.values[2].iter().all(|share| share.is_nan()), "there is no cat");
    let most = map(2);
    assert_eq!((&most.rows[..], &most.columns), (&["bee".to_owned(), "dog".to_owned()][..], &most.rows));
    assert_eq!(most.values, [[0.5, 0.5], [0.25, 0.75]]);
    assert!(most.notes.iter().any(|note| note == "The 2 classes with the most confusions of 4."));
    Document::parse(&most.svg())?;
    Ok(())
}

#[test]
fn an_analysis_is_drawn_as_curves_and_as_confusions_with_background() -> Outcome {
    let golden = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../eval/tests/golden").join(name);
    let report =
        analyze_files(golden("coco_annotations.json"), golden("coco_predictions.json"), AnalysisOptions::default())?;
    let chart = LineChart::of_precision_and_recall(&report, 2);
    assert_eq!(chart.lines.len(), 3, "the mean and two classes");
    let most = report.per_class.iter().max_by_key(|class| class.objects).ok_or("no class")?;
    let name = format!("{} (AP50 {:.3})", most.name, most.ap50().ok_or("no AP50")?);
    assert_eq!(chart.lines[1].name, name);
    let points: Vec<[f64; 2]> = (0..101).map(|at| [f64::from(at) / 100.0, most.precision[at as usize]]).collect();
    assert_eq!(chart.lines[1].points, points);
    // The mean of the mean curve is the AP50 of all classes.
    let mean = chart.lines[0].points.iter().map(|point| point[1]).sum::<f64>() / 101.0;
    assert!((mean - report.tide.ap50).abs() <= 1e-12, "{mean} is not {}", report.tide.ap50);
    let svg = chart.svg();
    assert!(Document::parse(&svg)?.descendants().any(|node| node.text() == Some(name.as_str())));

    let map = HeatMap::of_background_confusions(&report.confusion, usize::MAX);
    assert_eq!(map.rows, report.confusion.classes);
    assert_eq!(map.rows.last().map(String::as_str), Some("background"));
    let shares: Vec<f64> = map.values.iter().map(|row| row.iter().sum()).collect();
    assert!(shares.iter().all(|share| share.is_nan() || (share - 1.0).abs() < 1e-12), "{shares:?}");
    Document::parse(&map.svg())?;
    Ok(())
}

/// Any number, often one that can be drawn.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::num::f64::ANY,
        -1e3..1e3,
        prop::sample::select(vec![0.0, 1.0, f64::MAX, f64::MIN_POSITIVE, 5e-324])
    ]
}

fn label() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z<&>\"' ]{0,12}", any::<String>(), Just("\u{1}\u{FFFF}\n".to_owned())]
}

/// A label as it is written in XML.
fn written(label: &str) -> String {
    let letter = |letter: char| match letter {
        '\t' | '\n' | '\r' => ' ',
        '\0'..='\x1F' | '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
        letter => letter,
    };
    label.chars().map(letter).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_points_give_a_well_formed_figure_with_all_drawable_points_inside(
        points in prop::collection::vec((label(), value(), value()), 0..12),
        title in label(),
        logarithmic: bool,
    ) {
        let made = || {
            let points = points.iter().map(|(label, x, y)| point(label, *x, *y)).collect();
            ScatterPlot { title: title.clone(), ..scatter(points, logarithmic) }
        };
        let svg = made().svg();
        prop_assert_eq!(&made().svg(), &svg);
        let document = Document::parse(&svg)?;
        let draws = |value: f64| value.abs() <= 1e300 && (!logarithmic || value >= 1e-300);
        let (drawn, refused): (Vec<_>, Vec<_>) = points.iter().partition(|(_, x, y)| draws(*x) && draws(*y));
        let (places, sides) = (places(&document), frame(&document));
        prop_assert_eq!(places.len(), drawn.len());
        for place in places {
            prop_assert!(inside(sides, place), "{place:?} is not inside {sides:?}");
        }
        let labels = words(&document, "label");
        for (label, ..) in drawn.iter().filter(|(label, ..)| !label.is_empty()) {
            prop_assert!(labels.contains(&written(label)), "{label:?}");
        }
        let said = words(&document, "note").join(" ").contains(&format!("{} point", refused.len()));
        prop_assert_eq!(said, !refused.is_empty());
        let name = document.root_element().attribute("aria-label").map(str::to_owned);
        prop_assert_eq!(name, Some(written(&title)));
    }

    #[test]
    fn any_lines_give_a_well_formed_figure_inside_its_frame(
        lines in prop::collection::vec(prop::collection::vec((value(), value()), 0..12), 0..5),
        shown in prop::option::of((value(), value())),
    ) {
        let points = |line: &Vec<(f64, f64)>| line.iter().map(|&(x, y)| [x, y]).collect();
        let mut chart = chart(lines.iter().map(points).collect());
        chart.x.shown = shown.map(|(low, high)| [low, high]);
        let svg = chart.svg();
        prop_assert_eq!(&chart.svg(), &svg);
        let document = Document::parse(&svg)?;
        let sides = frame(&document);
        for place in places(&document) {
            prop_assert!(inside(sides, place), "{place:?} is not inside {sides:?}");
        }
        for tick in of_class(&document, "grid") {
            let ends = [[number(tick, "x1"), number(tick, "y1")], [number(tick, "x2"), number(tick, "y2")]];
            prop_assert!(ends.iter().all(|&end| inside(sides, end)), "{ends:?}");
        }
        prop_assert!(of_class(&document, "grid").count() <= 30);
        prop_assert_eq!(words(&document, "legend").len(), lines.len());
    }

    #[test]
    fn any_matrix_gives_a_well_formed_figure(
        values in prop::collection::vec(prop::collection::vec(value(), 0..5), 0..5),
        names in prop::collection::vec(label(), 0..5),
        range in prop::option::of((value(), value())),
    ) {
        let range = range.map(|(low, high)| [low, high]);
        let map = HeatMap { rows: names.clone(), columns: names.clone(), range, ..map(values) };
        let svg = map.svg();
        prop_assert_eq!(&map.svg(), &svg);
        let document = Document::parse(&svg)?;
        prop_assert_eq!(of_class(&document, "cell").count(), names.len() * names.len());
        let rows = words(&document, "row");
        prop_assert!(names.iter().all(|name| rows.contains(&written(name))));
    }
}
