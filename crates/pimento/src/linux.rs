//! Linux: the monitor does it.

use crate::Enter;
use monitor::attach::{self, Attach};

pub use monitor::attach::EnterError;

pub fn is_in_capability_mode() -> bool {
    attach::is_entered()
}

pub fn enter(how: &Enter) -> Result<(), EnterError> {
    let Enter { libraries } = how.clone();
    Attach { image: monitor_image::MONITOR, filter: monitor_image::FILTER, libraries }.enter()
}
