//! Time by layer: how long each convolution and block of a forward pass takes.
//!
//! Layers report their key to the recording on the same thread; without a recording they only check a flag. The times are
//! valid on a CPU: on other devices a layer only queues its work.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Time by key of a layer (`stage3.10.reparam_conv`), without that of the layers inside it.
pub type Times = BTreeMap<String, Duration>;

struct Recording {
    times: Times,
    /// Time of the layers that ran inside each layer that is running, outermost first.
    inside: Vec<Duration>,
}

thread_local! {
    static RECORDING: RefCell<Option<Recording>> = const { RefCell::new(None) };
}

/// Runs `run` and returns the time of each layer on this thread. The layers of a recording inside another belong to the inner one.
pub fn record<R>(run: impl FnOnce() -> R) -> (R, Times) {
    let fresh = Recording { times: Times::new(), inside: Vec::new() };
    let before = RECORDING.replace(Some(fresh));
    let result = run();
    let recording = RECORDING.replace(before);
    (result, recording.map(|recording| recording.times).unwrap_or_default())
}

/// Runs a layer and adds its time to the recording, if there is one. `key` may end with a dot.
pub fn layer<R>(key: &str, run: impl FnOnce() -> R) -> R {
    if !RECORDING.with_borrow(Option::is_some) {
        return run();
    }
    RECORDING.with_borrow_mut(|recording| recording.iter_mut().for_each(|open| open.inside.push(Duration::ZERO)));
    let start = Instant::now();
    let result = run();
    let elapsed = start.elapsed();
    RECORDING.with_borrow_mut(|recording| {
        if let Some(open) = recording {
            let inside = open.inside.pop().unwrap_or_default();
            if let Some(outer) = open.inside.last_mut() {
                *outer += elapsed;
            }
            *open.times.entry(key.trim_end_matches('.').to_owned()).or_default() += elapsed.saturating_sub(inside);
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    #[test]
    fn time_of_a_layer_excludes_its_inner_layers() {
        let short = Duration::from_millis(5);
        let begun = Instant::now();
        let (value, times) = record(|| {
            layer("a", || sleep(short));
            layer("b.", || {
                layer("b.c", || sleep(2 * short));
                sleep(short);
            });
            layer("a", || sleep(short));
            7
        });
        let elapsed = begun.elapsed();
        assert_eq!(value, 7);
        assert_eq!(times.keys().collect::<Vec<_>>(), ["a", "b", "b.c"]);
        assert!(times["a"] >= 2 * short && times["b.c"] >= 2 * short);
        let total: Duration = times.values().sum();
        assert!(times["b"] >= short && total <= elapsed, "{times:?}");
        layer("d", || ());
        assert!(record(|| ()).1.is_empty());
    }

    #[test]
    fn layers_of_an_inner_recording_are_not_in_the_outer_one() {
        let ((_, inner), outer) = record(|| {
            layer("a", || ());
            record(|| layer("b", || ()))
        });
        assert_eq!(inner.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(outer.keys().collect::<Vec<_>>(), ["a"]);
    }
}
