//! One place chooses the system, one the firewall, and the manual knows each.

use std::fs;
use std::path::{Path, PathBuf};

use knockd::sys::SYSTEMS;

/// What asks which system it is compiled for, other than `src/sys`: the
/// interfaces to kernels, and the demonstration.
const CHOOSERS: &[&str] = &[
    "capture/bpf/mod.rs",
    "capture/mod.rs",
    "firewall/nft/mod.rs",
    "firewall/pf/mod.rs",
    "firewall/pf/system.rs",
    "firewall/rows.rs",
    "process/demo/mod.rs",
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn nothing_but_a_choice_of_interfaces_asks_for_the_system() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&house, &mut files);
    let asking = files
        .iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("target_os"))
        .map(|path| path.strip_prefix(&house).unwrap().to_str().unwrap())
        .filter(|path| !path.starts_with("sys/") && !CHOOSERS.contains(path));
    assert_eq!(asking.collect::<Vec<_>>(), [""; 0]);
}

/// The names of the firewalls, as the rows of src/firewall/choice.rs.
fn firewalls(house: &Path) -> Vec<String> {
    let text = fs::read_to_string(house.join("firewall/choice.rs")).unwrap();
    let rows = text.split_once("pub enum Choice {").unwrap().1;
    let rows = rows.lines().skip(1).take_while(|line| *line != "}");
    rows.map(|row| row.trim().split(|c: char| !c.is_alphanumeric()).next().unwrap().into())
        .collect()
}

#[test]
fn nothing_but_the_firewall_s_own_room_asks_which_one_it_is() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names = firewalls(&house);
    assert!(names.len() >= 3, "{names:?}");
    let mut files = Vec::new();
    sources(&house, &mut files);
    for path in files.iter().filter(|path| !path.starts_with(house.join("firewall"))) {
        let text = fs::read_to_string(path).unwrap();
        for name in &names {
            for path_of in
                [format!("Choice::{name}"), format!("firewall::{}", name.to_lowercase())]
            {
                assert!(!text.contains(&path_of), "{}: {path_of}", path.display());
            }
        }
    }
}

/// How a line of documentation may begin before its command.
const PROMPTS: [&str; 4] = ["# ", "doas ", "sudo ", "add=\""];

#[test]
fn one_line_for_each_system_creates_the_account_wherever_it_is_written() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let commands: Vec<_> =
        SYSTEMS.iter().map(|system| format!("{} _knockd", system.add_user)).collect();
    for (file, count) in
        [("README.md", 4), ("install.sh", 4), ("man/knockd-pf.7", 3), ("etc/pfsense.md", 1)]
    {
        let text = fs::read_to_string(house.join(file)).unwrap();
        let written = text.lines().filter_map(|line| {
            let line = line.trim().trim_end_matches('"');
            let line =
                PROMPTS.iter().fold(line, |line, prompt| line.trim_start_matches(prompt));
            let is_one = ["useradd ", "sysadminctl "].iter().any(|name| line.contains(name));
            (is_one && line.contains("_knockd")).then_some(line)
        });
        let written: Vec<_> = written.collect();
        assert_eq!(written.len(), count, "{file}: {written:?}");
        for line in written {
            assert!(commands.iter().any(|command| command == line), "{file}: {line}");
        }
    }
}

#[test]
fn the_manual_names_the_configuration_of_every_system() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/knockd.8");
    let manual = fs::read_to_string(manual).unwrap();
    for system in SYSTEMS {
        assert!(manual.contains(&format!("Pa {}", system.config)), "{}", system.name);
    }
}
