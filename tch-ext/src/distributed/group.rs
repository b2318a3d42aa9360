//! Collectives: calls that all processes of a group make together.
//!
//! c10d matches them by their order. Every process makes the same calls in the same order with tensors of the same shapes
//! and kinds; Gloo ends the process otherwise, which no error can report.

use std::{
    ffi::{c_char, c_int},
    path::Path,
    ptr::{self, NonNull},
    time::{Duration, Instant},
};

use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use super::{lost, milliseconds, store::ForeignStore};
use crate::{
    Error,
    ffi::{self, Text, take_text},
    list::TensorList,
};

/// `Group` of `csrc/dist.h`.
#[repr(C)]
pub(crate) struct ForeignGroup {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn tch_ext_dist_join(
        store: *const ForeignStore,
        name: Text,
        rank: usize,
        world: usize,
        address: Text,
        interface: Text,
        timeout_ms: i64,
        group: *mut *mut ForeignGroup,
    ) -> *mut c_char;
    fn tch_ext_dist_group_share(group: *const ForeignGroup) -> *mut ForeignGroup;
    fn tch_ext_dist_group_free(group: *mut ForeignGroup);
    fn tch_ext_dist_use_cuda(group: *const ForeignGroup, library: Text, timeout_ms: i64, device: c_int) -> *mut c_char;
    fn tch_ext_dist_set_timeout(group: *const ForeignGroup, timeout_ms: i64) -> *mut c_char;
    fn tch_ext_dist_broadcast(
        group: *const ForeignGroup,
        tensors: ffi::List,
        count: usize,
        buffer_bytes: usize,
        root: usize,
    ) -> *mut c_char;
    fn tch_ext_dist_all_reduce(group: *const ForeignGroup, tensor: *const C_tensor, operation: u8) -> *mut c_char;
    fn tch_ext_dist_all_gather(
        group: *const ForeignGroup,
        tensor: *const C_tensor,
        all: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn tch_ext_dist_barrier(group: *const ForeignGroup, timeout_ms: i64) -> *mut c_char;
}

/// DistributedDataParallel's.
const BROADCAST_BUFFER: usize = 250 << 20;

/// What an all-reduce computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reduction {
    /// The sum. Numbers below 32 bits round at every process on the way.
    Sum = 0,
    /// The sum divided by the number of processes; not for integers.
    Mean = 1,
    /// The minimum.
    Min = 3,
    /// The maximum.
    Max = 4,
}

/// A group of processes. Copies share its connections, so only one of them may be in use at a time.
#[derive(Debug)]
pub struct Group {
    handle: NonNull<ForeignGroup>,
    rank: usize,
    size: usize,
}

// SAFETY: c10d's groups belong to no thread: their reference counts are atomic.
unsafe impl Send for Group {}

impl Clone for Group {
    fn clone(&self) -> Self {
        // SAFETY: the group is alive; the function returns a new pointer to it, never null.
        let handle = unsafe { NonNull::new(tch_ext_dist_group_share(self.as_ptr())) };
        Self { handle: handle.expect("a shared group"), rank: self.rank, size: self.size }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: the handle owns the pointer, and nothing uses it after this.
        unsafe { tch_ext_dist_group_free(self.handle.as_ptr()) }
    }
}

/// Where a group's processes meet, and the own address there.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    pub(super) rank: usize,
    pub(super) size: usize,
    pub(super) address: String,
    pub(super) interface: String,
    pub(super) timeout: Duration,
}

impl Group {
    /// Connects to all others; `name` is the same for all, and new.
    pub(super) fn join(store: &super::store::Store, name: &str, member: &Membership) -> Result<Self, Error> {
        let mut group = ptr::null_mut();
        // SAFETY: store and texts live through the call, which writes the group before it returns null.
        checked("connect to the other processes", unsafe {
            tch_ext_dist_join(
                store.as_ptr(),
                Text::new(name),
                member.rank,
                member.size,
                Text::new(&member.address),
                Text::new(&member.interface),
                milliseconds(member.timeout),
                &mut group,
            )
        })?;
        let handle = NonNull::new(group).expect("a successful call creates a group");
        Ok(Self { handle, rank: member.rank, size: member.size })
    }

    /// The rank of this process.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of processes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Exchanges tensors on this CUDA device by NCCL, from the library that `tools/nccl` builds; all processes do, together.
    pub(super) fn use_cuda(&self, device: usize, library: &Path, timeout: Duration) -> Result<(), Error> {
        let device = c_int::try_from(device).map_err(|_| Error::Device { device: Device::Cuda(device) })?;
        let library = library.to_string_lossy();
        // SAFETY: the group is alive, and the text lives through the call.
        checked("prepare NCCL", unsafe {
            tch_ext_dist_use_cuda(self.as_ptr(), Text::new(&library), milliseconds(timeout), device)
        })
    }

