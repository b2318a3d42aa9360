//! Figures are well formed, show their data within the frame, and list what cannot be drawn.

use std::error::Error;
use std::path::Path;

use eval::classification::{ClassificationEvaluator, ClassificationOptions};
use eval::coco::{AnalysisOptions, analyze_files};
use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::frame::SIDES;
use super::{BarChart, ConfusionMap, Curve, LineChart, Point, PointSeries, SHARES, Scale, ScatterPlot};
use crate::report::coco::{precision_recall, thresholds};

type Outcome = Result<(), Box<dyn Error>>;

fn point(label: &str, x: f64, y: f64) -> Point {
    Point { label: label.to_owned(), x, y }
}

fn scatter(points: Vec<Point>, scale: Scale) -> ScatterPlot {
    let series = vec![PointSeries { name: "deploy form".to_owned(), points }];
    ScatterPlot { title: "Accuracy against latency", axes: ["latency, ms", "top-1, %"], scale, series }
}

fn curves(lines: Vec<Vec<[f64; 2]>>) -> LineChart {
    let curve = |(number, points)| Curve { name: format!("curve {number}"), points };
    LineChart {
        title: "Curves \"<&>\"".to_owned(),
        axes: ["x", "y"].map(str::to_owned),
        ranges: [SHARES, None],
        curves: lines.into_iter().enumerate().map(curve).collect(),
    }
}

fn map(shares: Vec<Vec<f64>>) -> ConfusionMap {
    let classes = (0..3).map(|number| format!("c&{number}")).collect();
    ConfusionMap { title: "Confusions", classes, shares, notes: vec!["a note".to_owned()] }
}

fn texts(document: &Document<'_>) -> Vec<String> {
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or_default().trim().to_owned()).collect()
}

fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
}

/// The positions of the first series' marks; the last is of the legend.
fn marks(document: &Document<'_>) -> Vec<[f64; 2]> {
    let circles = document.descendants().filter(|node| node.has_tag_name("circle"));
    circles.map(|node| [number(node, "cx"), number(node, "cy")]).collect()
}

fn inside([x, y]: [f64; 2]) -> bool {
    let [(left, top), (right, bottom)] = SIDES.map(|(x, y)| (f64::from(x), f64::from(y)));
    (left..=right).contains(&x) && (top..=bottom).contains(&y)
}

#[test]
fn a_scatter_plot_names_its_points_axes_and_series() -> Outcome {
    let points = vec![point("s0 & <small>", 5.2, 71.4), point("s1", 9.1, 75.9), point("s4", 40.0, 79.4)];
    let svg = scatter(points, Scale::Logarithmic).svg()?;
    let document = Document::parse(&svg)?;
    let texts = texts(&document);
    let expected = ["Accuracy against latency", "latency, ms", "top-1, %", "deploy form", "s0 & <small>", "s1", "s4"];
    for text in expected.into_iter().chain(["10", "20"]) {
        assert!(texts.iter().any(|found| found == text), "{text:?} is not among {texts:?}");
    }
    assert_eq!(document.root_element().attribute("aria-label"), Some("Accuracy against latency"));
    let marks = marks(&document);
    assert_eq!(marks.len(), 4);
    // 5.2 to 9.1 is a third of the way to 40 in logarithms, a ninth in differences.
    let share = (marks[1][0] - marks[0][0]) / (marks[2][0] - marks[0][0]);
    assert!((share - (9.1f64 / 5.2).ln() / (40.0f64 / 5.2).ln()).abs() < 1e-3, "{share}");
    assert!(marks[0][1] > marks[1][1] && marks[1][1] > marks[2][1], "higher is better");
    Ok(())
}

#[test]
fn a_logarithmic_axis_has_round_ticks_at_every_length() -> Outcome {
    for (low, high, expected) in [
        (3.0, 9.0, ["4", "6", "8"].as_slice()),
        (11.0, 19.0, &["12", "14", "16", "18"]),
        (3.0, 300.0, &["5", "10", "20", "50", "100", "200"]),
        (1.0, 1e4, &["1", "10", "100", "1000", "10000"]),
    ] {
        let svg = scatter(vec![point("", low, 1e-3), point("", high, 1e-3)], Scale::Logarithmic).svg()?;
        let texts = texts(&Document::parse(&svg)?);
        assert!(expected.iter().all(|tick| texts.iter().any(|text| text == tick)), "{low} to {high}: {texts:?}");
    }
    Ok(())
}

