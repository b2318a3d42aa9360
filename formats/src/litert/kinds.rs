//! The operators that are written and run: of those that have no state and start no other graph, the ones that networks for images have.

/// An operator, as TensorFlow Lite's `schema.fbs` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) number: i32,
    pub(super) name: &'static str,
    /// The least and the largest number of inputs.
    pub(super) inputs: (usize, usize),
    pub(super) outputs: usize,
    /// How many of the inputs have the output's kind of elements. The library checks this for some operators only.
    pub(super) alike: usize,
}

macro_rules! kinds {
    ($($name:ident = $number:literal, $inputs:expr, $outputs:literal, $alike:literal;)*) => {
        $(pub(super) const $name: Kind =
            Kind { number: $number, name: stringify!($name), inputs: $inputs, outputs: $outputs, alike: $alike };)*
        /// All of them.
        pub(super) const ALL: &[Kind] = &[$($name),*];
    };
}

kinds! {
    ADD = 0, (2, 2), 1, 2;
    AVERAGE_POOL_2D = 1, (1, 1), 1, 1;
    CONCATENATION = 2, (1, 16), 1, 16;
    CONV_2D = 3, (3, 3), 1, 1;
    DEPTHWISE_CONV_2D = 4, (3, 3), 1, 1;
    DEQUANTIZE = 6, (1, 1), 1, 0;
    FULLY_CONNECTED = 9, (2, 3), 1, 1;
    LOGISTIC = 14, (1, 1), 1, 1;
    MAX_POOL_2D = 17, (1, 1), 1, 1;
    MUL = 18, (2, 2), 1, 2;
    RELU = 19, (1, 1), 1, 1;
    RELU6 = 21, (1, 1), 1, 1;
    RESHAPE = 22, (1, 2), 1, 1;
    RESIZE_BILINEAR = 23, (2, 2), 1, 1;
    SOFTMAX = 25, (1, 1), 1, 1;
    TANH = 28, (1, 1), 1, 1;
    CUSTOM = 32, (3, 3), 4, 0;
    PAD = 34, (2, 2), 1, 1;
    TRANSPOSE = 39, (2, 2), 1, 1;
    MEAN = 40, (2, 2), 1, 1;
    SUB = 41, (2, 2), 1, 2;
    DIV = 42, (2, 2), 1, 2;
    SQUEEZE = 43, (1, 1), 1, 1;
    STRIDED_SLICE = 45, (4, 4), 1, 1;
    EXP = 47, (1, 1), 1, 1;
    TOPK_V2 = 48, (2, 2), 2, 1;
    CAST = 53, (1, 1), 1, 0;
    PRELU = 54, (2, 2), 1, 2;
    MAXIMUM = 55, (2, 2), 1, 2;
    ARG_MAX = 56, (2, 2), 1, 0;
    MINIMUM = 57, (2, 2), 1, 2;
    NEG = 59, (1, 1), 1, 1;
    PADV2 = 60, (3, 3), 1, 1;
    GREATER_EQUAL = 62, (2, 2), 1, 0;
    SLICE = 65, (3, 3), 1, 1;
    LOG = 73, (1, 1), 1, 1;
    SQRT = 75, (1, 1), 1, 1;
    SHAPE = 77, (1, 1), 1, 0;
    RESIZE_NEAREST_NEIGHBOR = 97, (2, 2), 1, 1;
    LEAKY_RELU = 98, (1, 1), 1, 1;
    QUANTIZE = 114, (1, 1), 1, 0;
    HARD_SWISH = 117, (1, 1), 1, 1;
    BATCH_MATMUL = 126, (2, 2), 1, 2;
    NON_MAX_SUPPRESSION_V4 = 120, (5, 5), 2, 0;
    GELU = 150, (1, 1), 1, 1;
}
