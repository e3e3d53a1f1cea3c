//! ioctl(2) requests to pf and bpf.
//!
//! [`layout`] describes structures and requests as data; a [`Device`] takes
//! their bytes. A request that could make the kernel access other memory is
//! refused before it is made.

use std::io;

use self::layout::{Field, Pointer, Request};

mod descriptor;
pub mod layout;

pub use descriptor::Descriptor;

/// Answers ioctl requests: an open device, or a kernel made for a test.
pub trait Device {
    /// Makes `request` with `argument`, which becomes the answer. The device
    /// writes the pointer to `memory` into the argument.
    ///
    /// # Errors
    /// The system's; `InvalidInput` without a system call when the argument does
    /// not have the request's length, or announces more than `memory` holds.
    fn ioctl(
        &mut self,
        request: &Request,
        argument: &mut [u8],
        memory: &mut [u8],
    ) -> io::Result<()>;
}

/// Whether the kernel accesses only `argument` and `memory`.
#[must_use]
pub fn is_contained(request: &Request, argument: &[u8], memory: &[u8]) -> bool {
    let inside = |field: Field| field.offset + field.size <= argument.len();
    let fits = |length: Option<usize>| length.is_some_and(|length| length <= memory.len());
    let number = |field: Field| usize::try_from(field.get(argument)).ok();
    let pointed = match request.pointer {
        Pointer::Nowhere => memory.is_empty(),
        Pointer::Elements { at, each, count } => {
            let length = number(each).zip(number(count));
            [at, each, count].into_iter().all(inside)
                && fits(length.and_then(|(each, count)| each.checked_mul(count)))
        }
        Pointer::Items { at, count, size } => {
            let length = number(count).and_then(|count| count.checked_mul(size));
            [at, count].into_iter().all(inside) && fits(length)
        }
        Pointer::Bytes { at, used, room } => {
            [at, used, room].into_iter().all(inside) && fits(number(used)) && fits(number(room))
        }
    };
    argument.len() == request.length() && pointed
}

#[cfg(test)]
mod tests {
    use super::layout::{IN_OUT, number};
    use super::*;

    const fn request(size: usize, pointer: Pointer) -> Request {
        Request { name: "", number: number(IN_OUT, b'D', 1, size), pointer }
    }

    #[test]
    fn an_argument_that_announces_more_than_there_is_never_reaches_the_kernel() {
        let at = Field { offset: 0, size: 8 };
        let each = Field { offset: 8, size: 4 };
        let count = Field { offset: 12, size: 4 };
        let elements = request(16, Pointer::Elements { at, each, count });
        let mut argument = vec![0; 16];
        each.put(&mut argument, 52);
        count.put(&mut argument, 2);
        assert!(is_contained(&elements, &argument, &[0; 104]));
        assert!(!is_contained(&elements, &argument, &[0; 103]));
        assert!(!is_contained(&elements, &argument[1..], &[0; 104]));
        count.put(&mut argument, u64::MAX);
        assert!(!is_contained(&elements, &argument, &[0; 104]));
        assert!(!is_contained(&request(16, Pointer::Nowhere), &[0; 16], &[0; 1]));
    }

    #[test]
    fn both_lengths_of_a_packed_list_count() {
        let [at, used, room] = [0, 8, 16].map(|offset| Field { offset, size: 8 });
        let packed = request(24, Pointer::Bytes { at, used, room });
        for (bytes, space, contained) in [(8, 8, true), (9, 0, false), (0, 9, false)] {
            let mut argument = [0; 24];
            used.put(&mut argument, bytes);
            room.put(&mut argument, space);
            assert_eq!(is_contained(&packed, &argument, &[0; 8]), contained);
        }
    }
}
