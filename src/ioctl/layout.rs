//! C structures as data: the offsets of their members, and the numbers of ioctl
//! requests.
//!
//! The macros of this file make a `repr(C)` structure of a description, make the
//! compiler check every offset and size in it, and keep the description for
//! checks against the system's header.
#![forbid(unsafe_code)]

/// Where a member lies in its structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Bytes before it.
    pub offset: usize,
    /// Bytes of it.
    pub size: usize,
}

impl Field {
    /// Its bytes; empty when `bytes` ends before it does.
    #[must_use]
    pub fn slice(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.offset..self.offset + self.size).unwrap_or_default()
    }

    /// Writes `value` and fills the rest with zeros. Cuts a `value` that does not
    /// fit: callers check lengths before.
    pub fn write(self, bytes: &mut [u8], value: &[u8]) {
        let Some(place) = bytes.get_mut(self.offset..self.offset + self.size) else { return };
        place.fill(0);
        for (to, from) in place.iter_mut().zip(value) {
            *to = *from;
        }
    }

    /// Writes an integer in the byte order of this machine, as wide as the
    /// member is: 1, 2, 4 or 8 bytes.
    pub fn put(self, bytes: &mut [u8], value: u64) {
        let wide = value.to_le_bytes();
        let mut narrow = wide.get(..self.size).unwrap_or(&wide).to_vec();
        if cfg!(target_endian = "big") {
            narrow.reverse();
        }
        self.write(bytes, &narrow);
    }

    /// Reads what [`Self::put`] writes; 0 when `bytes` ends before it.
    #[must_use]
    pub fn get(self, bytes: &[u8]) -> u64 {
        let number = self.slice(bytes).iter();
        let shift = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if cfg!(target_endian = "big") {
            number.fold(0, shift)
        } else {
            number.rev().fold(0, shift)
        }
    }
}

/// A structure as the system's header declares it.
#[derive(Debug, Clone, Copy)]
pub struct Struct {
    /// The name after the word `struct`.
    pub name: &'static str,
    /// The result of `sizeof`.
    pub size: usize,
    /// The members, by their path in C. A name that begins with an underscore
    /// covers several members, or padding.
    pub members: &'static [(&'static str, Field)],
}

/// What an argument points to. It is checked before the kernel follows the
/// pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointer {
    /// Nothing.
    Nowhere,
    /// `count` elements of `each` bytes.
    Elements {
        /// The pointer.
        at: Field,
        /// Size of an element.
        each: Field,
        /// Number of elements.
        count: Field,
    },
    /// `count` elements whose size is not in the argument.
    Items {
        /// The pointer.
        at: Field,
        /// Number of elements.
        count: Field,
        /// Size of an element.
        size: usize,
    },
    /// `used` bytes that the kernel reads and `room` that it may write.
    Bytes {
        /// The pointer.
        at: Field,
        /// Bytes in.
        used: Field,
        /// Bytes out, at most.
        room: Field,
    },
}

/// An ioctl request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The macro's name in the header.
    pub name: &'static str,
    /// The number that ioctl(2) takes.
    pub number: u32,
    /// What the argument points to.
    pub pointer: Pointer,
}

impl Request {
    /// How many bytes the kernel copies in or out (`IOCPARM_LEN`).
    #[must_use]
    pub const fn length(&self) -> usize {
        (self.number >> 16 & 0x1fff) as usize
    }
}

/// Neither way (`IOC_VOID`).
pub const VOID: u32 = 0x2000_0000;
/// Out of the kernel (`IOC_OUT`).
pub const OUT: u32 = 0x4000_0000;
/// Into the kernel (`IOC_IN`).
pub const IN: u32 = 0x8000_0000;
/// Both ways (`IOC_INOUT`).
pub const IN_OUT: u32 = IN | OUT;

/// A request number, as `<sys/ioccom.h>` of the BSDs and of Darwin computes it.
#[must_use]
pub const fn number(way: u32, group: u8, ordinal: u8, size: usize) -> u32 {
    way | (size as u32 & 0x1fff) << 16 | (group as u32) << 8 | ordinal as u32
}

