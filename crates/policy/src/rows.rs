//! The notation in which the tables are written. Each macro expands to plain data: the types of `lib.rs`.

use crate::{Cond, Rule, Verdict};

/// Capability mode does not permit it.
pub(crate) const DENY: Verdict = Verdict::Deny(rights::ECAPMODE);
/// As if the kernel had no such call, so that libraries fall back to an older one.
pub(crate) const ABSENT: Verdict = Verdict::Deny(crate::ENOSYS);

/// The low half of a register: what a C `int` is.
pub(crate) const INT: u64 = 0xffff_ffff;

/// The `int` in this register has this value.
pub(crate) const fn int(arg: u8, is: u32) -> Cond {
    Cond::is(arg, INT, is as u64)
}
/// The `int` in this register has another value.
pub(crate) const fn int_not(arg: u8, is: u32) -> Cond {
    Cond::not(arg, INT, is as u64)
}
/// The pointer is null.
pub(crate) const fn null(arg: u8) -> Cond {
    Cond::is(arg, u64::MAX, 0)
}
/// The pointer is not null.
pub(crate) const fn not_null(arg: u8) -> Cond {
    Cond::not(arg, u64::MAX, 0)
}
/// Every one of these bits is set.
pub(crate) const fn set(arg: u8, bits: u64) -> Cond {
    Cond::is(arg, bits, bits)
}
/// At least one of these bits is set.
pub(crate) const fn any(arg: u8, bits: u64) -> Cond {
    Cond::not(arg, bits, 0)
}
/// None of these bits is set.
pub(crate) const fn clear(arg: u8, bits: u64) -> Cond {
    Cond::is(arg, bits, 0)
}
/// The directory is AT_FDCWD, -100: the working directory, a global name.
pub(crate) const fn at_fdcwd(arg: u8) -> Cond {
    int(arg, -100i32 as u32)
}

/// A rule of [`Verdict::When`].
pub(crate) const fn rule(when: &'static [Cond], then: Verdict) -> Rule {
    Rule { when, then }
}

/// A set of rights by their names.
macro_rules! set_of {
    ($($right:ident)*) => { ::rights::Rights::of(&[$(::rights::Right::$right),*]) };
}

/// What an argument needs: `need!(READ)`, `need!(READ; if not_null(1) => SEEK)`, `need!(; if set(0, 1) => READ)`.
macro_rules! need {
    ($($right:ident)+ $(; if $($cond:expr),+ => $($more:ident)+)*) => {
        &[
            $crate::Need { when: &[], rights: $crate::rows::set_of!($($right)+) },
            $($crate::Need { when: &[$($cond),+], rights: $crate::rows::set_of!($($more)+) },)*
        ]
    };
    ($(; if $($cond:expr),+ => $($more:ident)+)*) => {
        &[$($crate::Need { when: &[$($cond),+], rights: $crate::rows::set_of!($($more)+) },)*]
    };
}

/// A number of an architecture's table, or `-` where the call does not exist there.
macro_rules! number {
    (-) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

/// The first of its arguments that is there.
macro_rules! or_else {
    (($given:expr) $default:expr) => {
        $given
    };
    (() $default:expr) => {
        $default
    };
}

/// Rows of system calls:
/// `name x86_64 aarch64 (arguments) [verdict; hosted verdict; do Op] "why";`
/// The last two within the brackets may be left out: the same when hosted, and [`crate::Op::Check`].
macro_rules! calls {
    ($(
        $name:ident $x86_64:tt $aarch64:tt ($($arg:expr),*)
        [$verdict:expr $(; hosted $hosted:expr)? $(; do $op:ident)?]
        $why:literal;
    )*) => {
        &[$($crate::Call {
            name: stringify!($name),
            x86_64: $crate::rows::number!($x86_64),
            aarch64: $crate::rows::number!($aarch64),
            args: &[$($arg),*],
            verdict: $verdict,
            hosted: $crate::rows::or_else!(($(Some($hosted))?) None),
            op: $crate::rows::or_else!(($($crate::Op::$op)?) $crate::Op::Check),
            why: $why,
        }),*]
    };
}

/// Rows of commands: `NAME value [verdict; hosted verdict] (RIGHTS: FCNTL_RIGHT) "why";`
/// The right-hand parts within the brackets and the parentheses may be left out: the same when hosted, no right of
/// `cap_fcntls_limit(2)`, and no rights beyond those that the call itself needs.
macro_rules! commands {
    ($(
        $name:ident $value:tt [$verdict:expr $(; hosted $hosted:expr)?] $(($($right:ident)+ $(: $fcntl:ident)?))?
        $why:literal;
    )*) => {
        &[$($crate::Command {
            name: stringify!($name),
            value: $value,
            verdict: $verdict,
            hosted: $crate::rows::or_else!(($(Some($hosted))?) None),
            needs: $crate::rows::set_of!($($($right)+)?),
            fcntl: $crate::rows::or_else!(($($(Some(::rights::FcntlRights::$fcntl))?)?) None),
            why: $why,
        }),*]
    };
}

pub(crate) use {calls, commands, need, number, or_else, set_of};
