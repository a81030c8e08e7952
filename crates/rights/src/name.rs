//! Names of rights, both ways: a text to a set, and a set to the shortest text.

use crate::error::ParseRightsError;
use crate::table::{RIGHTS, Row};
use crate::{Right, Rights, WORDS, mark};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

impl Row {
    /// The right's name in lower case and without `CAP_`, as sets are written.
    ///
    /// ```
    /// assert_eq!(rights::RIGHTS[0].short_name(), "read");
    /// ```
    pub const fn short_name(&self) -> &'static str {
        self.short
    }
}

/// `word` without this prefix, in either case, if it starts with it.
pub(crate) fn strip_prefix<'w>(word: &'w str, prefix: &str) -> &'w str {
    match word.split_at_checked(prefix.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(prefix) => rest,
        _ => word,
    }
}

impl Right {
    /// The right of this name, with or without `CAP_`, in either case.
    ///
    /// ```
    /// use rights::Right;
    /// for name in ["CAP_MMAP_RX", "mmap_rx", "Mmap_RX"] {
    ///     assert_eq!(Right::from_name(name), Some(Right::MMAP_RX));
    /// }
    /// assert_eq!(Right::from_name("mmap_xr"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Right> {
        let name = strip_prefix(name, "cap_");
        RIGHTS.iter().find(|row| row.short.eq_ignore_ascii_case(name)).map(|row| row.right)
    }

    /// Its name in C. Of an alias (`CAP_RECV`, `CAP_SEND`), that of the right it stands for. A union of rights
    /// that [`Right::from_raw`] accepts may have none.
    ///
    /// ```
    /// use rights::Right;
    /// assert_eq!(Right::PREAD.name(), Some("CAP_PREAD"));
    /// assert_eq!(Right::RECV.name(), Some("CAP_READ"));
    /// ```
    pub fn name(self) -> Option<&'static str> {
        RIGHTS.iter().find(|row| row.right == self).map(|row| row.name)
    }
}

impl FromStr for Right {
    type Err = ParseRightsError;

    /// A name as [`Right::from_name`] takes it, or a number as [`Right::from_raw`] does, in hexadecimal with `0x`.
    fn from_str(word: &str) -> Result<Right, ParseRightsError> {
        let word = word.trim();
        if word.is_empty() {
            return Err(ParseRightsError::Missing);
        }
        if let Some(right) = Right::from_name(word) {
            return Ok(right);
        }
        let digits = word.strip_prefix("0x").filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(raw) = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            return Ok(Right::from_raw(raw)?);
        }
        let nearest = nearest(strip_prefix(word, "cap_"), RIGHTS.iter().map(Row::short_name));
        Err(ParseRightsError::Unknown { word: String::from(word), nearest })
    }
}

impl FromStr for Rights {
    type Err = ParseRightsError;

    /// Rights separated by commas, each as [`Right`] is parsed; `all`; `none`.
    fn from_str(text: &str) -> Result<Rights, ParseRightsError> {
        text.split(',').try_fold(Rights::NONE, |set, word| {
            let word = word.trim();
            if word.eq_ignore_ascii_case("all") {
                Ok(Rights::ALL)
            } else if word.eq_ignore_ascii_case("none") {
                Ok(set)
            } else {
                Ok(set.union(&word.parse::<Right>()?.into()))
            }
        })
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Rights::from(*self).fmt(f)
    }
}

impl fmt::Display for Rights {
    /// The fewest names that make up exactly this set, separated by commas, in the table's order; `all`; `none`.
    ///
    /// A set can hold half a right, such as `CAP_LINKAT_TARGET` without the `CAP_LOOKUP` in it, once that has
    /// been cleared. What has no name of its own is written as a number, so that every set reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Rights::ALL => return f.pad("all"),
            Rights::NONE => return f.pad("none"),
            _ => {}
        }
        let (rows, rest) = self.fewest();
        let mut words: Vec<String> = rows.iter().map(|row| String::from(row.short)).collect();
        for index in 0..WORDS {
            if rest.bits[index] != 0 {
                words.push(alloc::format!("{:#x}", rest.bits[index] | mark(index)));
            }
        }
        f.pad(&words.join(","))
    }
}

