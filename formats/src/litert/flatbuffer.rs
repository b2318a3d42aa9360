//! FlatBuffers, as `.tflite` files are: written back to front, and read with every offset checked.
//!
//! Written here because generated code of the kept libraries either cannot align a file's buffers to 16 bytes or needs unsafe code for
//! it, and a file needs four kinds of objects only. The format: <https://flatbuffers.dev/internals>.

use crate::Error;

/// An object that was written: its distance from the end of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset(u32);

/// A field of a table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Byte(u8),
    Int(i32),
    Float(f32),
    Object(Offset),
}

/// A file while it is written: its bytes in reverse.
#[derive(Debug, Default)]
pub(super) struct Writer {
    reversed: Vec<u8>,
}

/// Where a file's largest objects begin is a multiple of this.
const ALIGNMENT: usize = 16;

impl Writer {
    fn raw(&mut self, bytes: &[u8]) {
        self.reversed.extend(bytes.iter().rev());
    }

    /// Adds zeros, so that the next `length` bytes begin at a multiple of `alignment`.
    fn align(&mut self, length: usize, alignment: usize) {
        while !(self.reversed.len() + length).is_multiple_of(alignment) {
            self.reversed.push(0);
        }
    }

    fn here(&self) -> Offset {
        Offset(self.reversed.len() as u32)
    }

    fn offset(&mut self, to: Offset) {
        self.align(4, 4);
        let distance = self.reversed.len() as u32 + 4 - to.0;
        self.raw(&distance.to_le_bytes());
    }

    fn count(&mut self, count: usize) -> Offset {
        self.raw(&(count as u32).to_le_bytes());
        self.here()
    }

    pub(super) fn string(&mut self, text: &str) -> Offset {
        self.align(text.len() + 1, 4);
        self.reversed.push(0);
        self.raw(text.as_bytes());
        self.count(text.len())
    }

    /// Bytes that begin at a multiple of 16.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Offset {
        self.align(bytes.len(), ALIGNMENT);
        self.raw(bytes);
        self.count(bytes.len())
    }

    fn vector<const SIZE: usize>(
        &mut self,
        items: impl DoubleEndedIterator<Item = [u8; SIZE]> + ExactSizeIterator,
    ) -> Offset {
        let count = items.len();
        self.align(SIZE * count, SIZE);
        items.rev().for_each(|item| self.raw(&item));
        self.count(count)
    }

    pub(super) fn ints(&mut self, numbers: &[i32]) -> Offset {
        self.vector(numbers.iter().map(|number| number.to_le_bytes()))
    }

    pub(super) fn longs(&mut self, numbers: &[i64]) -> Offset {
        self.vector(numbers.iter().map(|number| number.to_le_bytes()))
    }

    pub(super) fn floats(&mut self, numbers: &[f32]) -> Offset {
        self.vector(numbers.iter().map(|number| number.to_le_bytes()))
    }

    pub(super) fn objects(&mut self, objects: &[Offset]) -> Offset {
        self.align(4 * objects.len(), 4);
        objects.iter().rev().for_each(|object| self.offset(*object));
        self.count(objects.len())
    }

    /// A table with these fields, by their numbers. What they refer to is written before.
    pub(super) fn table(&mut self, fields: &[(u16, Field)]) -> Offset {
        let begun = self.reversed.len();
        let mut places: Vec<(u16, usize)> = Vec::with_capacity(fields.len());
        for (number, field) in fields {
            match field {
                Field::Byte(value) => self.reversed.push(*value),
                Field::Int(value) => {
                    self.align(4, 4);
                    self.raw(&value.to_le_bytes());
                }
                Field::Float(value) => {
                    self.align(4, 4);
                    self.raw(&value.to_le_bytes());
                }
                Field::Object(object) => self.offset(*object),
            }
            places.push((*number, self.reversed.len()));
        }
        self.align(4, 4);
        let start = self.reversed.len();
        self.raw(&[0; 4]);
        let table = self.reversed.len();
        let slots = fields.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
        let place =
            |slot: u16| places.iter().find(|(number, _)| *number == slot).map_or(0, |(_, at)| (table - at) as u16);
        for slot in (0..slots).rev() {
            self.raw(&place(slot).to_le_bytes());
        }
        self.raw(&((table - begun) as u16).to_le_bytes());
        self.raw(&(4 + 2 * slots).to_le_bytes());
        let distance = (self.reversed.len() - table) as i32;
        // The placeholder is in reverse as well.
        for (place, byte) in self.reversed[start..table].iter_mut().zip(distance.to_le_bytes().iter().rev()) {
            *place = *byte;
        }
        Offset(table as u32)
    }

    /// The file with this root and identifier.
    pub(super) fn finish(mut self, root: Offset, identifier: [u8; 4]) -> Vec<u8> {
        self.align(8, ALIGNMENT);
        self.raw(&identifier);
        self.offset(root);
        self.reversed.reverse();
        self.reversed
    }
}

/// A table of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    file: &'a [u8],
    at: usize,
}

fn number<const SIZE: usize>(file: &[u8], at: usize) -> Result<[u8; SIZE], Error> {
    let bytes = at.checked_add(SIZE).and_then(|end| file.get(at..end)).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Error::value("an offset of the file", format!("below {}", file.len()), at.to_string()))
}

fn unsigned(file: &[u8], at: usize) -> Result<usize, Error> {
    Ok(u32::from_le_bytes(number(file, at)?) as usize)
}

impl<'a> Table<'a> {
    /// The root of a file.
    ///
    /// # Errors
    /// [`Error::Value`] where the file ends before.
    pub(super) fn root(file: &'a [u8]) -> Result<Self, Error> {
        Ok(Self { file, at: unsigned(file, 0)? })
    }

