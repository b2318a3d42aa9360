//! Which errors of c10d mean that another process is lost, and what they say.

use std::time::Duration;

use super::ranks_in_words;
use crate::Error;

/// Texts of Gloo and of c10d's sockets about a peer that closed, or stays silent.
const LOST: &[&str] = &[
    "gloo/transport",
    "Connection closed by peer",
    "Connection reset by peer",
    "Connection refused",
    "Broken pipe",
    "Timed out waiting",
    "Gloo connectFullMesh failed",
    "failed to recv, got 0 bytes",
    "monitoredBarrier",
];

pub(super) fn error(call: &'static str, text: &str) -> Error {
    let message = reason(text);
    if LOST.iter().any(|sign| text.contains(sign)) {
        Error::Lost { call, message }
    } else {
        Error::Libtorch { call, message }
    }
}

/// Rank 0 knows who is missing: "Ranks 1, 3 failed to pass monitoredBarrier in 4000 ms", also where they are gone and it did
/// not wait so long.
pub(super) fn barrier(text: &str, timeout: Duration, waited: Duration) -> Error {
    const CALL: &str = "wait for all processes";
    let ranks: Vec<usize> = text
        .split_once("Ranks ")
        .and_then(|(_, rest)| rest.split_once(" failed to pass"))
        .map(|(ranks, _)| ranks.split(',').filter_map(|rank| rank.trim().parse().ok()).collect())
        .unwrap_or_default();
    if ranks.is_empty() {
        error(CALL, text)
    } else if waited < timeout {
        Error::Lost { call: CALL, message: format!("the connection to {} is closed", ranks_in_words(&ranks)) }
    } else {
        Error::Missing { ranks, timeout }
    }
}

/// The first line without the place in Gloo's source and without its advice.
fn reason(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default();
    let line = match line.strip_prefix('[').and_then(|line| line.split_once("] ")) {
        Some((place, rest)) if place.contains(".cc:") => rest,
        _ => line,
    };
    line.split(". This may indicate").next().unwrap_or(line).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_connection_is_a_lost_process() {
        let text = "[../third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:4242. \
                    This may indicate a possible application crash on rank 0 or a network set up issue.";
        let error = error("reduce a tensor", text);
        assert!(
            matches!(&error, Error::Lost { message, .. } if message == "Connection closed by peer [127.0.0.1]:4242")
        );
        assert!(matches!(super::error("reduce", "Tensors must be contiguous"), Error::Libtorch { .. }));
    }

    #[test]
    fn a_barrier_names_the_ranks_that_are_missing() {
        let second = Duration::from_secs(1);
        let text = "[Rank 0]: Ranks 1, 3 failed to pass monitoredBarrier in 1000 ms";
        let error = barrier(text, second, second);
        assert!(matches!(&error, Error::Missing { ranks, .. } if ranks == &[1, 3]), "{error}");
        assert_eq!(error.to_string(), "ranks 1 and 3 did not arrive within 1 s");
        let gone = barrier(text, second, second / 10);
        assert_eq!(gone.to_string(), "cannot wait for all processes: the connection to ranks 1 and 3 is closed");
        let elsewhere = "[Rank 1]: Error in monitoredBarrier: [../gloo/transport/tcp/pair.cc:1] Connection closed";
        assert!(matches!(barrier(elsewhere, second, second), Error::Lost { .. }));
    }
}
