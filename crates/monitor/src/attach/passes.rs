//! A(n) of the filter that a process gets: what its descriptors let through without the monitor's being asked. It can only
//! shrink, and each number that has to shrink costs a further filter. So what is limited now is let through exactly, and
//! what is likely to be limited soon, as little as is likely to be left.

use super::raw::call;
use rights::{Limits, Right, Rights};
use std::ffi::c_int;

/// From such a number on nothing is let through: that is where the monitor puts what comes to be with fewer rights. A quarter
/// of the numbers that the process can have at most, so that there are enough beyond.
fn first_asked(limit: u64) -> u32 {
    (limit / 4).clamp(16, 256) as u32
}

const STAYS: Rights = Rights::of(&[Right::SEEK, Right::FSTAT]);
const READS: Rights = STAYS.union(&Rights::of(&[Right::READ]));
const WRITES: Rights = STAYS.union(&Rights::of(&[Right::WRITE]));

/// What is likely to be left of a descriptor that is open for this, which is limited soon.
fn likely(number: u32, flags: Option<c_int>) -> Rights {
    match (number, flags.map(|flags| flags & libc::O_ACCMODE)) {
        (0, _) => READS,
        (1 | 2, _) => WRITES,
        (_, None) => Rights::ALL,
        (_, Some(libc::O_RDONLY)) => READS,
        (_, Some(libc::O_WRONLY)) => WRITES,
        (_, Some(_)) => READS.union(&WRITES),
    }
}

/// For a program that is limited at its start: of these descriptors what is left, of all others `rest`; but of those that a
/// shell names by a digit no more than any of these can have, so that they can be copied there.
pub(crate) fn by_number(limited: &[(i32, Limits)], rest: Rights) -> Vec<(u32, Rights)> {
    ranges(first_asked(soft_limit()), |number| {
        let there = |limited: i32| number < 10 || limited as u32 == number;
        let limits = limited.iter().filter(|(limited, _)| there(*limited));
        limits.fold(rest, |left, (_, limits)| left.intersection(&limits.whatever_command()))
    })
}

fn soft_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let _ = call!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, 0, &raw mut limit);
    limit.rlim_cur
}

/// What is let through of each number beneath `first_asked`, as ranges, with those beyond as the last.
fn ranges(first_asked: u32, of: impl Fn(u32) -> Rights) -> Vec<(u32, Rights)> {
    let mut ranges: Vec<(u32, Rights)> = Vec::new();
    for number in 0..first_asked {
        let rights = of(number);
        if ranges.last().is_none_or(|(_, last)| *last != rights) {
            ranges.push((number, rights));
        }
    }
    ranges.push((first_asked, Rights::NONE));
    ranges
}

/// What the filter of this process is to let through, when these limits are made with it, and more of them soon or not.
pub(super) fn of_this_process(limits: &[(i32, Limits)], more_soon: bool) -> Vec<(u32, Rights)> {
    ranges(first_asked(soft_limit()), |number| {
        if let Some((_, limits)) = limits.iter().find(|(limited, _)| *limited as u32 == number) {
            limits.whatever_command()
        } else if more_soon {
            likely(number, call!(SYS_fcntl, number, libc::F_GETFL).ok().map(|flags| flags as c_int))
        } else {
            Rights::ALL
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_numbers_is_native() {
        assert_eq!([0, 64, 71, 100, 1024, u64::MAX].map(first_asked), [16, 16, 17, 25, 256, 256]);
    }

    #[test]
    fn neighbours_alike_are_one_range_and_the_last_lets_nothing_through() {
        let alike = ranges(256, |_| Rights::ALL);
        assert_eq!(alike, [(0, Rights::ALL), (256, Rights::NONE)]);
        let one = ranges(16, |number| if number == 5 { READS } else { Rights::ALL });
        assert_eq!(one, [(0, Rights::ALL), (5, READS), (6, Rights::ALL), (16, Rights::NONE)]);
        // From which number on all are asked about is to be seen, even where the one before lets nothing through.
        assert_eq!(ranges(16, |_| Rights::NONE), [(0, Rights::NONE), (16, Rights::NONE)]);
    }

    #[test]
    fn what_is_open_lets_through_what_it_is_open_for() {
        let both = READS.union(&WRITES);
        assert_eq!(likely(7, Some(libc::O_RDONLY | libc::O_NONBLOCK)), READS);
        assert_eq!(likely(7, Some(libc::O_WRONLY | libc::O_APPEND)), WRITES);
        assert_eq!(likely(7, Some(libc::O_RDWR)), both);
        assert_eq!(likely(7, None), Rights::ALL);
        // A terminal is open for both; who limits it knows what for.
        assert_eq!([0, 1, 2].map(|number| likely(number, Some(libc::O_RDWR))), [READS, WRITES, WRITES]);
        assert_eq!([0, 1, 2].map(|number| likely(number, None)), [READS, WRITES, WRITES]);
    }
}
