//! Builds `pimento-monitor` as a static executable, which lib.rs includes: a cargo within cargo, since no dependency of
//! a library can be an executable.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[path = "src/passes.rs"]
mod passes;

/// What it is made of.
const CRATES: &[&str] = &["monitor", "filter", "policy", "rights"];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The filter of a process that enters, as an array.
fn filter() -> Result<String, Box<dyn Error>> {
    let arch = match &env::var("CARGO_CFG_TARGET_ARCH")?[..] {
        "x86_64" => filter::Arch::X86_64,
        "aarch64" => filter::Arch::Aarch64,
        other => return Err(format!("there is no filter for {other}").into()),
    };
    let profile = filter::Profile { hosted: false, audit: false, passes: passes::PASSES.to_vec() };
    let insns = filter::compile_for(arch, &profile).into_iter().map(|filter::Insn { code, jt, jf, k }| {
        format!("filter::Insn {{ code: {code}, jt: {jt}, jf: {jf}, k: {k} }}")
    });
    Ok(format!("[{}]", insns.collect::<Vec<_>>().join(", ")))
}

/// The target to build for: musl's, where Rust's standard library for it is installed. What is static with glibc is twice
/// as large, and asks the processor what it can do at every start, which costs a virtual machine 0.4 ms.
fn smaller(target: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let name = target.to_str().ok_or("TARGET is no name")?;
    let Some(machine) = name.strip_suffix("-gnu") else { return Ok(target.into()) };
    let musl = format!("{machine}-musl");
    let rustc = env::var_os("RUSTC").expect("cargo sets it for build scripts");
    let asked = Command::new(rustc).args(["--print=target-libdir", "--target", &musl]).output()?;
    let libdir = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
    let is_std = |name: &str| name.starts_with("libstd-") && name.ends_with(".rlib");
    let there = asked.status.success()
        && fs::read_dir(libdir)
            .is_ok_and(|files| files.flatten().any(|file| file.file_name().to_str().is_some_and(is_std)));
    Ok(if there { musl.into() } else { target.into() })
}

fn build() -> Result<(), Box<dyn Error>> {
    let [cargo, manifest, out, target] = ["CARGO", "CARGO_MANIFEST_DIR", "OUT_DIR", "TARGET"]
        .map(|name| PathBuf::from(env::var_os(name).expect("cargo sets it for build scripts")));
    let workspace = manifest.ancestors().nth(2).ok_or("crates/image is not in its workspace")?;
    let nested = target_dir(&out, &target).ok_or("OUT_DIR is not where cargo puts it")?;
    let target = smaller(&target)?;
    let mut cargo = Command::new(cargo);
    cargo
        // Also where cargo looks for .cargo/config.toml: vendored sources, say.
        .current_dir(workspace)
        .args(["build", "--quiet", "--color=never", "--locked"])
        .args(["--package=pimento-monitor", "--bin=pimento-monitor", "--profile=image"])
        .args(["--target".as_ref(), target.as_os_str()])
        .args(["--target-dir".as_ref(), nested.as_os_str()])
        .env("CARGO_BUILD_BUILD_DIR", &nested)
        // Instead of the flags of the outer build: whatever that is for, the monitor is the same.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static\x1f-Crelocation-model=pic")
        // Clippy's, and those of the like, are no compilers.
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    // What the build scripts of the dependencies would take for their own.
    for (name, _) in env::vars_os() {
        if ["CARGO_CFG_", "CARGO_FEATURE_"].iter().any(|of| name.to_string_lossy().starts_with(of)) {
            cargo.env_remove(name);
        }
    }

    let done = cargo.output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        let lacks_libc = ["find -lc", "library -lc"].iter().any(|words| said.contains(words));
        let hint = if lacks_libc {
            "The static C library is missing: Debian's libc6-dev, Fedora's glibc-static.\n"
        } else {
            ""
        };
        return Err(format!("{said}{hint}error: the monitor's executable could not be built").into());
    }
    // Cargo takes single lines.
    for line in said.lines() {
        println!("cargo::warning={line}");
    }
    fs::copy(nested.join(&target).join("image/pimento-monitor"), out.join("pimento-monitor"))?;

    fs::write(out.join("filter.rs"), filter()?)?;

    for file in ["Cargo.toml", "Cargo.lock", "crates/image/build.rs", "crates/image/src/passes.rs"] {
        println!("cargo::rerun-if-changed={}", workspace.join(file).display());
    }
    for of in CRATES {
        for path in ["Cargo.toml", "src"] {
            println!("cargo::rerun-if-changed={}", workspace.join("crates").join(of).join(path).display());
        }
    }
    Ok(())
}

/// A target directory of its own, since cargo has locked the outer one; beneath that, and the same whatever the outer
/// profile is, so that the monitor is built once.
fn target_dir(out: &Path, target: &Path) -> Option<PathBuf> {
    // TARGET-DIR[/TARGET]/PROFILE/build/…/out
    let profile = out.ancestors().find(|dir| dir.ends_with("build"))?.parent()?;
    let outer = profile.parent()?;
    let outer = if outer.ends_with(target) { outer.parent()? } else { outer };
    Some(outer.join("monitor-image"))
}
