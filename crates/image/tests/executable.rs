//! What the kernel finds in the image: one file that is all the program there is.

use monitor_image::MONITOR;

const ET_DYN: u16 = 3;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const PF_X: u32 = 1;
const DT_NEEDED: u64 = 1;

fn bytes<const N: usize>(at: usize) -> [u8; N] {
    MONITOR[at..at + N].try_into().expect("N bytes")
}
fn half(at: usize) -> u16 {
    u16::from_le_bytes(bytes(at))
}
fn word(at: usize) -> u32 {
    u32::from_le_bytes(bytes(at))
}
fn long(at: usize) -> u64 {
    u64::from_le_bytes(bytes(at))
}

/// Where the program headers of this type are: `Elf64_Phdr`.
fn segments(of: u32) -> Vec<usize> {
    let (table, size, count) = (long(0x20) as usize, half(0x36) as usize, half(0x38) as usize);
    (0..count).map(|index| table + index * size).filter(|&at| word(at) == of).collect()
}

#[test]
fn is_an_executable_that_can_lie_anywhere() {
    assert_eq!(bytes(0), *b"\x7fELF\x02\x01", "64 bits, little-endian");
    assert_eq!(half(0x10), ET_DYN);
    assert_eq!(half(0x12), if cfg!(target_arch = "x86_64") { 62 } else { 183 });
}

#[test]
fn needs_no_loader_and_no_library() {
    assert!(segments(PT_INTERP).is_empty());
    for at in segments(PT_DYNAMIC) {
        let (start, size) = (long(at + 8) as usize, long(at + 0x20) as usize);
        assert!((start..start + size).step_by(16).all(|entry| long(entry) != DT_NEEDED));
    }
}

#[test]
fn cannot_execute_its_stack_nor_change_its_tables() {
    let stack = segments(PT_GNU_STACK);
    assert!(stack.len() == 1 && word(stack[0] + 4) & PF_X == 0);
    assert_eq!(segments(PT_GNU_RELRO).len(), 1);
}

/// Entering capability mode writes it all to memory: 15 µs for 100 KB.
#[test]
fn is_small() {
    assert!(MONITOR.len() < 2 << 20, "{} bytes", MONITOR.len());
}
