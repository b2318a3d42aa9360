//! Masks of objects, in COCO's formats.

use ::coco::Segmentation;
use serde::Serialize;
use serde_json::value::RawValue;

use super::field::Scalar;

const FORMS: &str = "a list of polygons or an object with size and counts";

/// The pixels of an object: polygons, or run lengths as a list or as COCO's string.
///
/// Written as the `segmentation` of COCO's files. Polygons become pixels by the rules of pycocotools 2.0.11, only when they are
/// asked for.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Mask(Segmentation);

/// Equal where the same numbers are written: other numbers for the same pixels are another mask.
impl PartialEq for Mask {
    fn eq(&self, other: &Mask) -> bool {
        match (&self.0, &other.0) {
            (Segmentation::Rect(a), Segmentation::Rect(b)) => a == b,
            (Segmentation::Polygon(a), Segmentation::Polygon(b)) => a == b,
            (
                Segmentation::CompressedRle { size, counts },
                Segmentation::CompressedRle { size: other, counts: others },
            ) => (size, counts) == (other, others),
            (
                Segmentation::UncompressedRle { size, counts },
                Segmentation::UncompressedRle { size: other, counts: others },
            ) => (size, counts) == (other, others),
            _ => false,
        }
    }
}

impl Mask {
    /// The union of polygons; each is x, y, x, y, ... in pixels.
    pub fn polygons(polygons: Vec<Vec<f64>>) -> Mask {
        Mask(Segmentation::Polygon(polygons))
    }

    /// The pixels of a box, x, y, width and height in pixels.
    pub fn of_box(bbox: [f64; 4]) -> Mask {
        Mask(Segmentation::Rect(bbox))
    }

    /// Alternating runs of background and object, down the columns of an image of `[height, width]`.
    pub fn runs(size: [u32; 2], counts: Vec<u32>) -> Mask {
        Mask(Segmentation::UncompressedRle { size, counts })
    }

    /// Runs as the string of pycocotools' `encode`.
    pub fn compressed(size: [u32; 2], counts: String) -> Mask {
        Mask(Segmentation::CompressedRle { size, counts })
    }

    /// The mask as the engine of the evaluation takes it.
    pub fn segmentation(&self) -> &Segmentation {
        &self.0
    }

    /// How many polygons have fewer than three points, and so no pixel, or a number without its pair, which is ignored.
    pub fn degenerate_polygons(&self) -> usize {
        match &self.0 {
            Segmentation::Polygon(polygons) => {
                polygons.iter().filter(|polygon| polygon.len() < 6 || polygon.len() % 2 != 0).count()
            }
            _ => 0,
        }
    }

    /// Checks that this is a mask of an image of `[height, width]`.
    ///
    /// # Errors
    /// What is wrong: no polygon, a number that is not finite, runs of another size or that do not fill it.
    pub fn check(&self, size: [u32; 2]) -> Result<(), String> {
        match &self.0 {
            Segmentation::Polygon(polygons) => {
                // pycocotools tells polygons from boxes by the first.
                match polygons.first().map(Vec::len) {
                    None => return Err("there is none".to_owned()),
                    Some(count @ ..=4) => {
                        return Err(format!("polygon [0] has {count} numbers instead of x and y of 3 or more points"));
                    }
                    Some(_) => {}
                }
                for (index, polygon) in polygons.iter().enumerate() {
                    if !polygon.iter().all(|number| number.is_finite()) {
                        return Err(format!("polygon [{index}] has a number that is not finite"));
                    }
                }
                return Ok(());
            }
            Segmentation::CompressedRle { size: found, .. } | Segmentation::UncompressedRle { size: found, .. }
                if *found != size =>
            {
                let ([rows, columns], [height, width]) = (found, size);
                return Err(format!(
                    "it is of {rows} x {columns} pixels (height x width), its image of {height} x {width}"
                ));
            }
            _ => {}
        }
        let Some(runs) = self.0.rle_ref() else { return Ok(()) };
        let runs = runs.to_rle().map_err(|error| error.to_string())?;
        let covered: u64 = runs.counts.iter().map(|&run| u64::from(run)).sum();
        let pixels = size.map(u64::from).iter().product::<u64>();
        if covered == pixels { Ok(()) } else { Err(format!("its runs end after {covered} of {pixels} pixels")) }
    }

    /// Alternating runs of background and object, down the columns of an image of `[height, width]`.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn to_runs(&self, size: [u32; 2]) -> Result<Vec<u32>, String> {
        self.check(size)?;
        let [height, width] = size;
        self.0.to_rle(height, width).map(|runs| runs.counts).map_err(|error| error.to_string())
    }

    /// x, y, width and height of its pixels in an image of `[height, width]`, all 0 without any.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn bounds(&self, size: [u32; 2]) -> Result<[f64; 4], String> {
        let [h, w] = size;
        let counts = self.to_runs(size)?;
        Ok(::coco::mask::to_bbox(&::coco::Rle { h, w, counts }))
    }

    /// The mask in a field; `None` where there is none.
    ///
    /// # Errors
    /// What the field is instead, as the rest of a sentence.
    pub(super) fn read(raw: Option<&RawValue>) -> Result<Option<Mask>, String> {
        let scalar = Scalar::of(raw);
        let Some(raw) = raw else { return Ok(None) };
        match scalar {
            Scalar::Missing | Scalar::Null => Ok(None),
            Scalar::List => polygons(raw).map(|polygons| polygons.map(Mask)),
            Scalar::Object => Ok(Some(Mask(runs(raw)?))),
            _ => Err(format!("{} instead of {FORMS}", scalar.describe())),
        }
    }
}

