//! A run drawn on a terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph, Row, Table};

use super::state::State;

const LOSS: Color = Color::Blue;
const METRIC: Color = Color::Yellow;

/// Draws a run with its classes from `first_class` on.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, first_class: usize) {
    let rows = state.classes().rows.len() as u16;
    let classes = if rows == 0 { 0 } else { (rows + 3).min(frame.area().height / 2) };
    let [head, curves, table, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(6),
        Constraint::Length(classes),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let title = Line::from(Span::styled(state.title(), Style::new().add_modifier(Modifier::BOLD)));
    frame.render_widget(Paragraph::new(vec![title, Line::from(state.pace())]), head);
    let [left, right] = Layout::horizontal([Constraint::Percentage(50); 2]).areas(curves);
    draw_curve(frame, left, ("loss", "step"), &state.losses(), LOSS);
    let (name, points) = state.headline();
    draw_curve(frame, right, (name, "epoch"), &points, METRIC);
    draw_classes(frame, table, state, first_class);
    frame.render_widget(Paragraph::new("q quit   up and down: classes").style(Style::new().dim()), foot);
}

fn draw_curve(frame: &mut Frame<'_>, area: Rect, (name, along): (&str, &str), points: &[[f64; 2]], color: Color) {
    let Some(last) = points.last() else {
        let block = Block::bordered().title(format!(" {name} "));
        return frame.render_widget(Paragraph::new("nothing yet").block(block), area);
    };
    let block = Block::bordered().title(format!(" {name} {:.4} ", last[1]));
    let drawn: Vec<(f64, f64)> = points.iter().map(|&[x, y]| (x, y)).collect();
    let axis = |place: usize| {
        let values = points.iter().map(|point| point[place]);
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let margin = if high > low { 0.0 } else { 0.5 * high.abs().max(1e-3) };
        [low - margin, high + margin]
    };
    let (x, y) = (axis(0), axis(1));
    let graph = if points.len() > 1 { GraphType::Line } else { GraphType::Scatter };
    let curve = Dataset::default().marker(Marker::Braille).graph_type(graph).style(Style::new().fg(color)).data(&drawn);
    let chart = Chart::new(vec![curve])
        .block(block)
        .x_axis(Axis::default().title(along).bounds(x).labels(x.map(|value| format!("{value:.0}"))))
        .y_axis(Axis::default().bounds(y).labels(y.map(|value| format!("{value:.3}"))))
        .legend_position(None);
    frame.render_widget(chart, area);
}

fn draw_classes(frame: &mut Frame<'_>, area: Rect, state: &State, first: usize) {
    let classes = state.classes();
    if area.is_empty() {
        return;
    }
    let header = Row::new(classes.header.clone()).style(Style::new().add_modifier(Modifier::BOLD));
    let rows = classes.rows.iter().skip(first).map(|row| Row::new(row.clone()));
    let widths =
        std::iter::once(Constraint::Min(12)).chain(classes.header.iter().skip(1).map(|_| Constraint::Length(9)));
    let title = format!(" last evaluation, {} classes ", classes.rows.len());
    frame.render_widget(Table::new(rows, widths).header(header).block(Block::bordered().title(title)), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunFolder;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(state: &State, (width, height): (u16, u16), first_class: usize) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state, first_class)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_run_is_drawn_from_its_files_at_any_size() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("config.yaml", include_str!("../../../../configs/shapes/detect.yaml"));
        let mut state = State::new(&RunFolder::open(folder.path()).unwrap()).unwrap();
        state.update().unwrap();
        assert!(drawn(&state, (80, 24), 0).contains("nothing yet"));

        write(
            "metrics.csv",
            "epoch,step,seconds,images_per_second,lr,loss,ap\n1,4,10,9.5,0.1,2.5,0.125\n2,8,20,9,0.1,1.5,0.25\n",
        );
        write("classes.csv", "class,id,objects,ap\nKäfer,1,7,0.5\n汽车,2,9,0.25\n");
        state.update().unwrap();
        let screen = drawn(&state, (80, 24), 0);
        for text in ["epoch 2/", "9.0 images/s", " left", "loss 1.5000", "ap 0.2500", "Käfer", "汽", "2 classes"] {
            assert!(screen.contains(text), "{text}\n{screen}");
        }
        assert!(screen.chars().any(|letter| ('\u{2801}'..='\u{28ff}').contains(&letter)), "a curve\n{screen}");
        assert!(!drawn(&state, (80, 24), 1).contains("Käfer"), "scrolled");
        for size in [(1, 1), (10, 3), (30, 8), (300, 100)] {
            drawn(&state, size, 5);
        }
        let text = state.summary() + &state.lines(1) + &state.table();
        assert!(
            text.contains("epoch 2 step 8 lr 1.00e-1 loss 1.5000 ap 0.2500") && !text.contains("epoch 1 "),
            "{text}"
        );
    }
}
