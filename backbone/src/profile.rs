//! Time by layer: what a forward pass spends in each convolution and block.
//!
//! Layers report themselves by key to whoever records on the same thread; without a recording that costs a look at a flag. The times
//! are those of a CPU: on another device work is only handed over while a layer runs.

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

/// Runs `run` and gives what each layer took on this thread. A recording inside another takes its layers out of that.
pub fn record<R>(run: impl FnOnce() -> R) -> (R, Times) {
    let fresh = Recording { times: Times::new(), inside: Vec::new() };
    let before = RECORDING.replace(Some(fresh));
    let result = run();
    let recording = RECORDING.replace(before);
    (result, recording.map(|recording| recording.times).unwrap_or_default())
}

/// Runs a layer; its time goes to the recording, where there is one. `key` may end with a dot.
pub fn layer<R>(key: &str, run: impl FnOnce() -> R) -> R {
    if !RECORDING.with_borrow(Option::is_some) {
        return run();
    }
    RECORDING.with_borrow_mut(|recording| recording.iter_mut().for_each(|held| held.inside.push(Duration::ZERO)));
    let begun = Instant::now();
    let result = run();
    let whole = begun.elapsed();
    RECORDING.with_borrow_mut(|recording| {
        if let Some(held) = recording {
            let inside = held.inside.pop().unwrap_or_default();
            if let Some(outer) = held.inside.last_mut() {
                *outer += whole;
            }
            *held.times.entry(key.trim_end_matches('.').to_owned()).or_default() += whole.saturating_sub(inside);
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    #[test]
    fn each_layer_gets_its_own_time() {
        let short = Duration::from_millis(5);
        let (value, times) = record(|| {
            layer("a", || sleep(short));
            layer("b.", || {
                layer("b.c", || sleep(2 * short));
                sleep(short);
            });
            layer("a", || sleep(short));
            7
        });
        assert_eq!(value, 7);
        assert_eq!(times.keys().collect::<Vec<_>>(), ["a", "b", "b.c"]);
        assert!(times["a"] >= 2 * short && times["b.c"] >= 2 * short);
        assert!(times["b"] >= short && times["b"] < times["b.c"] + short, "{times:?}");
        layer("d", || ());
        assert!(record(|| ()).1.is_empty());
    }

    #[test]
    fn a_recording_inside_another_keeps_to_itself() {
        let ((_, inner), outer) = record(|| {
            layer("a", || ());
            record(|| layer("b", || ()))
        });
        assert_eq!(inner.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(outer.keys().collect::<Vec<_>>(), ["a"]);
    }
}
