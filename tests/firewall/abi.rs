//! What the files named after the systems say about pf and bpf is what the
//! systems' own headers say.
//!
//! For FreeBSD and OpenBSD a C compiler that has their headers decides: zig,
//! named by `KNOCKD_ZIG` or found where the project's scripts put it. For what
//! no header at hand has, tables of numbers stand in (`abi_tables`).
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs;
use knockd::capture::bpf;
use knockd::firewall::pf::{abi, freebsd, freebsd32, macos, openbsd};
use knockd::ioctl::layout::{Field, Request, Struct};

/// What one system's file says, as far as one check goes.
struct Claims {
    headers: &'static [&'static str],
    structs: Vec<Struct>,
    requests: Vec<Request>,
    constants: Vec<(&'static str, u32)>,
}

impl Claims {
    fn new(
        structs: &[Struct],
        requests: &[Request],
        constants: &[(&'static str, u32)],
    ) -> Self {
        Self {
            headers: &["net/pfvar.h"],
            structs: structs.to_vec(),
            requests: requests.to_vec(),
            constants: [abi::CONSTANTS, constants].concat(),
        }
    }

    fn of_bpf(
        structs: &[&[Struct]],
        requests: &[&[Request]],
        constants: &[&[(&'static str, u32)]],
    ) -> Self {
        Self {
            headers: &["net/bpf.h", "net/route.h"],
            structs: structs.concat(),
            requests: requests.concat(),
            constants: constants.concat(),
        }
    }

    /// The claims as C that compiles only if they are true.
    fn to_c(&self) -> String {
        let mut c = String::from(
            "#include <stddef.h>\n#include <sys/types.h>\n#include <sys/ioctl.h>\n\
             #include <sys/socket.h>\n#include <netinet/in.h>\n#include <net/if.h>\n",
        );
        for header in self.headers {
            let _ = writeln!(c, "#include <{header}>");
        }
        for Struct { name, size, members } in &self.structs {
            let _ = writeln!(c, "_Static_assert(sizeof(struct {name}) == {size}, \"\");");
            for (member, field) in named(members) {
                let _ = writeln!(
                    c,
                    "_Static_assert(offsetof(struct {name}, {member}) == {}, \"\");\n\
                     _Static_assert(sizeof(((struct {name} *)0)->{member}) == {}, \"\");",
                    field.offset, field.size
                );
            }
        }
        for Request { name, number, .. } in &self.requests {
            let _ = writeln!(c, "_Static_assert((unsigned)({name}) == {number}u, \"\");");
        }
        for (name, value) in &self.constants {
            let _ = writeln!(c, "_Static_assert(({name}) == {value}, \"\");");
        }
        c
    }

    /// The claims in the form of the tables.
    fn to_table(&self) -> BTreeMap<String, String> {
        let mut table = BTreeMap::new();
        for Struct { name, size, members } in &self.structs {
            table.insert(format!("struct {name}"), size.to_string());
            for (member, field) in named(members) {
                let place = format!("{} {}", field.offset, field.size);
                table.insert(format!("{name}.{member}"), place);
            }
        }
        for Request { name, number, .. } in &self.requests {
            table.insert(format!("request {name}"), format!("{number:#x}"));
        }
        for (name, value) in &self.constants {
            table.insert(format!("constant {name}"), value.to_string());
        }
        table
    }

    fn without(mut self, structs: &[&str], requests: &[&str]) -> Self {
        self.structs.retain(|structure| !structs.contains(&structure.name));
        self.requests.retain(|request| !requests.contains(&request.name));
        self
    }
}

/// The members that C has under the same name.
fn named<'a>(members: &'a [(&str, Field)]) -> impl Iterator<Item = &'a (&'a str, Field)> {
    members.iter().filter(|(name, _)| !name.starts_with('_'))
}

/// What FreeBSD 15 took out, or has made larger, since FreeBSD 13.
const GONE: (&[&str], &[&str]) = (&["pf_status"], &["DIOCGETSTATUS", "DIOCKILLSTATES"]);

fn freebsd() -> Claims {
    Claims::new(freebsd::STRUCTS, freebsd::REQUESTS, freebsd::CONSTANTS)
}

fn freebsd32() -> Claims {
    Claims::new(freebsd32::STRUCTS, freebsd32::REQUESTS, freebsd::CONSTANTS)
}

fn openbsd() -> Claims {
    Claims::new(openbsd::STRUCTS, openbsd::REQUESTS, openbsd::CONSTANTS)
}

fn macos() -> Claims {
    Claims::new(macos::STRUCTS, macos::REQUESTS, macos::CONSTANTS)
}

/// The compiler, unless there is none and nobody insists on it.
fn zig() -> Option<PathBuf> {
    let fetched = || {
        let mut found = needs::cache()?.read_dir().ok()?.flatten().map(|entry| entry.path());
        found.find_map(|path| Some(path.join("ziglang/zig")).filter(|zig| zig.is_file()))
    };
    let zig = std::env::var_os("KNOCKD_ZIG").map(PathBuf::from).or_else(fetched);
    needs::met(zig.is_some(), "zig, see KNOCKD_ZIG");
    zig
}

/// What the compiler has to say against `c`, nothing if it accepts it.
fn compile(zig: &Path, target: &str, c: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("claims.c"), c).unwrap();
    let output = Command::new(zig)
        .args(["cc", "-target", target, "-c", "claims.c", "-o", "claims.o"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn headers_agree(claims: &Claims, targets: &[&str]) {
    let Some(zig) = zig() else { return };
    for target in targets {
        if let Err(complaint) = compile(&zig, target, &claims.to_c()) {
            panic!("{target}: {complaint}");
        }
    }
}

#[test]
fn freebsd_s_headers_agree() {
    let claims = freebsd().without(GONE.0, GONE.1);
    headers_agree(&claims, &["x86_64-freebsd", "aarch64-freebsd"]);
}

#[test]
fn freebsd_s_headers_for_32_bit_machines_agree() {
    headers_agree(&freebsd32(), &["x86-freebsd", "arm-freebsd-eabihf"]);
}

#[test]
fn openbsd_s_headers_agree() {
    headers_agree(&openbsd(), &["x86_64-openbsd", "aarch64-openbsd"]);
}

#[test]
fn the_headers_of_bpf_agree() {
    use bpf::{freebsd, freebsd_i386, freebsd32, macos, openbsd};
    let on_64_bits =
        |structs, requests, constants| Claims::of_bpf(&[structs], &[requests], &[constants]);
    let claims = on_64_bits(freebsd::STRUCTS, freebsd::REQUESTS, freebsd::CONSTANTS);
    headers_agree(&claims, &["x86_64-freebsd", "aarch64-freebsd"]);
    let claims = on_64_bits(openbsd::STRUCTS, openbsd::REQUESTS, openbsd::CONSTANTS);
    headers_agree(&claims, &["x86_64-openbsd", "aarch64-openbsd"]);
    let claims = on_64_bits(macos::STRUCTS, macos::REQUESTS, macos::CONSTANTS);
    headers_agree(&claims, &["aarch64-macos", "x86_64-macos"]);

    // What the files for 32-bit machines leave to others counts for them too.
    let same = |name: &str| !["bpf_hdr", "bpf_program", "rt_msghdr"].contains(&name);
    let structs: Vec<_> = freebsd::STRUCTS.iter().filter(|s| same(s.name)).copied().collect();
    let narrow = |name: &str| ["BIOCSETF", "BIOCSETWF"].contains(&name);
    let requests: Vec<_> =
        freebsd::REQUESTS.iter().filter(|r| !narrow(r.name)).copied().collect();
    let constants: Vec<_> =
        freebsd::CONSTANTS.iter().filter(|c| c.0 != "BPF_ALIGNMENT").copied().collect();
    let record: Vec<_> =
        freebsd::STRUCTS.iter().filter(|s| s.name == "bpf_hdr").copied().collect();
    for (target, record) in
        [("arm-freebsd-eabihf", &record[..]), ("x86-freebsd", freebsd_i386::STRUCTS)]
    {
        let claims = Claims::of_bpf(
            &[&structs, freebsd32::STRUCTS, record],
            &[&requests, freebsd32::REQUESTS],
            &[&constants, freebsd32::CONSTANTS],
        );
        headers_agree(&claims, &[target]);
    }
}

#[test]
fn every_wrong_number_is_found_by_the_headers() {
    let Some(zig) = zig() else { return };
    let right = openbsd().to_c();
    compile(&zig, "x86_64-openbsd", &right).unwrap();
    for (number, other) in [
        ("sizeof(struct pfr_addr) == 52", "sizeof(struct pfr_addr) == 20"),
        (
            "offsetof(struct pfr_addr, pfra_af) == 38",
            "offsetof(struct pfr_addr, pfra_af) == 16",
        ),
        ("(DIOCRADDADDRS) == 3293594691u", "(DIOCRADDADDRS) == 3293594692u"),
        ("(AF_INET6) == 24", "(AF_INET6) == 28"),
    ] {
        let wrong = right.replace(number, other);
        assert_ne!(wrong, right, "{number}");
        compile(&zig, "x86_64-openbsd", &wrong).unwrap_err();
    }
}

/// Every line of a table in `abi_tables`, but comments.
fn table(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let entry = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        // `struct NAME SIZE` and the like are named by two words.
        let named_by = if words[0].contains('.') { 1 } else { 2 };
        (words[..named_by].join(" "), words[named_by..].join(" "))
    };
    lines.map(entry).collect()
}

/// Whether a table knows every claim and agrees with it.
fn tables_agree(claims: &Claims, known: &str) {
    let known = table(known);
    for (what, claimed) in claims.to_table() {
        assert_eq!(known.get(&what), Some(&claimed), "{what}");
    }
}

#[test]
fn macos_is_as_its_kernel_s_source_has_it() {
    tables_agree(&macos(), include_str!("abi_tables/macos"));
}

#[test]
fn what_freebsd_15_took_out_is_as_freebsd_13_had_it() {
    let mut claims = freebsd();
    claims
        .structs
        .retain(|structure| ["pf_status", "pfioc_state_kill"].contains(&structure.name));
    claims.requests.retain(|request| GONE.1.contains(&request.name));
    claims.constants.clear();
    tables_agree(&claims, include_str!("abi_tables/freebsd13"));
}
