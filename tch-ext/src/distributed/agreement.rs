//! What must be equal on all processes, checked before it does harm.

use super::group::Group;
use crate::Error;

impl Group {
    /// Compares a text of lines over all processes: the configuration, the data's checksum, the program's version.
    ///
    /// # Errors
    /// On all processes alike: [`Error::Differs`] with the first line that differs, or a process is lost.
    pub fn require_equal(&self, what: &str, text: &str) -> Result<(), Error> {
        let first = self.broadcast_bytes(text.as_bytes(), 0)?;
        let own = difference(&String::from_utf8_lossy(&first), text).unwrap_or_default();
        let all = self.all_gather_bytes(own.as_bytes())?;
        let differs = all.iter().enumerate().find(|(_, difference)| !difference.is_empty());
        let Some((rank, difference)) = differs else { return Ok(()) };
        let difference = String::from_utf8_lossy(difference).replacen("HERE", &format!("rank {rank}"), 1);
        Err(Error::Differs { what: what.to_owned(), difference })
    }
}

/// The first line that differs; `HERE` stands for the rank that has the second text.
fn difference(first: &str, here: &str) -> Option<String> {
    if first == here {
        return None;
    }
    let (mut left, mut right) = (first.lines(), here.lines());
    loop {
        match (left.next(), right.next()) {
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return Some("HERE has other line ends than rank 0".to_owned()),
            (a, b) => {
                let quoted = |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("`{line}`"));
                return Some(format!("HERE has {} where rank 0 has {}", quoted(b), quoted(a)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        assert_eq!(difference("a\nb\nc", "a\nb\nc"), None);
        assert_eq!(difference("a\nb\nc", "a\nx\ny").as_deref(), Some("HERE has `x` where rank 0 has `b`"));
        assert_eq!(difference("a", "a\nb").as_deref(), Some("HERE has `b` where rank 0 has nothing"));
        assert_eq!(difference("a", "a\n").as_deref(), Some("HERE has other line ends than rank 0"));
    }
}
