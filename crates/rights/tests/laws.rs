//! What holds of all sets and limits.

use proptest::collection::vec;
use proptest::prelude::*;
use rights::{FcntlRights, IOCTLS_MAX, IoctlLimit, NotCapable, RIGHTS, Right, Rights, TooManyIoctls};

/// Sets of named rights, few or many.
fn named() -> impl Strategy<Value = Rights> {
    vec(0..RIGHTS.len(), 0..40).prop_map(|rows| rows.into_iter().map(|row| RIGHTS[row].right).collect())
}

/// Any set, those with half a right in them too.
fn any_set() -> impl Strategy<Value = Rights> {
    let [all0, all1] = Rights::ALL.words();
    let bits = (any::<u64>(), any::<u64>());
    let raw =
        bits.prop_map(move |(a, b)| Rights::from_words([a & all0 | 1 << 57, b & all1 | 1 << 58]).unwrap());
    prop_oneof![named(), raw, (named(), named()).prop_map(|(a, b)| a.difference(&b))]
}

fn right() -> impl Strategy<Value = Right> {
    (0..RIGHTS.len()).prop_map(|row| RIGHTS[row].right)
}

proptest! {
    #[test]
    fn union_and_intersection_are_a_lattice(a in any_set(), b in any_set(), c in any_set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b).intersection(&c), a.intersection(&b.intersection(&c)));
        prop_assert_eq!(a.union(&a.intersection(&b)), a);
        prop_assert_eq!(a.intersection(&a.union(&b)), a);
        prop_assert_eq!(a.intersection(&b.union(&c)), a.intersection(&b).union(&a.intersection(&c)));
        prop_assert_eq!(a.union(&Rights::NONE), a);
        prop_assert_eq!(a.intersection(&Rights::ALL), a);
    }

    #[test]
    fn difference_takes_exactly_what_is_common(a in any_set(), b in any_set()) {
        let rest = a.difference(&b);
        prop_assert!(rest.intersection(&b).is_empty());
        prop_assert_eq!(rest.union(&a.intersection(&b)), a);
    }

    #[test]
    fn contains_is_the_lattice_s_order(a in any_set(), b in any_set(), c in any_set()) {
        prop_assert!(Rights::ALL.contains(&a) && a.contains(&Rights::NONE) && a.contains(&a));
        prop_assert_eq!(a.contains(&b), a.union(&b) == a);
        prop_assert_eq!(a.contains(&b), a.intersection(&b) == b);
        prop_assert_eq!(a.contains(&b), b.difference(&a).is_empty());
        prop_assert_eq!(a.contains(&b) && b.contains(&a), a == b);
        prop_assert!(!(a.contains(&b) && b.contains(&c)) || a.contains(&c));
    }

    #[test]
    fn set_and_clear_do_what_their_sets_do(a in any_set(), right in right()) {
        let one = Rights::of(&[right]);
        let (mut set, mut cleared) = (a, a);
        set.set(right);
        cleared.clear(right);
        prop_assert_eq!(set, a.union(&one));
        prop_assert_eq!(cleared, a.difference(&one));
        prop_assert!(set.is_set(right) && !cleared.is_set(right));
        prop_assert_eq!(a.is_set(right), a.contains(&one));
    }

    #[test]
    fn words_read_back(a in any_set()) {
        prop_assert_eq!(Rights::from_words(a.words()), Ok(a));
    }

    #[test]
    fn only_words_that_a_set_gives_are_taken(words in any::<[u64; 2]>(), flip in 0..128usize, a in any_set()) {
        if let Ok(set) = Rights::from_words(words) {
            prop_assert_eq!(set.words(), words);
        }
        let mut words = a.words();
        words[flip / 64] ^= 1 << (flip % 64);
        if let Ok(set) = Rights::from_words(words) {
            prop_assert_eq!(set.words(), words);
        }
    }

    #[test]
    fn what_is_displayed_parses_back(a in any_set()) {
        prop_assert_eq!(a.to_string().parse::<Rights>(), Ok(a));
    }

    #[test]
    fn no_shorter_list_names_a_set(rows in vec(right(), 1..10)) {
        let set: Rights = rows.iter().copied().collect();
        let text = set.to_string();
        prop_assert!(text.split(',').count() <= rows.len(), "{} for {:?}", text, rows);
        prop_assert!(!text.split(',').any(|name| ["recv", "send"].contains(&name)));
    }

    #[test]
    fn no_text_makes_parsing_panic(text in "\\PC*", names in "(cap_|0x|[a-z_,]){0,6}") {
        let _ = text.parse::<Rights>();
        let _ = text.parse::<FcntlRights>();
        let _ = names.parse::<Rights>();
    }

    #[test]
    fn a_limit_never_grows(a in any_set(), b in any_set()) {
        let mut held = a;
        let result = held.narrow(b);
        prop_assert_eq!(result, if a.contains(&b) { Ok(()) } else { Err(NotCapable) });
        prop_assert_eq!(held, if a.contains(&b) { b } else { a });
        prop_assert!(a.contains(&held));
    }

    #[test]
    fn an_ioctl_limit_never_grows(a in vec(0..6u32, 0..6), b in vec(0..6u32, 0..6)) {
        let (a, b) = (IoctlLimit::list(a).unwrap(), IoctlLimit::list(b).unwrap());
        let mut held = a.clone();
        let narrowed = held.narrow(b.clone()).is_ok();
        prop_assert_eq!(narrowed, (0..6).all(|command| a.permits(command) || !b.permits(command)));
        prop_assert_eq!(&held, if narrowed { &b } else { &a });
        prop_assert!((0..8).all(|command| a.permits(command) || !held.permits(command)));
        prop_assert_eq!(held.narrow(IoctlLimit::ALL), Err(NotCapable));
        let mut all = IoctlLimit::ALL;
        prop_assert_eq!(all.narrow(a), Ok(()));
    }

    #[test]
    fn an_ioctl_list_has_at_most_256_commands(commands in vec(any::<u32>(), 0..300)) {
        let list = IoctlLimit::list(commands.iter().copied());
        if commands.len() > IOCTLS_MAX {
            prop_assert_eq!(list, Err(TooManyIoctls(commands.len())));
        } else {
            let list = list.unwrap();
            prop_assert_eq!(list.commands(), Some(&commands[..]));
        }
    }

    #[test]
    fn an_fcntl_limit_never_grows_and_reads_back(a in 0..16u32, b in 0..16u32) {
        let (a, b) = (FcntlRights::from_bits(a << 3).unwrap(), FcntlRights::from_bits(b << 3).unwrap());
        let mut held = a;
        prop_assert_eq!(held.narrow(b).is_ok(), a.contains(b));
        prop_assert!(a.contains(held));
        prop_assert_eq!(a.to_string().parse::<FcntlRights>(), Ok(a));
    }
}

#[test]
fn fcntl_rights_are_freebsd_s_and_no_others() {
    for bit in 0..32 {
        assert_eq!(FcntlRights::from_bits(1 << bit).is_some(), (3..=6).contains(&bit), "{bit}");
    }
    let error = "getfl,getflags".parse::<FcntlRights>().unwrap_err().to_string();
    assert!(error.starts_with("no fcntl right is called \"getflags\""), "{error}");
}
