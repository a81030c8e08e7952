//! What the filter that is compiled beforehand lets through: for build.rs, which compiles it, and for lib.rs.

use rights::Rights;

/// From each number up to the next, these rights. From 256 on the monitor is asked about everything: there it puts what comes to
/// be with fewer rights. A process that may not have four times as many descriptors gets another filter.
pub const PASSES: &[(u32, Rights)] = &[(0, Rights::ALL), (256, Rights::NONE)];
