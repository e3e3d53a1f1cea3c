//! The clients that people already have: Debian's fwknop, pyknock from PyPI.
//! Their own packets open our doors, once, and nothing else does.

mod clients;
mod decoders;
mod frames;
mod fwknop;
mod open;
mod pyknock;
