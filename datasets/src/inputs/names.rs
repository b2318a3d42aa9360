//! Different names for the results of inputs.

use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The names in use, and those of files that are known in advance. Both are compared in lower case, as some file systems do.
pub(super) struct Names {
    used: HashSet<String>,
    reserved: HashSet<String>,
    /// The last number tried for a name: otherwise a thousand files with one name would need a million tries.
    numbers: HashMap<String, usize>,
}

impl Names {
    /// No numbered name is that of one of these files.
    pub(super) fn reserving<'a>(files: impl Iterator<Item = &'a Path>) -> Names {
        let reserved = files.map(|file| stem(file).to_lowercase()).collect();
        Names { used: HashSet::new(), reserved, numbers: HashMap::new() }
    }

    pub(super) fn of_file(&mut self, file: &Path) -> String {
        self.free(stem(file))
    }

    pub(super) fn of_frame(&mut self, video: &str, index: usize) -> String {
        let name = format!("{video}-{index:06}");
        if self.reserved.contains(&name.to_lowercase()) { self.numbered(&name) } else { self.free(name) }
    }

    fn free(&mut self, name: String) -> String {
        if self.used.insert(name.to_lowercase()) { name } else { self.numbered(&name) }
    }

    fn numbered(&mut self, name: &str) -> String {
        let number = self.numbers.entry(name.to_lowercase()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{name}-{number}");
            let key = numbered.to_lowercase();
            if !self.reserved.contains(&key) && self.used.insert(key) {
                return numbered;
            }
        }
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn given(files: &[&str], reserve: bool) -> Vec<String> {
        let reserved = if reserve { files } else { &[] };
        let mut names = Names::reserving(reserved.iter().map(Path::new));
        files.iter().map(|file| names.of_file(Path::new(file))).collect()
    }

    #[test]
    fn files_with_one_name_are_numbered_around_every_known_name() {
        let files = ["a/x.jpg", "b/x.jpg", "c/x.png", "x-2.jpg", "a/X.jpg", "y.tar.jpg"];
        assert_eq!(given(&files, true), ["x", "x-3", "x-4", "x-2", "X-5", "y.tar"]);
        assert_eq!(given(&files, false), ["x", "x-2", "x-3", "x-2-2", "X-4", "y.tar"]);
    }

    #[test]
    fn frames_are_numbered_around_the_names_of_files() {
        let files = ["clip.mp4", "clip-000001.jpg"].map(Path::new);
        let mut names = Names::reserving(files.into_iter());
        assert_eq!(names.of_file(files[0]), "clip");
        assert_eq!(
            [0, 1, 2].map(|index| names.of_frame("clip", index)),
            ["clip-000000", "clip-000001-2", "clip-000002"]
        );
        assert_eq!(names.of_file(files[1]), "clip-000001");
    }

    proptest! {
        #[test]
        fn no_two_inputs_get_one_name(
            files in prop::collection::vec("[ab]/[xX](-[0-9]){0,2}\\.(jpg|png)", 0..40),
            reserve in any::<bool>(),
        ) {
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let names: HashSet<String> = given(&files, reserve).iter().map(|name| name.to_lowercase()).collect();
            prop_assert_eq!(names.len(), files.len());
        }
    }
}
