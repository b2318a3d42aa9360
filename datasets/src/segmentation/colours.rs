//! The classes of colours, for masks that are pictures.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::Error;
use crate::findings::Findings;
use crate::lists::{self, lines};
use crate::mask::voc_palette;

/// The file in which CVAT and Datumaro name the colours of their masks.
const LABEL_MAP: &str = "labelmap.txt";
/// How far above the masks it is looked for: `SegmentationClass` and its devkit, or a folder for each split.
const LEVELS: usize = 3;
/// The colour of VOC's borders.
const VOC_BORDER: [u8; 3] = [224, 224, 192];

/// The class index of each colour, as red, green, blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Colours {
    class_of: HashMap<[u8; 3], u8>,
    /// What names the colours.
    pub(super) origin: String,
    /// Whether somebody has named them: then the palette of an indexed file counts and not its indices.
    pub(super) named: bool,
}

impl Colours {
    /// The colours that are given by class, or those of a `labelmap.txt` in or above the folder of masks, or else VOC's.
    ///
    /// # Errors
    /// [`Error::Setting`] for a colour of an unknown class or of two classes, [`Error::Io`], [`Error::ImageList`] with the line of
    /// a `labelmap.txt` that is no such file.
    pub(crate) fn find(
        classes: &[String],
        ignore: u8,
        given: &BTreeMap<String, [u8; 3]>,
        masks: &Path,
    ) -> Result<Colours, Error> {
        if !given.is_empty() {
            return Colours::given(classes, given);
        }
        let file = masks.ancestors().take(LEVELS).map(|folder| folder.join(LABEL_MAP)).find(|file| file.is_file());
        match file {
            Some(file) => Colours::label_map(classes, ignore, &file),
            None => Ok(Colours::voc(classes.len(), ignore)),
        }
    }

    fn given(classes: &[String], given: &BTreeMap<String, [u8; 3]>) -> Result<Colours, Error> {
        let wrong = |name: &String, colour: &[u8; 3], expected| {
            Err(Error::Setting { key: "options.colors", value: format!("{{{name}: {colour:?}}}"), expected })
        };
        let mut class_of = HashMap::new();
        for (name, colour) in given {
            let Some(class) = classes.iter().position(|class| class == name) else {
                return wrong(name, colour, "a colour for each of options.classes");
            };
            if class_of.insert(*colour, class as u8).is_some() {
                return wrong(name, colour, "another colour for each class");
            }
        }
        Ok(Colours { class_of, origin: "options.colors".to_owned(), named: true })
    }

    /// Lines of `name:red,green,blue:parts:actions`. A name is that of a class; where one name and one class are left over, as
    /// `background` and `ground`, they are the same.
    fn label_map(classes: &[String], ignore: u8, file: &Path) -> Result<Colours, Error> {
        let text = lists::read(file, &mut Findings::default())?;
        let mut class_of = HashMap::new();
        let (mut unknown, mut left): (Vec<[u8; 3]>, Vec<usize>) = (Vec::new(), (0..classes.len()).collect());
        for (line, text) in lines(&text) {
            let entry = text.split_once(':').and_then(|(name, rest)| {
                let numbers = rest.split(':').next()?.split(',').map(|number| number.trim().parse::<u8>().ok());
                let numbers: Option<Vec<u8>> = numbers.collect();
                Some((name.trim(), <[u8; 3]>::try_from(numbers?).ok()?))
            });
            let Some((name, colour)) = entry else {
                let reason = format!("{text:?} is not a name and a colour, as in cup:48,112,32::");
                return Err(Error::ImageList { path: file.to_path_buf(), line, reason });
            };
            match classes.iter().position(|class| class.eq_ignore_ascii_case(name)) {
                Some(class) => {
                    left.retain(|&other| other != class);
                    class_of.insert(colour, class as u8);
                }
                None if ["ignore", "void", "unlabeled"].contains(&name.to_ascii_lowercase().as_str()) => {
                    class_of.insert(colour, ignore);
                }
                None => unknown.push(colour),
            }
        }
        if let ([colour], [class]) = (&unknown[..], &left[..]) {
            class_of.insert(*colour, *class as u8);
        }
        Ok(Colours { class_of, origin: file.display().to_string(), named: true })
    }

    /// VOC's colour of each class index, and its borders ignored.
    pub(crate) fn voc(classes: usize, ignore: u8) -> Colours {
        let palette = voc_palette();
        let colours = palette.chunks_exact(3).map(|colour| [colour[0], colour[1], colour[2]]);
        let border = std::iter::once((VOC_BORDER, ignore));
        let class_of =
            border.chain(colours.zip(0..).take(classes).map(|(colour, class)| (colour, class as u8))).collect();
        Colours { class_of, origin: "VOC's palette".to_owned(), named: false }
    }

    pub(super) fn ignore_as(&mut self, old: u8, index: u8) {
        self.class_of.values_mut().filter(|class| **class == old).for_each(|class| *class = index);
    }

    pub(super) fn class(&self, colour: [u8; 3]) -> Option<u8> {
        self.class_of.get(&colour).copied()
    }
}