#[test]
fn labels_of_near_points_do_not_overlap() -> Outcome {
    let points = ["left", "right", "above", "below"].map(|label| (label, 5.0));
    let points = points.iter().enumerate().map(|(number, (label, x))| point(label, *x, 70.0 + 0.2 * number as f64));
    let points: Vec<Point> = points.chain([point("low", 1.0, 50.0), point("high", 9.0, 90.0)]).collect();
    let svg = scatter(points.clone(), Scale::Linear).svg()?;
    let document = Document::parse(&svg)?;
    let is_label = |node: &Node<'_, '_>| points.iter().any(|point| node.text().map(str::trim) == Some(&point.label));
    let boxes: Vec<[f64; 4]> = document
        .descendants()
        .filter(|node| node.has_tag_name("text") && is_label(node))
        .map(|node| {
            let (x, y) = (number(node, "x"), number(node, "y"));
            [x, y - 40.0, x + 60.0 * node.text().unwrap_or_default().trim().len() as f64, y + 40.0]
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
    let svg = scatter(points.clone(), Scale::Logarithmic).svg()?;
    let document = Document::parse(&svg)?;
    assert_eq!(marks(&document).len(), 2);
    let said = texts(&document);
    assert_eq!(
        said[said.len() - 2..],
        ["2 points cannot be drawn (not finite, or not above 0 on a logarithmic axis):", "zero, nan"]
    );
    let svg = scatter(points, Scale::Linear).svg()?;
    assert_eq!(marks(&Document::parse(&svg)?).len(), 3, "0 can be drawn on a linear axis");

    let many = (0..20).map(|number| point(&format!("p{number}"), f64::INFINITY, 0.0)).collect();
    let said = texts(&Document::parse(&scatter(many, Scale::Linear).svg()?)?).join(" ");
    assert!(said.contains("no data") && said.ends_with("p6, p7 and 12 more"), "{said}");
    Ok(())
}

#[test]
fn figures_without_data_say_so() -> Outcome {
    let nothing = ConfusionMap { classes: Vec::new(), ..map(Vec::new()) };
    for svg in [scatter(Vec::new(), Scale::Logarithmic).svg()?, curves(vec![Vec::new()]).svg()?, nothing.svg()?] {
        let texts = texts(&Document::parse(&svg)?);
        assert!(texts.iter().any(|text| text == "no data"), "{texts:?}");
    }
    Ok(())
}

#[test]
fn curves_leave_out_what_cannot_be_drawn_and_mark_single_points() -> Outcome {
    let svg = curves(vec![vec![[0.5, f64::NAN], [0.5, 2.0]], vec![[f64::INFINITY, 0.0]]]).svg()?;
    let document = Document::parse(&svg)?;
    assert_eq!(document.root_element().attribute("aria-label"), Some("Curves \"<&>\""));
    let marks = marks(&document);
    assert!(marks.len() == 1 && inside(marks[0]), "{marks:?}");
    assert!(!texts(&document).contains(&"curve 1".to_owned()));
    Ok(())
}

#[test]
fn a_figure_is_no_wider_for_a_long_legend_whose_entries_stand_below_the_frame() -> Outcome {
    let [one, many] = [1, 20].map(|count| curves(vec![vec![[0.5, 1.0]]; count]).svg());
    let (one, many) = (one?, many?);
    let (one, many) = (Document::parse(&one)?, Document::parse(&many)?);
    assert_eq!(one.root_element().attribute("width"), many.root_element().attribute("width"));
    let names = many.descendants().filter(|node| node.text().is_some_and(|text| text.contains("curve ")));
    let names = names.filter(|node| node.has_tag_name("text"));
    let places: Vec<[f64; 2]> = names.map(|node| [number(node, "x"), number(node, "y")]).collect();
    assert_eq!(places.len(), 20);
    let [(left, _), (right, bottom)] = SIDES.map(|(x, y)| (f64::from(x), f64::from(y)));
    assert!(places.iter().all(|[x, y]| (left..right).contains(x) && *y > bottom), "{places:?}");
    assert!(places.iter().enumerate().all(|(at, place)| !places[..at].contains(place)), "{places:?}");
    Ok(())
}

#[test]
fn bars_are_as_long_as_their_values() -> Outcome {
    let bars = [("a<b", 0.5), ("half", 0.25), ("none", f64::NAN), ("negative", -1.0)];
    let bars = bars.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let svg = BarChart { title: "Costs".to_owned(), bars, notes: vec!["a note".to_owned()] }.svg()?;
    let document = Document::parse(&svg)?;
    let drawn = document.descendants().filter(|node| node.attribute("fill") == Some("#0072B2"));
    let widths: Vec<f64> = drawn.map(|node| number(node, "width")).collect();
    assert_eq!(widths, [4000.0, 2000.0, 0.0, 0.0]);
    let texts = texts(&document);
    assert!(["a<b", "0.5000", "-", "a note"].iter().all(|text| texts.iter().any(|found| found == text)), "{texts:?}");
    let empty = BarChart { title: String::new(), bars: Vec::new(), notes: Vec::new() }.svg()?;
    assert!(empty.contains("no data"));
    Ok(())
}

#[test]
fn more_curves_than_colours_differ_in_dashes() -> Outcome {
    let svg = curves((0..10).map(|number| vec![[0.0, 0.1], [1.0, 0.05 * f64::from(number)]]).collect()).svg()?;
    let document = Document::parse(&svg)?;
    let lines = |color: &str| {
        let drawn = document.descendants().filter(|node| node.has_tag_name("polyline"));
        drawn.filter(|node| node.attribute("stroke") == Some(color) && number(*node, "stroke-width") == 20.0).count()
    };
    assert_eq!(lines("#CC79A7"), 2, "the fourth curve is one line, in the figure and in the legend");
    assert!(lines("#0072B2") > 20, "the first and the eighth share a colour; the eighth is dashed");
    assert_eq!(texts(&document).iter().filter(|text| text.starts_with("curve ")).count(), 10);
    Ok(())
}

#[test]
fn a_confusion_map_shades_the_shares_that_it_has() -> Outcome {
    let svg = map(vec![vec![0.0, 0.5, 1.0], vec![f64::NAN, 0.25, f64::INFINITY], vec![0.125]]).svg()?;
    let document = Document::parse(&svg)?;
    let texts = texts(&document);
    let count = |text: &str| texts.iter().filter(|found| *found == text).count();
    assert_eq!((count("c&1"), count("truth"), count("prediction"), count("a note")), (2, 1, 1, 1));
    assert_eq!(["0", "0.50", "1", "0.25", "0.12"].map(count), [1; 5]);
    let size = |node: &Node<'_, '_>| number(*node, "width") == 440.0 && number(*node, "height") == 440.0;
    let cells = document.descendants().filter(|node| node.has_tag_name("rect") && size(node));
    let fills: Vec<_> = cells.filter_map(|node| node.attribute("fill")).collect();
    assert_eq!((fills.len(), fills.iter().filter(|fill| **fill == "#D9D9D9").count()), (9, 4));
    assert_eq!((fills[0], fills[2]), ("#F7FBFF", "#08306B"));
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
    let map = |limit| ConfusionMap::new("Confusions", &report.confusion, &names, limit);
    let all = map(10);
    assert_eq!((all.classes.len(), &all.shares[3][..]), (4, &[0.0, 0.25, 0.0, 0.75][..]));
    assert!(all.shares[2].iter().all(|share| share.is_nan()), "there is no cat");
    let most = map(2);
    assert_eq!(most.classes, ["bee", "dog"]);
    assert_eq!(most.shares, [[0.5, 0.5], [0.25, 0.75]]);
    assert!(most.notes.iter().any(|note| note == "The 2 classes with the most confusions of 4."));
    Document::parse(&most.svg()?)?;
    Ok(())
}

#[test]
fn an_analysis_is_drawn_as_curves_and_as_confusions_with_background() -> Outcome {
    let golden = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../eval/tests/golden").join(name);
    let report =
        analyze_files(golden("coco_annotations.json"), golden("coco_predictions.json"), AnalysisOptions::default())?;
    let chart = precision_recall(&report, 2);
    assert_eq!(chart.curves.len(), 3, "the mean and two classes");
    let most = report.per_class.iter().max_by_key(|class| class.objects).ok_or("no class")?;
    let name = format!("{} (AP50 {:.3})", most.name, most.ap50().ok_or("no AP50")?);
    assert_eq!(chart.curves[1].name, name);
    let points: Vec<[f64; 2]> = (0..101).map(|at| [f64::from(at) / 100.0, most.precision[at as usize]]).collect();
    assert_eq!(chart.curves[1].points, points);
    // The mean of the mean curve is the AP50 of all classes.
    let mean = chart.curves[0].points.iter().map(|point| point[1]).sum::<f64>() / 101.0;
    assert!((mean - report.tide.ap50).abs() <= 1e-12, "{mean} is not {}", report.tide.ap50);
    assert!(texts(&Document::parse(&chart.svg()?)?).contains(&name));

    let f1 = thresholds(&report);
    let best = report.best.ok_or("no best threshold")?.f1;
    let highest = f1.curves[0].points.iter().map(|point| point[1]).fold(0.0, f64::max);
    assert!(highest > 0.0 && highest <= best, "{highest} of {best}");

    let kept = report.thresholds.iter().filter(|point| point.recall > 0.0 || point.precision < 1.0).count();
    assert_eq!((f1.curves[0].points.len(), f1.curves[1].points.len()), (report.thresholds.len(), kept));
    assert!(f1.curves[1].points.iter().all(|point| point[0] <= 1.0 && point[1].is_finite()));

    let map = ConfusionMap::with_background(&report.confusion, usize::MAX);
    assert_eq!(map.classes, report.confusion.classes);
    assert_eq!(map.classes.last().map(String::as_str), Some("background"));
    let shares: Vec<f64> = map.shares.iter().map(|row| row.iter().sum()).collect();
    assert!(shares.iter().all(|share| share.is_nan() || (share - 1.0).abs() < 1e-12), "{shares:?}");
    Document::parse(&map.svg()?)?;
    Ok(())
}

/// Any number, often one that can be drawn.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::num::f64::ANY,
        -1e3..1e3,
        prop::sample::select(vec![0.0, 1.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e12, 1e-12])
    ]
}