/// The size of the member that `_member` reaches.
#[must_use]
pub const fn size_of_member<S, M>(_member: fn(&S) -> &M) -> usize {
    size_of::<M>()
}

/// The [`Field`] of a member of a structure, nested ones with dots.
macro_rules! field {
    ($structure:ty, $($member:ident).+) => {
        $crate::ioctl::layout::Field {
            offset: ::std::mem::offset_of!($structure, $($member).+),
            size: $crate::ioctl::layout::size_of_member(
                |structure: &$structure| &structure.$($member).+,
            ),
        }
    };
}

/// The path of a member in C: our name, unless another path is given.
macro_rules! c_path {
    ($member:ident) => {
        stringify!($member)
    };
    ($member:ident $path:literal) => {
        $path
    };
}

/// Structures: `Name = "name in C", size { offset member: type, .. }`, each
/// with its assertions, and the list [`STRUCTS`] of them all.
macro_rules! structs {
    ($($(#[$doc:meta])* $name:ident = $c:literal, $size:literal {
        $($offset:literal $member:ident $(= $path:literal)?: $type:ty,)+
    })+) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Debug, Clone, Copy)]
            #[allow(missing_docs)]
            pub struct $name {
                $(pub $member: $type,)+
            }
            const _: () = assert!(size_of::<$name>() == $size, $c);
            $(const _: () = assert!(
                ::std::mem::offset_of!($name, $member) == $offset,
                $crate::ioctl::layout::c_path!($member $($path)?),
            );)+
        )+
        /// Every structure of this file.
        pub const STRUCTS: &[$crate::ioctl::layout::Struct] = &[
            $($crate::ioctl::layout::Struct {
                name: $c,
                size: $size,
                members: &[$((
                    $crate::ioctl::layout::c_path!($member $($path)?),
                    $crate::ioctl::layout::Field {
                        offset: $offset,
                        size: size_of::<$type>(),
                    },
                ),)+],
            },)+
        ];
    };
}

/// Requests of a group: `way ordinal NAME(Argument, pointer) = number`, each
/// asserted to be what the header's macro computes, and [`REQUESTS`].
macro_rules! requests {
    ($group:literal; $($way:ident $ordinal:literal $name:ident($argument:ty, $pointer:expr)
        = $number:literal,)+) => {
        $(
            #[allow(missing_docs)]
            pub const $name: $crate::ioctl::layout::Request =
                $crate::ioctl::layout::Request {
                    name: stringify!($name),
                    number: $number,
                    pointer: $pointer,
                };
            const _: () = assert!(
                $crate::ioctl::layout::number(
                    $crate::ioctl::layout::$way,
                    $group,
                    $ordinal,
                    size_of::<$argument>(),
                ) == $number,
                stringify!($name),
            );
        )+
        /// Every request of this file.
        pub const REQUESTS: &[$crate::ioctl::layout::Request] = &[$($name,)+];
    };
}

/// Numbers by the name that the header gives them, and [`CONSTANTS`].
macro_rules! constants {
    ($($name:ident: $type:ty = $value:literal,)+) => {
        $(
            #[allow(missing_docs)]
            pub const $name: $type = $value;
        )+
        /// Every number of this file.
        pub const CONSTANTS: &[(&str, u32)] = &[$((stringify!($name), $value),)+];
    };
}

pub(crate) use {c_path, constants, field, requests, structs};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_as_wide_as_their_member_and_touch_nothing_else() {
        for size in [1, 2, 4, 8] {
            let field = Field { offset: 3, size };
            let mut bytes = [0xaa; 16];
            field.put(&mut bytes, 0x0102_0304_0506_0708);
            let mask = u64::MAX >> (64 - 8 * size);
            assert_eq!(field.get(&bytes), 0x0102_0304_0506_0708 & mask);
            assert!(bytes[..3].iter().chain(&bytes[3 + size..]).all(|byte| *byte == 0xaa));
        }
    }

    #[test]
    fn a_member_beyond_the_end_reads_as_nothing() {
        let field = Field { offset: 14, size: 4 };
        let mut bytes = [1; 16];
        field.put(&mut bytes, 7);
        assert_eq!((field.get(&bytes), bytes), (0, [1; 16]));
    }
}
