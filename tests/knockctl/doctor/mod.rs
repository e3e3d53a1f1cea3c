//! `knockctl doctor`: what it finds wrong, and what it says of it.

mod doors;
mod report;
mod rules;
mod system;
