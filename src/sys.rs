//! What the operating system gives: clocks and the like.
//!
//! One of the three places with `unsafe`, beside the ioctls of pf and bpf.