impl Rights {
    /// The fewest named rights that make up this set, in the table's order; without what has no name.
    ///
    /// ```
    /// use rights::{Right, Rights};
    /// let set = Rights::of(&[Right::READ, Right::LOOKUP, Right::MMAP_RX, Right::FSTAT]);
    /// let names: Vec<&str> = set.names().iter().map(|row| row.name).collect();
    /// assert_eq!(names, ["CAP_MMAP_RX", "CAP_FSTATAT"]);
    /// ```
    pub fn names(&self) -> Vec<&'static Row> {
        self.fewest().0
    }

    /// The fewest rows that make up this set, and what no row covers.
    fn fewest(&self) -> (Vec<&'static Row>, Rights) {
        // An alias has the bits of an earlier row, and adds nothing.
        let within = RIGHTS.iter().enumerate().filter(|(i, row)| {
            self.is_set(row.right) && RIGHTS[..*i].iter().all(|earlier| earlier.right != row.right)
        });
        let rows: Vec<(usize, Rights)> = within.map(|(i, row)| (i, row.right.into())).collect();
        let covered = rows.iter().fold(Rights::NONE, |set, (_, rights)| set.union(rights));
        let mut chosen = cover(covered, rows);
        chosen.sort_unstable();
        (chosen.into_iter().map(|i| &RIGHTS[i]).collect(), self.difference(&covered))
    }

    fn len(&self) -> u32 {
        self.bits[0].count_ones() + self.bits[1].count_ones()
    }
}

/// The fewest of `rows` whose union is `left`, to which all of them together amount: a set cover, exact.
/// Two rules settle nearly every row (one that is the only to cover some bit is in; one that covers no bit
/// beyond another's is out); what they leave open, two or three mmap and socket rights, is tried out.
fn cover(mut left: Rights, mut rows: Vec<(usize, Rights)>) -> Vec<usize> {
    let mut chosen = Vec::new();
    while !left.is_empty() {
        let gain = |rights: &Rights| rights.intersection(&left);
        // Out: those that another row makes superfluous. Between equals, the smaller stays.
        let kept: Vec<(usize, Rights)> = rows
            .iter()
            .filter(|(i, rights)| {
                !gain(rights).is_empty()
                    && !rows.iter().any(|(j, other)| {
                        let (mine, theirs) = (gain(rights), gain(other));
                        i != j
                            && theirs.contains(&mine)
                            && (mine != theirs || (other.len(), j) < (rights.len(), i))
                    })
            })
            .copied()
            .collect();
        // In: those that cover a bit alone.
        let sole = kept.iter().find(|(i, rights)| {
            let others = kept.iter().filter(|(j, _)| i != j).fold(Rights::NONE, |set, (_, o)| set.union(o));
            !gain(rights).difference(&others).is_empty()
        });
        if let Some((i, rights)) = sole {
            chosen.push(*i);
            left = left.difference(rights);
            rows = kept;
            continue;
        }
        // Some row that covers the lowest bit is in: try each.
        let bit = match left.bits {
            [0, second] => Rights { bits: [0, second & second.wrapping_neg()] },
            [first, _] => Rights { bits: [first & first.wrapping_neg(), 0] },
        };
        let tried = kept.iter().filter(|(_, rights)| rights.contains(&bit)).map(|(i, rights)| {
            let mut tried = cover(left.difference(rights), kept.clone());
            tried.push(*i);
            tried
        });
        chosen.extend(tried.min_by_key(Vec::len).unwrap_or_default());
        break;
    }
    chosen
}

/// The candidate that `word` was most likely meant to be, if any is near enough: by the number of letters to
/// insert, remove, replace or swap, at most a third of the word's. If none is, the shortest that starts with the word.
///
/// ```
/// use rights::nearest;
/// assert_eq!(nearest("opneat", ["open", "openat", "read"]), Some("openat"));
/// assert_eq!(nearest("xyzzy", ["open", "openat", "read"]), None);
/// ```
pub fn nearest<'n>(word: &str, candidates: impl IntoIterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let word = word.to_ascii_lowercase();
    let far = word.chars().count().div_ceil(3).max(1);
    let near = candidates
        .clone()
        .into_iter()
        .map(|name| (distance(&word, &name.to_ascii_lowercase()), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= far)
        .map(|(_, name)| name);
    near.or_else(|| {
        let starts = |name: &&str| word.len() >= 3 && name.to_ascii_lowercase().starts_with(&word);
        candidates.into_iter().filter(starts).min_by_key(|name| name.len())
    })
}

/// The optimal string alignment distance: insertions, removals, replacements, and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i);
        for j in 1..=b.len() {
            let replace = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replace.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = core::mem::replace(&mut above, row);
    }
    above[b.len()]
}
