//! What brings descriptors, and what waits for them: with limits, and with everything about the call in memory, so that the
//! monitor does it.
//!
//! - `letters`: messages
//! - `flying`: limited descriptors in messages
//! - `ordinary`: what is sent outside capability mode, when some descriptor is limited
//! - `receiving`: that receiving is as ever otherwise
//! - `unread`: what goes on by itself, and then something is limited
//! - `waiting`: poll, select, ppoll, pselect6
#![cfg(target_os = "linux")]

mod flying;
mod letters;
mod ordinary;
mod receiving;
#[allow(dead_code, reason = "the stage has more than is played here")]
#[path = "../entered/stage.rs"]
mod stage;
mod unread;
mod waiting;
