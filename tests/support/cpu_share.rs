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
}

impl CpuShare {
    /// Of a function of this memory.
    pub fn of_memory(memory_mb: u64) -> io::Result<Self> {
        let quota = PERIOD_US * memory_mb / MEMORY_OF_A_PROCESSOR_MB;
        let name = format!("promptlib-{}", uuid::Uuid::now_v7().simple());
        // Version 1 of control groups has a tree for each resource.
        let version_1 = Path::new("/sys/fs/cgroup/cpu");
        let folder = if version_1.exists() { version_1.join(name) } else { Path::new("/sys/fs/cgroup").join(name) };
        fs::create_dir(&folder)?;
        if version_1.exists() {
            fs::write(folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())?;
        } else {
            fs::write(folder.join("cpu.max"), format!("{quota} {PERIOD_US}"))?;
        }
        Ok(Self { folder })
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
