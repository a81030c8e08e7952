//! The table against `rights.csv`, row by row, and against what FreeBSD's header says.

use rights::{ECAPMODE, ENOTCAPABLE, FcntlRights, InvalidRight, InvalidRights, RIGHTS, Right, Rights};

/// A row of the file: name, index, own bits, includes, both words, platform, allows.
fn rows() -> Vec<Vec<String>> {
    include_str!("rights.csv").lines().skip(1).map(fields).collect()
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

fn number(text: &str) -> u64 {
    text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16)).unwrap()
}

#[test]
fn every_row_of_the_file_is_in_the_table_as_it_says() {
    let rows = rows();
    assert_eq!(rows.len(), RIGHTS.len());
    for (line, row) in rows.iter().zip(RIGHTS) {
        let [name, index, own, includes, word0, word1, _platform, allows] = &line[..] else {
            panic!("{line:?}")
        };
        assert_eq!(name, row.name);
        assert_eq!(allows, row.allows, "{name}");
        let right = Right::from_name(name).unwrap();
        assert_eq!(right, row.right, "{name}");
        assert_eq!(right.index() as u64, number(index), "{name}");
        let words = [number(word0) | 1 << 57, number(word1) | 1 << 58];
        assert_eq!(Rights::of(&[right]).words(), words, "{name}");
        assert_eq!(Rights::from_words(words), Ok(Rights::of(&[right])), "{name}");
        assert_eq!(Right::from_raw(words[right.index()]), Ok(right), "{name}");
        let mut made = Right::from_raw(1 << (57 + right.index()) | number(own)).map(Rights::from).unwrap();
        for part in includes.split_whitespace() {
            let part = Right::from_name(part).unwrap();
            assert!(Rights::from(right).is_set(part), "{name} includes {part}");
            made.set(part);
        }
        assert_eq!(made, right.into(), "{name} is no more than its parts");
    }
}

#[test]
fn names_are_taken_in_every_spelling() {
    for row in RIGHTS {
        let short = row.name.strip_prefix("CAP_").unwrap();
        assert_eq!(row.short_name(), short.to_lowercase());
        for spelling in [row.name, short, row.short_name(), &row.name.to_lowercase()] {
            assert_eq!(Right::from_name(spelling), Some(row.right));
            assert_eq!(spelling.parse(), Ok(row.right));
        }
    }
    for wrong in ["", "CAP_", "CAP_CAP_READ", "rea", "read ", "rëad", "é"] {
        assert_eq!(Right::from_name(wrong), None, "{wrong:?}");
    }
}

#[test]
fn what_freebsd_says_of_its_constants() {
    assert_eq!((ENOTCAPABLE, ECAPMODE), (1093, 1094));
    assert_eq!(Right::READ.raw(), 0x0200_0000_0000_0001);
    assert_eq!(Right::MMAP_RWX.raw(), 0x0200_0000_0000_003f);
    assert_eq!(Right::CONNECTAT.raw(), 0x0200_0100_0000_0400);
    assert_eq!(Right::IOCTL.raw(), 0x0400_0000_0000_0080);
    // CAP_ALL0 names every bit up to 42; CAP_ALL1 those up to 22, and ours above.
    assert_eq!(Rights::ALL.words()[0], 1 << 57 | 0x7ff_ffff_ffff);
    assert_eq!(Rights::ALL.words()[1] & 0xff_ffff_ffff, 0x7f_ffff);
    assert_eq!(FcntlRights::ALL.bits(), 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6);
}

#[test]
fn words_of_another_version_or_with_wrong_marks_or_unknown_bits_are_refused() {
    let [zero, one] = Rights::ALL.words();
    for version in 1..4 {
        assert_eq!(Rights::from_words([zero | version << 62, one]), Err(InvalidRights::Version(version)));
    }
    for bit in 57..64 {
        assert!(Rights::from_words([zero ^ 1 << bit, one]).is_err(), "word 0, bit {bit}");
        assert!(Rights::from_words([zero, one ^ 1 << bit]).is_err(), "word 1, bit {bit}");
    }
    for bit in 0..57 {
        for word in 0..2 {
            let mut words = Rights::NONE.words();
            words[word] |= 1 << bit;
            let known = Rights::ALL.words()[word] & 1 << bit != 0;
            let expected =
                if known { None } else { Some(InvalidRights::UnknownBits { word, unknown: 1 << bit }) };
            assert_eq!(Rights::from_words(words).err(), expected, "word {word}, bit {bit}");
        }
    }
}

#[test]
fn a_raw_right_carries_exactly_one_known_mark() {
    for raw in [0, 1, 3 << 57 | 1, 1 << 59 | 1, 1 << 61, 1 << 62 | 1 << 57 | 1, 1 << 63 | 1 << 58, u64::MAX] {
        assert_eq!(Right::from_raw(raw), Err(InvalidRight::IndexMark(raw)), "{raw:#x}");
    }
    let unknown = 1 << 56;
    let raw = 1 << 57 | unknown | 1;
    assert_eq!(Right::try_from(raw), Err(InvalidRight::UnknownBits { raw, unknown }));
}

#[test]
fn sets_are_written_short() {
    let written = |text: &str| text.parse::<Rights>().unwrap().to_string();
    assert_eq!(written("read"), "read");
    assert_eq!(written("mmap_r,mmap_x"), "mmap_rx");
    assert_eq!(written("mmap_w,mmap_x,mmap_r"), "mmap_rwx");
    assert_eq!(written("recv,send"), "read,write");
    assert_eq!(written("lookup,fstat"), "fstatat");
    assert_eq!(written("lookup,fstat,mkdirat"), "fstatat,mkdirat");
    assert_eq!(written("inotify_add,inotify_rm"), "inotify_add,inotify_rm");
    assert_eq!(written("none"), "none");
    assert_eq!(written("read,all"), "all");
    assert_eq!(written(" READ , cap_seek,0x0400000000000020"), "pread,event");
    assert_eq!(format!("{:>6}|", Rights::NONE), "  none|");
    // LOOKUP went, and left half of LINKAT_TARGET behind.
    let mut half: Rights = "linkat_target,read".parse().unwrap();
    half.clear(Right::LOOKUP);
    assert_eq!(half.to_string(), "read,0x200000000400000");
    assert_eq!(half.to_string().parse(), Ok(half));
}

#[test]
fn what_is_no_right_is_named_with_the_nearest() {
    let error = |text: &str| text.parse::<Rights>().unwrap_err().to_string();
    assert_eq!(error("read,sek"), "no right is called \"sek\"; the nearest is seek");
    assert_eq!(error("CAP_MMAP_XR"), "no right is called \"CAP_MMAP_XR\"; the nearest is mmap_r");
    assert_eq!(error("readwritemuch"), "no right is called \"readwritemuch\"");
    assert_eq!(error("getsock"), "no right is called \"getsock\"; the nearest is getsockopt");
    assert_eq!(error(""), "a right's name is missing; the empty set is called none");
    assert_eq!(error("read,"), error(""));
    assert_eq!(error("0x1"), "0x1 does not carry exactly one index mark, bit 57 or bit 58");
}
