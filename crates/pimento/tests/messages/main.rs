//! What brings descriptors, and what waits for them: with limits, and with everything about the call in memory, so that the
//! monitor does it.
//!
//! - `waiting`: poll, select, ppoll, pselect6
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the stage has more than is played here")]
#[path = "../entered/stage.rs"]
mod stage;
mod waiting;