    /// How long a collective waits for the others, gradients included. Raise it around work of one process alone.
    ///
    /// # Errors
    /// libtorch's own message.
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), Error> {
        // SAFETY: the group is alive.
        checked("set the timeout", unsafe { tch_ext_dist_set_timeout(self.as_ptr(), milliseconds(timeout)) })
    }

    /// Overwrites the tensors with those of `root`, many in one message.
    ///
    /// # Errors
    /// A process is lost.
    pub fn broadcast(&self, tensors: &[Tensor], root: usize) -> Result<(), Error> {
        let list = TensorList::new("tensors", tensors)?;
        // SAFETY: the group is alive, and the list's tensors are defined and live through the call.
        checked("broadcast tensors to all processes", unsafe {
            tch_ext_dist_broadcast(self.as_ptr(), list.pointers(), list.len(), BROADCAST_BUFFER, root)
        })
    }

    /// The bytes of `root`, of any length; the others' own are ignored.
    ///
    /// # Errors
    /// A process is lost.
    pub fn broadcast_bytes(&self, bytes: &[u8], root: usize) -> Result<Vec<u8>, Error> {
        let length = Tensor::from(bytes.len() as i64);
        self.broadcast(&[length.shallow_clone()], root)?;
        let length = length.int64_value(&[]);
        let buffer = match self.rank == root {
            true => Tensor::from_slice(bytes),
            false => Tensor::zeros([length], (Kind::Uint8, Device::Cpu)),
        };
        if length > 0 {
            self.broadcast(&[buffer.shallow_clone()], root)?;
        }
        Ok(bytes_of(&buffer, length))
    }

    /// Replaces the tensor by the reduction over all processes: the same bits for all.
    ///
    /// # Errors
    /// A process is lost, or the tensor is a view with gaps.
    pub fn all_reduce(&self, tensor: &Tensor, reduction: Reduction) -> Result<(), Error> {
        TensorList::new("tensors", std::slice::from_ref(tensor))?;
        // SAFETY: the group is alive, and the tensor is defined and lives through the call.
        checked("reduce a tensor over all processes", unsafe {
            tch_ext_dist_all_reduce(self.as_ptr(), tensor.as_ptr(), reduction as u8)
        })
    }

    /// `[size, ...]`: the tensors of all processes by rank, all of one shape and kind.
    ///
    /// # Errors
    /// A process is lost.
    pub fn all_gather(&self, tensor: &Tensor) -> Result<Tensor, Error> {
        self.new_tensor("gather the tensors of all processes", tensor, tch_ext_dist_all_gather)
    }

    /// The bytes of all processes by rank, of any length each.
    ///
    /// # Errors
    /// A process is lost.
    pub fn all_gather_bytes(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let lengths = self.all_gather(&Tensor::from(bytes.len() as i64))?;
        let lengths = Vec::<i64>::try_from(&lengths).expect("a list of int64");
        let longest = lengths.iter().copied().max().unwrap_or_default();
        let mut padded = bytes.to_vec();
        padded.resize(longest as usize, 0);
        let all = self.all_gather(&Tensor::from_slice(&padded))?;
        Ok(lengths.iter().enumerate().map(|(rank, &length)| bytes_of(&all.get(rank as i64), length)).collect())
    }

    /// Waits for all processes. Rank 0 names those that are missing.
    ///
    /// # Errors
    /// [`Error::Missing`] at rank 0 after the timeout, otherwise [`Error::Lost`].
    pub fn barrier(&self, timeout: Duration) -> Result<(), Error> {
        let start = Instant::now();
        // SAFETY: the group is alive.
        let text = unsafe { tch_ext_dist_barrier(self.as_ptr(), milliseconds(timeout)) };
        if text.is_null() {
            return Ok(());
        }
        Err(lost::barrier(&take_text(text), timeout, start.elapsed()))
    }

    fn new_tensor(
        &self,
        call: &'static str,
        tensor: &Tensor,
        function: unsafe extern "C" fn(*const ForeignGroup, *const C_tensor, *mut *mut C_tensor) -> *mut c_char,
    ) -> Result<Tensor, Error> {
        TensorList::new("tensors", std::slice::from_ref(tensor))?;
        let mut result = ptr::null_mut();
        // SAFETY: the group is alive, the tensor is defined and lives through the call, and `result` is written before the
        // call returns null, with a new tensor that nothing else frees.
        unsafe {
            checked(call, function(self.as_ptr(), tensor.as_ptr(), &mut result))?;
            Ok(Tensor::from_ptr(result))
        }
    }

    pub(crate) fn as_ptr(&self) -> *const ForeignGroup {
        self.handle.as_ptr()
    }
}

fn bytes_of(tensor: &Tensor, length: i64) -> Vec<u8> {
    Vec::try_from(tensor.narrow(0, 0, length)).expect("a list of bytes")
}

/// As [`ffi::check`], with a lost process as an error of its own.
pub(crate) fn checked(call: &'static str, text: *mut c_char) -> Result<(), Error> {
    if text.is_null() { Ok(()) } else { Err(lost::error(call, &take_text(text))) }
}
