//! What was refused, counted for `--report`.

use crate::fail::Refused;
use rights::Rights;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many different refusals are kept: a program that is refused ever new names is not to fill the memory.
const MOST: usize = 10_000;

/// What was refused: the call, the object and the errno.
type Key = (&'static str, Vec<u8>, i32);

/// The count: of each refusal how often, and what it would have needed.
#[derive(Debug, Default)]
pub struct Report {
    refused: Mutex<HashMap<Key, (u64, Rights)>>,
}

impl Report {
    /// Counts a refusal.
    pub fn count(&self, call: &'static str, refused: Refused) {
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (call, refused.object, refused.errno.0);
        if all.len() < MOST || all.contains_key(&key) {
            all.entry(key).or_insert((0, refused.needs)).0 += 1;
        }
    }

    /// Each refusal and how often, most frequent first.
    pub fn take(&self) -> Vec<(&'static str, Vec<u8>, i32, u64, Rights)> {
        let mut all: Vec<_> =
            std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner))
                .into_iter()
                .map(|((call, object, errno), (times, needs))| (call, object, errno, times, needs))
                .collect();
        all.sort_by(|a, b| b.3.cmp(&a.3).then_with(|| (a.0, &a.1).cmp(&(b.0, &b.1))));
        all
    }
}
