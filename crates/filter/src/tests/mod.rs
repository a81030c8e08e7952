//! The compiled program against the policy read directly.
//!
//! - `reference`: what should become of a call, by walking the table as it is written.
//! - `random`: tables that nobody would write, any call.
//! - `real`: the policy's own table, any call; sizes and speeds.
//! - `narrow`: the program that limits one descriptor further, alone and on top of the other.
//! - `machine`: the kernel's check and the interpreter themselves.

mod machine;
mod narrow;
mod random;
mod real;
mod reference;
