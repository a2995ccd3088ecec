//! The memory that a connection reads into: grows with traffic, shrinks without, and is nothing at all while idle.

use bytes::BytesMut;

/// What a quiet connection reads into at once, in bytes.
const SMALLEST: usize = 8 * 1024;

/// What a busy connection reads into at once, in bytes.
const LARGEST: usize = 256 * 1024;

/// The least room for a read where a part of a frame already fills the buffer, in bytes.
const LEAST_ROOM: usize = 1024;

/// After how many reads the size is fitted to what they brought.
const READS_TO_FIT: u8 = 8;

/// A read buffer and how large it should be.
pub(crate) struct ReadBuffer {
    pub(crate) bytes: BytesMut,
    /// What `bytes` takes of memory: its own `capacity` leaves out what was read and consumed.
    allocated: usize,
    size: usize,
    reads: u8,
    largest_read: usize,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: BytesMut::new(), allocated: 0, size: SMALLEST, reads: 0, largest_read: 0 }
    }

    /// Makes room for a read.
    pub(crate) fn make_room(&mut self) {
        let held = self.bytes.len();
        self.bytes.reserve(self.size.saturating_sub(held).max(LEAST_ROOM));
        self.allocated = self.allocated.max(self.bytes.capacity());
    }

    /// How many bytes of memory it takes.
    pub(crate) const fn allocated(&self) -> usize {
        self.allocated
    }

    /// Takes note of a read that brought `read` bytes into `room`, for the size of the next.
    pub(crate) fn took(&mut self, read: usize, room: usize) {
        self.reads += 1;
        self.largest_read = self.largest_read.max(read);
        if read == room {
            self.size = (self.size * 2).min(LARGEST);
        } else if self.reads < READS_TO_FIT {
            return;
        } else {
            let fitting = (2 * self.largest_read).next_power_of_two();
            self.size = self.size.min(fitting.clamp(SMALLEST, LARGEST));
        }
        self.reads = 0;
        self.largest_read = 0;
    }

    /// Nothing is there to be read: memory beyond what the traffic needs is given back. A quiet connection keeps none,
    /// since most connections are quiet and taking 8 KiB again costs less than a tenth of a microsecond.
    pub(crate) fn rest(&mut self) {
        let needed = if self.size == SMALLEST { 0 } else { self.size };
        if self.bytes.is_empty() && self.allocated > needed {
            self.bytes = BytesMut::new();
            self.allocated = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_reads_grow_it_up_to_the_largest_size() {
        let mut buffer = ReadBuffer::new();
        for _ in 0..20 {
            buffer.make_room();
            let room = buffer.bytes.capacity();
            assert!(room <= LARGEST);
            buffer.took(room, room);
        }
        assert_eq!(buffer.size, LARGEST);
    }

    #[test]
    fn a_few_small_reads_shrink_it_again_and_rest_frees_it() {
        let mut buffer = ReadBuffer::new();
        buffer.size = LARGEST;
        for _ in 0..READS_TO_FIT {
            buffer.make_room();
            buffer.took(100, buffer.bytes.capacity());
        }
        assert_eq!(buffer.size, SMALLEST);
        buffer.rest();
        assert_eq!((buffer.allocated(), buffer.bytes.capacity()), (0, 0));
    }

    #[test]
    fn rest_keeps_bytes_that_are_part_of_a_frame() {
        let mut buffer = ReadBuffer::new();
        buffer.bytes.extend_from_slice(b"half");
        buffer.rest();
        assert_eq!(&buffer.bytes[..], b"half");
    }
}
