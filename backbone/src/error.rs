//! Everything that can go wrong in this crate.

/// An error of this crate: one sentence, with the facts in its fields.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is no variant.
    #[error("`{name}` is no variant of MobileOne: expected s0, s1, s2, s3 or s4")]
    UnknownVariant {
        /// What was given.
        name: String,
    },
    /// A stride that the network cannot have.
    #[error("an output stride of {value} is not possible: expected 8, 16 or 32")]
    OutputStride {
        /// What was given.
        value: i64,
    },
    /// A number of a specification outside its range.
    #[error("`{field}` is {value}: expected {min} to {max}")]
    OutOfRange {
        /// Where in the specification, such as `stages[2].width`.
        field: String,
        /// What was given.
        value: i64,
        /// The smallest possible value.
        min: i64,
        /// The largest possible value.
        max: i64,
    },
    /// Squeeze-and-excitation on a layer too narrow for its reduction by 16.
    #[error(
        "`stages[{stage}].squeeze_excite` needs at least {needed} channels in every layer: a layer there has {channels}"
    )]
    TooNarrow {
        /// Index of the stage, 0 to 3.
        stage: usize,
        /// Channels of the layer.
        channels: i64,
        /// The smallest number of channels.
        needed: i64,
    },
}
