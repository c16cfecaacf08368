//! How an array the program uses is read and written without a system call.
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{Ordering, compiler_fence, fence};
use vrrp_common::layout::{Expect, Seen};

/// A mapped array of `T`.
///
/// The program reads or writes it at any time, so there are no references into it: elements are
/// copied field by field with volatile accesses.
#[derive(Debug)]
pub struct Shared<T> {
    start: NonNull<T>,
    len: usize,
    bytes: usize,
    element: PhantomData<T>,
}

// SAFETY: the mapping belongs to this value alone and is usable from any thread.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T: bytemuck::Pod> Shared<T> {
    /// Maps the first `len` elements of `map`.
    fn new(map: impl AsFd, len: u32, protection: ProtFlags) -> io::Result<Self> {
        const { assert!(size_of::<T>().is_multiple_of(8), "the kernel pads elements to eight bytes") };
        let len = len as usize;
        let bytes = len * size_of::<T>();
        // The mapping keeps the map in the kernel for as long as it exists.
        // SAFETY: a new mapping at an address of the kernel's choice; the kernel rounds its length
        // up to whole pages, here and in `munmap`.
        let start = unsafe { mmap(ptr::null_mut(), bytes, protection, MapFlags::SHARED, map, 0)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, len, bytes, element: PhantomData })
    }

    fn element(&self, index: usize) -> Option<*mut T> {
        // SAFETY: the index is inside the mapping.
        (index < self.len).then(|| unsafe { self.start.as_ptr().add(index) })
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped; no reference into it exists. Failing leaks address space only.
        let _leaked = unsafe { munmap(self.start.as_ptr().cast::<c_void>(), self.bytes) };
    }
}

impl Shared<u64> {
    /// Maps numbers for reading.
    pub fn numbers(map: impl AsFd, len: u32) -> io::Result<Self> {
        Self::new(map, len, ProtFlags::READ)
    }

    /// A number; zero where there is none.
    pub fn number(&self, index: usize) -> u64 {
        // SAFETY: a mapped, aligned element; volatile, for the program writes it meanwhile.
        let number = self.element(index).map_or(0, |at| unsafe { ptr::read_volatile(at) });
        fence(Ordering::Acquire);
        number
    }
}

impl Shared<Seen> {
    /// Maps the stamps for reading.
    pub fn seen(map: impl AsFd, len: u32) -> io::Result<Self> {
        Self::new(map, len, ProtFlags::READ)
    }

    /// The stamp of a router; the default where there is none. What was noted of news is for the program
    /// alone, and is not read.
    pub fn read(&self, index: usize) -> Seen {
        let Some(seen) = self.element(index) else {
            return Seen::default();
        };
        // SAFETY: a mapped, aligned element; volatile, for the program writes it meanwhile.
        let generation = || unsafe { ptr::read_volatile(&raw const (*seen).generation) };
        // The program writes the time before the generation. A generation that holds still around
        // the time belongs to it or is older than it, and then only this reading is too cautious.
        loop {
            let before = generation();
            fence(Ordering::Acquire);
            // SAFETY: as above.
            let (at, tick, copies) = unsafe {
                (
                    ptr::read_volatile(&raw const (*seen).at),
                    ptr::read_volatile(&raw const (*seen).tick),
                    ptr::read_volatile(&raw const (*seen).copies),
                )
            };
            fence(Ordering::Acquire);
            if generation() == before {
                return Seen { at, tick, copies, generation: before, ..Seen::default() };
            }
        }
    }
}

impl Shared<Expect> {
    /// Maps the expectations for writing.
    pub fn expect(map: impl AsFd, len: u32) -> io::Result<Self> {
        Self::new(map, len, ProtFlags::READ | ProtFlags::WRITE)
    }

    /// Replaces an expectation: none while it is written, its generation last.
    pub fn write(&mut self, index: usize, expect: &Expect) {
        let Some(at) = self.element(index) else {
            return;
        };
        // SAFETY: a mapped, aligned element; volatile, for the program reads it meanwhile.
        unsafe {
            ptr::write_volatile(&raw mut (*at).generation, 0);
            fence(Ordering::SeqCst);
            ptr::write_volatile(&raw mut (*at).remarks, expect.remarks);
            ptr::write_volatile(&raw mut (*at).source, expect.source);
            ptr::write_volatile(&raw mut (*at).header, expect.header);
            fence(Ordering::Release);
            compiler_fence(Ordering::SeqCst);
            ptr::write_volatile(&raw mut (*at).generation, expect.generation);
        }
    }
}
