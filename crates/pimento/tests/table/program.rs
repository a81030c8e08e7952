//! A program of few bytes.

/// A static executable for x86_64 that ends with status 7.
pub fn ends_with_7() -> Vec<u8> {
    let code = [0xbf, 7, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]; // mov edi, 7; mov eax, 60; syscall
    let (headers, base) = (64 + 56, 0x40_0000u64);
    let mut elf = Vec::new();
    let entry = base + headers;
    let size = headers + code.len() as u64;
    elf.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    // ET_EXEC, EM_X86_64, EV_CURRENT.
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [entry, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    // Flags; the sizes of this header and of a program header, of which there is one; no sections.
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // PT_LOAD, to be read and executed.
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, base, base, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}
