//! Whose a process is: the kernel tells its control group, which carries the container's id.

use std::fs;

/// Docker's id of the container that a process of this box runs in; nothing for others, or once it has ended.
pub fn container_of(pid: u32) -> Option<String> {
    container_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// The container's id in a `/proc/PID/cgroup`: a name of 64 hexadecimal digits (`/docker/ID` of cgroup v1), or one inside
/// `docker-ID.scope` (systemd). Of containers in containers it is the outer one, which this box's Docker knows.
pub fn container_in(cgroup: &str) -> Option<String> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.split('/')).find_map(id_in)
}

fn id_in(name: &str) -> Option<String> {
    let bare = name.strip_suffix(".scope").unwrap_or(name);
    let id = bare.rsplit('-').next().unwrap_or(bare);
    let is_id = id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then(|| id.to_owned())
}

/// The name of a program as the kernel has it, at most 15 letters; nothing once it has ended.
pub fn name_of(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f5a0c1e9b7d4f5a0c1e9b7d4f5a0c1e9b7d4f5a0c1e9b7d4f5a0c1e9b7d4f5a";

    #[test]
    fn a_container_is_found_under_both_kinds_of_control_groups() {
        let found = |text: &str| container_in(text);
        assert_eq!(found(&format!("12:pids:/docker/{ID}\n11:cpu:/docker/{ID}\n")).as_deref(), Some(ID));
        assert_eq!(found(&format!("0::/system.slice/docker-{ID}.scope\n")).as_deref(), Some(ID));
        assert_eq!(found(&format!("0::/docker/{ID}/kubepods/{}\n", ID.replace('4', "5"))).as_deref(), Some(ID));
        // a name of a systemd unit with colons in it
        assert_eq!(found(&format!("1:name=systemd:/a:b/docker/{ID}\n")).as_deref(), Some(ID));
    }

    #[test]
    fn other_processes_are_in_no_container() {
        assert_eq!(container_in("0::/user.slice/user-1000.slice/session-3.scope\n"), None);
        assert_eq!(container_in(&format!("0::/docker/{}\n", ID.to_uppercase())), None);
        assert_eq!(container_in(""), None);
        assert_eq!(container_of(u32::MAX), None);
        assert!(name_of(std::process::id()).is_some());
    }
}