fn label() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z<&>\"' ]{0,12}", any::<String>(), Just("\u{1}\u{FFFF}\n".to_owned())]
}

/// A label as it is written in XML.
fn written(label: &str) -> String {
    let refused = |letter: char| letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}');
    label.replace(refused, "\u{FFFD}").trim().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_points_give_a_well_formed_figure_with_all_drawable_points_inside(
        points in prop::collection::vec((label(), value(), value()), 0..12),
        logarithmic: bool,
    ) {
        let scale = if logarithmic { Scale::Logarithmic } else { Scale::Linear };
        let made = || scatter(points.iter().map(|(label, x, y)| point(label, *x, *y)).collect(), scale).svg();
        let svg = made()?;
        prop_assert_eq!(&made()?, &svg);
        let document = Document::parse(&svg)?;
        let draws = |value: f64| value.abs() <= 1e12 && (!logarithmic || value >= 1e-12);
        let (drawn, refused): (Vec<_>, Vec<_>) = points.iter().partition(|(_, x, y)| draws(*x) && draws(*y));
        let marks = marks(&document);
        prop_assert_eq!(marks.len(), drawn.len() + 1);
        for place in &marks[..drawn.len()] {
            prop_assert!(inside(*place), "{place:?} is outside of the frame");
        }
        let texts = texts(&document);
        for (label, ..) in drawn.iter().filter(|(label, ..)| !label.is_empty()) {
            prop_assert!(texts.contains(&written(label)), "{label:?}");
        }
        let said = texts.iter().any(|text| text.starts_with(&format!("{} point", refused.len())));
        prop_assert_eq!(said, !refused.is_empty());
    }

    #[test]
    fn any_shares_give_a_well_formed_map(
        shares in prop::collection::vec(prop::collection::vec(value(), 0..5), 0..5),
        names in prop::collection::vec(label(), 0..5),
    ) {
        let map = ConfusionMap { classes: names.clone(), ..map(shares) };
        let svg = map.svg()?;
        prop_assert_eq!(&map.svg()?, &svg);
        let texts = texts(&Document::parse(&svg)?);
        prop_assert!(names.iter().all(|name| texts.contains(&written(name))));
    }
}
