//! What an image file says of its pixels.

/// What a decoder has to convert to eight-bit RGB, and what it drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traits {
    pub(crate) grey: bool,
    pub(crate) cmyk: bool,
    /// More than eight bits per channel.
    pub(crate) deep: bool,
    pub(crate) alpha: bool,
    /// The EXIF orientation rotates or mirrors the pixels.
    pub(crate) turned: bool,
    pub(crate) animated: bool,
}
