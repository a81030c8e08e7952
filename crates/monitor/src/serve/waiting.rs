//! poll and select.

use super::{Served, Service};

impl Service<'_> {
    pub(super) fn poll(&self) -> Served {
        self.check_limits()
    }

    pub(super) fn select(&self) -> Served {
        self.check_limits()
    }

    pub(super) fn receive_message(&self) -> Served {
        self.check_limits()
    }

    pub(super) fn receive_messages(&self) -> Served {
        self.check_limits()
    }
}
