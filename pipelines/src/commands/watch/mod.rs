//! `pipeline watch`: a run as it trains, from the files in its folder alone. It works beside the training process, on another
//! machine that sees the folder, and on a run that has ended.

mod screen;
mod state;

use front::cli::WatchArgs;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::time::{Duration, Instant};

use crate::console::{self, Screen};
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::run::RunFolder;
use state::State;

pub(super) fn run(args: &WatchArgs) -> Result<(), Failure> {
    let mut state = State::new(&RunFolder::open(&args.run)?)?;
    state.update()?;
    let every = Duration::from_secs_f64(args.every);
    if args.once {
        Ok(console::data(&(state.summary() + &state.lines(0) + &state.table()))?)
    } else if console::is_screen() {
        on_screen(&mut state, every)
    } else {
        as_lines(&mut state, every)
    }
}

/// A line for each epoch, until the run ends.
fn as_lines(state: &mut State, every: Duration) -> Result<(), Failure> {
    let interruption = Interruption::listen()?;
    console::data(&state.summary())?;
    let mut printed = 0;
    loop {
        console::data(&state.lines(printed))?;
        printed = state.epochs_done();
        if state.is_finished() {
            return Ok(console::data(&state.table())?);
        }
        let looked = Instant::now();
        while looked.elapsed() < every {
            if let Some(signal) = interruption.signal() {
                return Err(Interruption::failure(signal));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        state.update()?;
    }
}

/// Curves and tables until a key ends it.
fn on_screen(state: &mut State, every: Duration) -> Result<(), Failure> {
    let mut screen = Screen::open()?;
    let mut first_class = 0;
    let mut looked = Instant::now();
    loop {
        first_class = first_class.min(state.classes().rows.len().saturating_sub(1));
        screen.draw(|frame| screen::draw(frame, state, first_class))?;
        if event::poll(every.saturating_sub(looked.elapsed())).map_err(console::screen_failure)? {
            match event::read().map_err(console::screen_failure)? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match wish(key) {
                    Some(Wish::End) => return Ok(()),
                    Some(Wish::Down(rows)) => first_class += rows,
                    Some(Wish::Up(rows)) => first_class = first_class.saturating_sub(rows),
                    None => {}
                },
                _ => {}
            }
        }
        if looked.elapsed() >= every {
            state.update()?;
            looked = Instant::now();
        }
    }
}

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    End,
    Down(usize),
    Up(usize),
}

fn wish(key: KeyEvent) -> Option<Wish> {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::End),
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::End),
        KeyCode::Down | KeyCode::Char('j') => Some(Wish::Down(1)),
        KeyCode::Up | KeyCode::Char('k') => Some(Wish::Up(1)),
        KeyCode::PageDown => Some(Wish::Down(10)),
        KeyCode::PageUp => Some(Wish::Up(10)),
        _ => None,
    }
}