    /// Where the object of a field is.
    fn field(&self, slot: u16) -> Result<Option<usize>, Error> {
        let distance = i64::from(i32::from_le_bytes(number(self.file, self.at)?));
        let outside = || Error::value("the place of a table", "within the file", distance.to_string());
        let slots = usize::try_from(self.at as i64 - distance).map_err(|_| outside())?;
        let length = u16::from_le_bytes(number(self.file, slots)?);
        let place = 4 + 2 * slot;
        if place + 2 > length {
            return Ok(None);
        }
        match u16::from_le_bytes(number(self.file, slots + usize::from(place))?) {
            0 => Ok(None),
            offset => Ok(Some(self.at + usize::from(offset))),
        }
    }

    fn object(&self, slot: u16) -> Result<Option<usize>, Error> {
        let Some(at) = self.field(slot)? else { return Ok(None) };
        Ok(Some(at + unsigned(self.file, at)?))
    }

    /// A number; 0 where it is not written.
    pub(super) fn unsigned(&self, slot: u16) -> Result<usize, Error> {
        self.field(slot)?.map_or(Ok(0), |at| unsigned(self.file, at))
    }

    /// The bytes of a vector or text; none where it is not written.
    pub(super) fn bytes(&self, slot: u16) -> Result<&'a [u8], Error> {
        let Some(at) = self.object(slot)? else { return Ok(&[]) };
        let count = unsigned(self.file, at)?;
        let bytes = at.checked_add(4).and_then(|begin| self.file.get(begin..begin.checked_add(count)?));
        bytes.ok_or_else(|| Error::value("the length of a vector", "within the file", count.to_string()))
    }

    /// Whether a field is written.
    pub(super) fn has(&self, slot: u16) -> Result<bool, Error> {
        Ok(self.field(slot)?.is_some())
    }

    /// A byte; 0 where it is not written.
    pub(super) fn byte(&self, slot: u16) -> Result<u8, Error> {
        self.field(slot)?.map_or(Ok(0), |at| Ok(number::<1>(self.file, at)?[0]))
    }

    /// The elements of a vector, of so many bytes each; none where it is not written.
    pub(super) fn elements<const SIZE: usize>(&self, slot: u16) -> Result<&'a [[u8; SIZE]], Error> {
        let Some(at) = self.object(slot)? else { return Ok(&[]) };
        let count = unsigned(self.file, at)?;
        let bytes = count.checked_mul(SIZE).and_then(|length| self.file.get(at + 4..(at + 4).checked_add(length)?));
        let outside = || Error::value("the length of a vector", "within the file", count.to_string());
        Ok(bytes.ok_or_else(outside)?.as_chunks().0)
    }

    /// The whole numbers of a vector; none where it is not written.
    pub(super) fn ints(&self, slot: u16) -> Result<Vec<i32>, Error> {
        Ok(self.elements(slot)?.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect())
    }

    /// The table of a field.
    pub(super) fn table(&self, slot: u16) -> Result<Option<Self>, Error> {
        Ok(self.object(slot)?.map(|at| Self { file: self.file, at }))
    }

    /// The tables of a vector; none where it is not written.
    pub(super) fn tables(&self, slot: u16) -> Result<Vec<Self>, Error> {
        let Some(at) = self.object(slot)? else { return Ok(Vec::new()) };
        let count = unsigned(self.file, at)?;
        let table = |index: usize| {
            let place = at + 4 + 4 * index;
            Ok(Self { file: self.file, at: place + unsigned(self.file, place)? })
        };
        (0..count).map(table).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::default();
        let data: Vec<Offset> = [&b"abc"[..], &[7; 33]].iter().map(|bytes| writer.bytes(bytes)).collect();
        let tables: Vec<Offset> = data.iter().map(|data| writer.table(&[(0, Field::Object(*data))])).collect();
        let (name, tables) = (writer.string("root"), writer.objects(&tables));
        let fields = [(0, Field::Int(3)), (2, Field::Object(name)), (4, Field::Object(tables)), (5, Field::Byte(9))];
        let root = writer.table(&fields);
        writer.finish(root, *b"TEST")
    }

    #[test]
    fn what_is_written_is_read_and_buffers_are_aligned() {
        let file = sample();
        assert_eq!(&file[4..8], b"TEST");
        let root = Table::root(&file).unwrap();
        assert_eq!((root.unsigned(0).unwrap(), root.bytes(2).unwrap()), (3, &b"root"[..]));
        assert_eq!((root.unsigned(1).unwrap(), root.bytes(9).unwrap()), (0, &b""[..]));
        let tables = root.tables(4).unwrap();
        for (table, expected) in tables.iter().zip([&b"abc"[..], &[7; 33]]) {
            let bytes = table.bytes(0).unwrap();
            assert_eq!(bytes, expected);
            let place = bytes.as_ptr() as usize - file.as_ptr() as usize;
            assert_eq!(place % ALIGNMENT, 0);
        }
        assert_eq!(tables.len(), 2);
    }

    #[test]
    fn files_that_are_cut_or_changed_are_errors_or_read_otherwise() {
        let file = sample();
        let read = |file: &[u8]| -> Result<usize, Error> {
            let root = Table::root(file)?;
            let tables = root.tables(4)?;
            tables.iter().try_fold(root.bytes(2)?.len(), |sum, table| Ok(sum + table.bytes(0)?.len()))
        };
        assert!((0..file.len() - 1).all(|end| read(&file[..end]).map_or(0, |sum| sum) <= 40));
        for at in 0..file.len() {
            for value in [0, 0x7f, 0xff] {
                let mut changed = file.clone();
                changed[at] = value;
                let _ = read(&changed);
            }
        }
    }
}
