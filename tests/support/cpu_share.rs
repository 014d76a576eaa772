//! The share of a processor that Lambda gives to a function of some memory, by a control group. Needs root on Linux.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// With so much memory, in MB, a function has one whole processor.
/// Source: AWS Lambda's developer guide, "Configure Lambda function memory".
const MEMORY_OF_A_PROCESSOR_MB: u64 = 1769;
/// Lambda's own: a function that has used up its share waits for the rest of it.
const PERIOD_US: u64 = 20_000;

/// A control group; it ends with this value, once no process is left in it.
pub struct CpuShare {
    folder: PathBuf,
    memory_mb: u64,
}

impl CpuShare {
    /// Of a function of this memory, which starts on a whole processor: until [`CpuShare::confine`].
    pub fn of_memory(memory_mb: u64) -> io::Result<Self> {
        let name = format!("promptlib-{}", uuid::Uuid::now_v7().simple());
        // Version 1 of control groups has a tree for each resource.
        let version_1 = Path::new("/sys/fs/cgroup/cpu");
        let folder = if version_1.exists() { version_1.join(name) } else { Path::new("/sys/fs/cgroup").join(name) };
        fs::create_dir(&folder)?;
        let share = Self { folder, memory_mb };
        share.allow(PERIOD_US)?;
        Ok(share)
    }

    /// From its first invocation on, a function has what its memory buys.
    pub fn confine(&self) -> io::Result<()> {
        self.allow((PERIOD_US * self.memory_mb / MEMORY_OF_A_PROCESSOR_MB).min(PERIOD_US))
    }

    fn allow(&self, quota_us: u64) -> io::Result<()> {
        let version_2 = self.folder.join("cpu.max");
        if version_2.exists() {
            return fs::write(version_2, format!("{quota_us} {PERIOD_US}"));
        }
        fs::write(self.folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
        fs::write(self.folder.join("cpu.cfs_quota_us"), quota_us.to_string())
    }

    /// What a process writes its id into to be held to the share.
    pub fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }
}

impl Drop for CpuShare {
    fn drop(&mut self) {
        fs::remove_dir(&self.folder).ok();
    }
}
