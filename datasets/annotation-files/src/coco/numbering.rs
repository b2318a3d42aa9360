//! Numbers in place of ids, for programs that take nothing else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::file::File;
use super::id::Id;

/// A number for each id of a list: the id itself wherever possible.
///
/// Ids that are no numbers from 0 and below 2^64 are numbered from 1 in pycocotools' order, all of their list with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbering {
    /// Where the number is not how the id is written.
    written: HashMap<u64, Id>,
    /// Where the number is not the id.
    numbers: HashMap<Id, u64>,
}

/// The ids of a file's images and categories, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileIds {
    /// Of the images.
    pub images: Numbering,
    /// Of the categories.
    pub categories: Numbering,
}

impl FileIds {
    /// Numbers the images and categories of a file.
    pub fn of(file: &File) -> FileIds {
        FileIds {
            images: Numbering::of_images(file.images.iter().map(|image| &image.id)),
            categories: Numbering::of_categories(file.categories.iter().map(|category| &category.id)),
        }
    }
}

impl Numbering {
    /// Numbers images, whose order decides between equal scores: text that spells numbers is in the order of text, as in
    /// pycocotools.
    pub fn of_images<'a>(ids: impl IntoIterator<Item = &'a Id>) -> Numbering {
        let ids: Vec<&Id> = ids.into_iter().collect();
        if ids.iter().all(|id| !id.is_quoted() && id.number().is_some()) {
            return Numbering::default();
        }
        Numbering::by_rank(ids)
    }

    /// Numbers categories, whose order should not depend on how a file writes their ids: text that spells numbers stays those.
    pub fn of_categories<'a>(ids: impl IntoIterator<Item = &'a Id>) -> Numbering {
        let ids: Vec<&Id> = ids.into_iter().collect();
        let numbers: Option<Vec<u64>> = ids.iter().map(|id| id.number()).collect();
        match numbers {
            Some(numbers) => {
                let pairs = numbers.into_iter().zip(ids).filter(|(_, id)| id.is_quoted());
                Numbering { written: pairs.map(|(number, id)| (number, id.clone())).collect(), numbers: HashMap::new() }
            }
            None => Numbering::by_rank(ids),
        }
    }

    fn by_rank(mut ids: Vec<&Id>) -> Numbering {
        ids.sort_by(|a, b| a.sorted_before(b));
        let mut numbering = Numbering::default();
        for id in ids {
            let next = numbering.numbers.len() as u64 + 1;
            if let Entry::Vacant(entry) = numbering.numbers.entry(id.clone()) {
                entry.insert(next);
                numbering.written.insert(next, id.clone());
            }
        }
        numbering
    }

    /// The number of an id of the list; of another id, `None` or a number that no id of the list has.
    pub fn number(&self, id: &Id) -> Option<u64> {
        if self.numbers.is_empty() { id.number() } else { self.numbers.get(id).copied() }
    }

    /// The id with a number, as the file writes it.
    pub fn id(&self, number: u64) -> Id {
        self.written.get(&number).cloned().unwrap_or_else(|| Id::from(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(numbering: &Numbering, ids: &[Id]) -> Vec<Option<u64>> {
        ids.iter().map(|id| numbering.number(id)).collect()
    }

    #[test]
    fn plain_numbers_stay_and_other_ids_are_numbered_in_order() {
        let plain = [9, 4, u64::MAX].map(Id::from);
        assert_eq!(numbers(&Numbering::of_images(&plain), &plain), [Some(9), Some(4), Some(u64::MAX)]);
        let names = ["b", "a", "c", "a"].map(Id::of_text);
        let numbering = Numbering::of_images(&names);
        assert_eq!(numbers(&numbering, &names), [Some(2), Some(1), Some(3), Some(1)]);
        assert_eq!((numbering.id(1).text(), numbering.number(&Id::of_text("d"))), ("a".to_owned(), None));
    }

    #[test]
    fn numbers_as_text_are_sorted_as_text_for_images_and_stay_numbers_for_categories() {
        let ids = ["10", "9"].map(Id::of_text);
        assert_eq!(numbers(&Numbering::of_images(&ids), &ids), [Some(1), Some(2)]);
        let categories = Numbering::of_categories(&ids);
        assert_eq!(numbers(&categories, &ids), [Some(10), Some(9)]);
        assert_eq!(categories.id(9).to_string(), "\"9\"");
        assert_eq!(categories.number(&Id::from(9)), Some(9));
    }
}
