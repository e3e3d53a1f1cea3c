//! Interface groups, as `ifconfig -a` prints them. Rules name them as interfaces. A
//! name does not tell them: `em0` is in no group `em`, `epair0a` is in `epair`.
#![forbid(unsafe_code)]

/// The path of ifconfig(8) on every system that has pf.
pub const PROGRAM: &str = "/sbin/ifconfig";

/// Returns the groups of the interface `name`, without `all`. None where no interface
/// is in a group, as on macOS: then nothing is known of them.
#[must_use]
pub fn parse(printed: &str, name: &str) -> Option<Vec<String>> {
    let (mut groups, mut is_known, mut is_meant) = (Vec::new(), false, false);
    for line in printed.lines() {
        if !line.starts_with([' ', '\t']) {
            is_meant = line.split_once(':').is_some_and(|(shown, _)| shown == name);
        } else if let Some(words) = line.trim_start().strip_prefix("groups: ") {
            is_known = true;
            groups.extend(words.split_whitespace().filter(|_| is_meant).map(str::to_owned));
        }
    }
    is_known.then_some(groups)
}
