//! Records that cannot be used.

use std::fmt;

use super::id::Id;

/// The list that a record is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// `images`.
    Image,
    /// `categories`.
    Category,
    /// `annotations`.
    Annotation,
    /// A results file's own list.
    Prediction,
}

/// A record that cannot be used: `annotation 7 (the 3rd), image 12: category_id is null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The list.
    pub record: RecordKind,
    /// The place in the list, from 0.
    pub index: usize,
    /// The record's id, where it has one.
    pub id: Option<Id>,
    /// The image of an annotation or a prediction, where it is known.
    pub image: Option<Id>,
    /// The field at fault, empty where it is the record.
    pub field: &'static str,
    /// What is wrong with it, as the rest of the sentence: `is null`.
    pub reason: String,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordKind::Image => "image",
            RecordKind::Category => "category",
            RecordKind::Annotation => "annotation",
            RecordKind::Prediction => "prediction",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Ordinal(self.index + 1);
        match &self.id {
            Some(id) => write!(f, "{} {id} (the {place})", self.record)?,
            None => write!(f, "the {place} {}", self.record)?,
        }
        if let Some(image) = &self.image {
            write!(f, ", image {image}")?;
        }
        f.write_str(": ")?;
        // `bbox[2]` is one word.
        let space = if self.field.is_empty() || self.reason.starts_with('[') { "" } else { " " };
        write!(f, "{}{space}{}", self.field, self.reason)
    }
}

impl std::error::Error for Problem {}

struct Ordinal(usize);

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match (self.0 % 100, self.0 % 10) {
            (11..=13, _) => "th",
            (_, 1) => "st",
            (_, 2) => "nd",
            (_, 3) => "rd",
            _ => "th",
        };
        write!(f, "{}{ending}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_record_place_image_and_field() {
        let problem = Problem {
            record: RecordKind::Annotation,
            index: 2,
            id: Some(7.into()),
            image: Some(12.into()),
            field: "category_id",
            reason: "is null".to_owned(),
        };
        assert_eq!(problem.to_string(), "annotation 7 (the 3rd), image 12: category_id is null");
        let unnamed =
            Problem { id: None, image: None, field: "", reason: "is a list".to_owned(), index: 10, ..problem };
        assert_eq!(unnamed.to_string(), "the 11th annotation: is a list");
    }
}
