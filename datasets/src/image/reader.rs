//! Numbers at places of a file, which is in memory or read as far as it is asked for.

use std::io::{self, Read, Seek};

/// What is wrong with the content, as an error of reading it.
pub(super) fn damaged(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

/// A source with its position. Places beyond the end are `UnexpectedEof`.
pub(super) struct Reader<R> {
    source: R,
    at: u64,
    pub(super) order: Order,
}

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl<R: Read + Seek> Reader<R> {
    /// At the start of `source`.
    pub(super) fn new(source: R, order: Order) -> Reader<R> {
        Reader { source, at: 0, order }
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn go_to(&mut self, place: u64) -> io::Result<()> {
        let far = || io::Error::from(io::ErrorKind::UnexpectedEof);
        match i64::try_from(i128::from(place) - i128::from(self.at)) {
            Ok(0) => {}
            // Keeps what a buffered file has read ahead.
            Ok(distance) => self.source.seek_relative(distance)?,
            Err(_) => return Err(far()),
        }
        self.at = place;
        Ok(())
    }

    pub(super) fn skip(&mut self, count: u64) -> io::Result<()> {
        self.go_to(self.at.checked_add(count).ok_or(io::ErrorKind::UnexpectedEof)?)
    }

    pub(super) fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// The next bytes; a file that is too short costs no more memory than it has.
    pub(super) fn bytes(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.source.by_ref().take(count).read_to_end(&mut bytes)? as u64;
        self.at += read;
        if read < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
    }

    pub(super) fn u8(&mut self) -> io::Result<u8> {
        self.take().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> io::Result<u16> {
        let two = self.take()?;
        Ok(if self.order == Order::Little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        let four = self.take()?;
        Ok(if self.order == Order::Little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    pub(super) fn u64(&mut self) -> io::Result<u64> {
        let eight = self.take()?;
        Ok(if self.order == Order::Little { u64::from_le_bytes(eight) } else { u64::from_be_bytes(eight) })
    }
}
