//! Compiles the policy, and what descriptors let through natively, into a seccomp program of classic BPF;
//! and reads such programs: [`check`] as the kernel does before it takes one, [`run`] as it does at each call.
//!
//! The steps, a module each: the table's rows become one decision graph in which equal decisions are one node
//! (`compile`, `graph`), and the graph becomes instructions (`assemble`). A descriptor that is limited afterwards gets a
//! small program of its own, which is stacked on the first (`narrow`). Pure: no I/O.
//!
//! ```
//! use filter::{Action, Data, Profile};
//! use rights::Rights;
//!
//! let program = filter::compile(&Profile { hosted: false, audit: false, passes: vec![(0, Rights::ALL)] });
//! filter::check(&program).expect("the kernel takes it");
//! let unknown = filter::run(&program, &Data::call(1999, [0; 6]));
//! assert_eq!(unknown.action, Action::Errno(1094));
//! ```
#![forbid(unsafe_code)]

mod arch;
mod assemble;
mod compile;
mod describe;
mod graph;
mod insn;
mod interpret;
mod narrow;
#[cfg(test)]
mod tests;

pub use arch::Arch;
pub use compile::{Profile, compile, compile_for};
pub use describe::describe;
pub use insn::{Action, Insn, MAX_INSNS};
pub use interpret::{Data, Invalid, Run, check, constant, run};
pub use narrow::{narrow, narrow_for};
