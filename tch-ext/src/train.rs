//! Layers of several branches, each with its own batch normalisation, in training: what a re-parameterisable network consists of
//! before it is re-parameterised.
//!
//! Each function is one node of autograd and computes the same as the operations one by one, forward and backward, but reads and
//! writes less. Statistics are those of the batch, in fp64 sums. Images are channels-last, `[N, C, H, W]` in fp32, fp64 or bf16; others
//! are converted. Within [`Autocast`](crate::autocast::Autocast) fp32 images are converted too. There are no second derivatives.
//!
//! Results do not depend on the number of threads.

use std::{ffi::c_char, ptr};

use tch::Tensor;
use torch_sys::C_tensor;

use crate::{
    Error,
    distributed::{ForeignGroup, Group, checked},
    ffi,
    list::TensorList,
};

/// `Ending` of `csrc/train/layers.h`: [`SumOptions`], valid as long as their group.
#[repr(C)]
struct Ending {
    eps: f64,
    count: f64,
    /// Null for a process alone.
    group: *const ForeignGroup,
    relu: bool,
}

unsafe extern "C" {
    fn tch_ext_train_depthwise(
        x: *const C_tensor,
        taps: *const C_tensor,
        gains: *const C_tensor,
        shifts: *const C_tensor,
        stride: i64,
        dilation: i64,
        options: Ending,
        results: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn tch_ext_train_dense(
        x: *const C_tensor,
        weights: *const C_tensor,
        gains: *const C_tensor,
        shifts: *const C_tensor,
        skip_gain: *const C_tensor,
        skip_shift: *const C_tensor,
        options: Ending,
        results: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn tch_ext_train_norms(
        xs: ffi::List,
        gains: ffi::List,
        shifts: ffi::List,
        count: usize,
        eps: f64,
        relu: bool,
        results: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// What a sum of normalised branches ends with, and whose statistics it uses.
#[derive(Debug, Clone, Copy)]
pub struct SumOptions<'a> {
    /// Added to variances.
    pub eps: f64,
    /// Whether ReLU follows.
    pub relu: bool,
    /// The processes that share the batch.
    pub group: Option<&'a Group>,
    /// Positions of the output over the batch, of all processes: `N * H' * W'`.
    pub count: f64,
}

impl SumOptions<'_> {
    fn ending(&self) -> Ending {
        let Self { eps, relu, group, count } = *self;
        Ending { eps, count, group: group.map_or(ptr::null(), Group::as_ptr), relu }
    }
}

/// A sum of normalised branches.
#[derive(Debug)]
pub struct Sum {
    /// `[N, outputs, H', W']`.
    pub output: Tensor,
    /// The means of each branch before its normalisation, `[branches, outputs]`, without a gradient.
    pub means: Tensor,
    /// The variances, without Bessel's correction.
    pub variances: Tensor,
}

/// Scales and shifts of the normalisations of several branches, `[branches, outputs]` each.
#[derive(Debug)]
pub struct Affine {
    /// Scales.
    pub gains: Tensor,
    /// Shifts.
    pub shifts: Tensor,
}

impl Affine {
    fn fits(&self, branches: i64, outputs: i64) -> Result<(), Error> {
        fits("gains", &self.gains, &[branches, outputs])?;
        fits("shifts", &self.shifts, &[branches, outputs])
    }
}

/// The sum of branches which convolve each channel of `x` (`[N, C, H, W]`, on the CPU) with 3x3 taps (`[branches, C, 3, 3]`), padded by
/// the dilation. A 1x1 branch has its tap in the middle, the identity a one there.
///
/// # Errors
/// Shapes that do not fit, other kinds or devices, or a lost process.
pub fn depthwise_sum(
    x: &Tensor,
    taps: &Tensor,
    affine: &Affine,
    stride: i64,
    dilation: i64,
    options: SumOptions,
) -> Result<Sum, Error> {
    let channels = channels(x)?;
    let branches = taps.size().first().copied().unwrap_or_default();
    fits("taps", taps, &[branches, channels, 3, 3])?;
    affine.fits(branches, channels)?;
    let mut results = [ptr::null_mut(); 3];
    // SAFETY: the tensors and the group live through the call, and all results are written before the call returns null, with new
    // tensors that nothing else frees.
    unsafe {
        checked(
            "train a depthwise layer",
            tch_ext_train_depthwise(
                x.as_ptr(),
                taps.as_ptr(),
                affine.gains.as_ptr(),
                affine.shifts.as_ptr(),
                stride,
                dilation,
                options.ending(),
                results.as_mut_ptr(),
            ),
        )?;
        let [output, means, variances] = results.map(|result| Tensor::from_ptr(result));
        Ok(Sum { output, means, variances })
    }
}

/// The sum of branches which multiply the channels of `x` (`[N, C, H, W]`) by matrices (`[branches, outputs, C]`), and with `skip` (its scale
/// and shift, `[C]` each) of the normalised `x` itself; its statistics then follow those of the branches, as one more row.
///
/// # Errors
/// Shapes that do not fit, other kinds, or a lost process.
pub fn dense_sum(
    x: &Tensor,
    weights: &Tensor,
    affine: &Affine,
    skip: Option<[&Tensor; 2]>,
    options: SumOptions,
) -> Result<Sum, Error> {
    let (channels, size) = (channels(x)?, weights.size());
    let [branches, outputs, _] = size[..] else {
        return Err(Error::Shape { list: "weights", index: 0, expected: vec![1, 1, channels], found: size });
    };
    fits("weights", weights, &[branches, outputs, channels])?;
    affine.fits(branches, outputs)?;
    for part in skip.into_iter().flatten() {
        fits("skip", part, &[channels])?;
        fits("skip", part, &[outputs])?;
    }
    let [gain, shift] = skip.map_or([ptr::null(); 2], |skip| skip.map(Tensor::as_ptr));
    let mut results = [ptr::null_mut(); 5];
    // SAFETY: as for depthwise layers; without a skip the last two results stay null.
    unsafe {
        checked(
            "train a dense layer",
            tch_ext_train_dense(
                x.as_ptr(),
                weights.as_ptr(),
                affine.gains.as_ptr(),
                affine.shifts.as_ptr(),
                gain,
                shift,
                options.ending(),
                results.as_mut_ptr(),
            ),
        )?;
        let mut results = results.into_iter().filter(|result| !result.is_null()).map(|result| Tensor::from_ptr(result));
        let mut next = || results.next().expect("the function writes three results, with a skip five");
        let (output, means, variances) = (next(), next(), next());
        if skip.is_none() {
            return Ok(Sum { output, means, variances });
        }
        let with = |rows: Tensor, last: Tensor| Tensor::cat(&[rows, last.unsqueeze(0)], 0);
        Ok(Sum { output, means: with(means, next()), variances: with(variances, next()) })
    }
}

/// The sum of tensors of one shape (`[N, C, H, W]`, on the CPU), each normalised on its own.
///
/// # Errors
/// No tensors, shapes that do not fit, or other kinds or devices.
pub fn normalised_sum(inputs: &[(&Tensor, &Tensor, &Tensor)], eps: f64, relu: bool) -> Result<Sum, Error> {
    let all = |part: fn(&(&Tensor, &Tensor, &Tensor)) -> Tensor| inputs.iter().map(part).collect::<Vec<_>>();
    let xs = all(|(x, ..)| x.shallow_clone());
    let gains = all(|(_, gain, _)| gain.shallow_clone());
    let shifts = all(|(.., shift)| shift.shallow_clone());
    let Some(first) = xs.first() else {
        return Err(Error::Count { list: "inputs of a sum", expected: 1, found: 0 });
    };
    let channels = channels(first)?;
    for ((x, gain), shift) in xs.iter().zip(&gains).zip(&shifts) {
        fits("inputs", x, &first.size())?;
        fits("gains", gain, &[channels])?;
        fits("shifts", shift, &[channels])?;
    }
    let [xs, gains, shifts] = [&xs, &gains, &shifts].map(|list| TensorList::new("inputs of a sum", list));
    let mut results = [ptr::null_mut(); 3];
    // SAFETY: as for depthwise layers.
    unsafe {
        checked(
            "normalise a batch",
            tch_ext_train_norms(
                xs?.pointers(),
                gains?.pointers(),
                shifts?.pointers(),
                inputs.len(),
                eps,
                relu,
                results.as_mut_ptr(),
            ),
        )?;
        let [output, means, variances] = results.map(|result| Tensor::from_ptr(result));
        Ok(Sum { output, means, variances })
    }
}

/// The channels of `[N, C, H, W]`.
fn channels(x: &Tensor) -> Result<i64, Error> {
    match x.size()[..] {
        [_, channels, _, _] => Ok(channels),
        _ => Err(Error::Shape { list: "inputs", index: 0, expected: vec![1, 1, 1, 1], found: x.size() }),
    }
}

fn fits(list: &'static str, tensor: &Tensor, expected: &[i64]) -> Result<(), Error> {
    let found = tensor.size();
    if found == expected { Ok(()) } else { Err(Error::Shape { list, index: 0, expected: expected.to_vec(), found }) }
}