fn polygons(raw: &RawValue) -> Result<Option<Segmentation>, String> {
    let polygons: Vec<Vec<f64>> = match serde_json::from_str(raw.get()) {
        Ok(polygons) => polygons,
        Err(_) => list(raw)?.into_iter().map(numbers).collect::<Result<_, _>>()?,
    };
    Ok((!polygons.is_empty()).then_some(Segmentation::Polygon(polygons)))
}

fn runs(raw: &RawValue) -> Result<Segmentation, String> {
    match serde_json::from_str(raw.get()) {
        Ok(runs) => Ok(runs),
        Err(error) => lenient_runs(raw).map_err(|words| words.unwrap_or_else(|| unplaced(&error))),
    }
}

/// Runs whose numbers are written as floats or text.
fn lenient_runs(raw: &RawValue) -> Result<Segmentation, Option<String>> {
    #[derive(serde::Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        size: &'a RawValue,
        #[serde(borrow)]
        counts: &'a RawValue,
    }
    let Fields { size, counts } = serde_json::from_str(raw.get()).map_err(|_| None)?;
    let whole = |raw: &RawValue| -> Result<Vec<u32>, String> {
        let exact = |number: f64| {
            let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
            whole.then_some(number as u32).ok_or_else(|| format!("has a run of {number}"))
        };
        numbers(raw)?.into_iter().map(exact).collect()
    };
    let size: [u32; 2] = whole(size)?.try_into().map_err(|_| "has a size that is not height and width".to_owned())?;
    match Scalar::of(Some(counts)) {
        Scalar::Text(counts) => Ok(Segmentation::CompressedRle { size, counts: counts.into_owned() }),
        _ => Ok(Segmentation::UncompressedRle { size, counts: whole(counts)? }),
    }
}

fn list(raw: &RawValue) -> Result<Vec<&RawValue>, String> {
    let scalar = Scalar::of(Some(raw));
    match scalar {
        Scalar::List => serde_json::from_str(raw.get()).map_err(|error| unplaced(&error)),
        _ => Err(format!("has an element that {}", scalar.describe())),
    }
}

fn numbers(raw: &RawValue) -> Result<Vec<f64>, String> {
    let number = |raw: &RawValue| {
        let scalar = Scalar::of(Some(raw));
        let number = scalar.float().ok().flatten();
        number.ok_or_else(|| format!("has a number that {}", scalar.describe()))
    };
    list(raw)?.into_iter().map(number).collect()
}

/// An error within a field, whose line and column are not the file's.
fn unplaced(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    format!("is not {FORMS}: {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Option<Mask>, String> {
        let raw: &RawValue = serde_json::from_str(json).expect("JSON");
        Mask::read(Some(raw))
    }

    fn runs_of(json: &str) -> Vec<u32> {
        read(json).expect("read").expect("a mask").to_runs([6, 8]).expect("it fits")
    }

    #[test]
    fn every_form_of_a_mask_gives_its_runs() {
        let expected = vec![0, 3, 3, 3, 3, 3, 3, 3, 27];
        for json in [
            "[[0, 0, 4, 0, 4, 3, 0, 3]]",
            r#"[["0", 0, "4", 0, 4, 3, 0, 3]]"#,
            // Beside a sound polygon those of fewer points have no pixel.
            "[[0, 0, 4, 0, 4, 3, 0, 3], [1, 1, 5, 5], [1, 1], []]",
            "[[0, 0, 4, 0, 4, 3, 0, 3, 9]]",
            r#"{"size": [6, 8], "counts": [0, 3, 3, 3, 3, 3, 3, 3, 27]}"#,
            r#"{"size": [6.0, "8"], "counts": [0, 3.0, 3, 3, 3, 3, 3, 3, 27]}"#,
            r#"{"size": [6, 8], "counts": "03300000h0"}"#,
        ] {
            assert_eq!(runs_of(json), expected, "{json}");
        }
        assert_eq!(Mask::of_box([0.0, 0.0, 4.0, 3.0]).to_runs([6, 8]), Ok(expected));
        assert_eq!(
            read("[[0, 0, 4, 0, 4, 3, 0, 3]]").map(|mask| mask.map(|mask| mask.bounds([6, 8]))),
            Ok(Some(Ok([0.0, 0.0, 4.0, 3.0])))
        );
    }

    #[test]
    fn what_is_no_mask_is_described() {
        for json in ["null", "[]"] {
            assert!(read(json).is_ok_and(|mask| mask.is_none()), "{json}");
        }
        for (json, words) in [
            ("3", "is 3 instead of a list of polygons"),
            ("[1, 2, 3, 4, 5, 6]", "has an element that is 1"),
            ("[[1, 2, null, 4, 5, 6]]", "has a number that is null"),
            (r#"{"size": [6, 8]}"#, "missing field `counts`"),
            (r#"{"size": [6, 8], "counts": [1.5]}"#, "has a run of 1.5"),
        ] {
            let error = read(json).map(drop).expect_err("no mask");
            assert!(error.contains(words), "{json}: {error}");
        }
        for json in ["[[1, 2]]", "[[1, 2, 3, 4]]", "[[]]"] {
            let short = read(json).expect("read").expect("a mask");
            assert!(short.check([6, 8]).is_err_and(|words| words.contains("of 3 or more points")), "{json}");
        }
    }
}
