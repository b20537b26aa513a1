use std::fs;

/// The memory of this machine, or of the container that the process runs in, in bytes. `None` if the system
/// does not say, which only Linux does.
pub(super) fn memory() -> Option<u64> {
    let limits = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    // A file may be missing, or say `max`.
    let limits = limits
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let limits = limits.filter_map(|limit| limit.trim().parse().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| total(&text));
    limits.chain(machine).min()
}

/// The total of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let total = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_in_kibibytes() {
        let text = "MemTotal:       24576000 kB\nMemFree:        20000000 kB\n";
        assert_eq!(total(text), Some(24_576_000 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_says_how_much_there_is() {
        assert!(memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
