//! Job objects: what holds a process tree. Who is in it is the system's own knowledge, never guessed from parents.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::null;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, HANDLE};
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, IsProcessInJob, JOB_OBJECT_CPU_RATE_CONTROL_ENABLE,
    JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP, JOB_OBJECT_CPU_RATE_CONTROL_WEIGHT_BASED,
    JOB_OBJECT_LIMIT, JOB_OBJECT_LIMIT_ACTIVE_PROCESS, JOB_OBJECT_LIMIT_AFFINITY,
    JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_JOB_MEMORY,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_ASSOCIATE_COMPLETION_PORT,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_CPU_RATE_CONTROL_INFORMATION,
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION_0, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JOBOBJECTINFOCLASS, JobObjectAssociateCompletionPortInformation,
    JobObjectBasicAccountingInformation, JobObjectBasicProcessIdList,
    JobObjectCpuRateControlInformation, JobObjectExtendedLimitInformation,
    QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
};

use super::port::Port;
use super::{done, size_of};

/// A job object. Whoever is in it dies when the last handle is closed, unless it was released.
#[derive(Debug)]
pub(crate) struct Job {
    handle: OwnedHandle,
}

/// What all of a job's processes together may have; `None`: as they like.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// Bytes of memory promised to them.
    pub memory: Option<u64>,
    pub processes: Option<u32>,
    /// Hundredths of a percent of all processors: 10000 is everything.
    pub cpu_rate: Option<u32>,
    /// 1 to 9; 5 is everybody's.
    pub cpu_weight: Option<u32>,
    /// One bit a processor.
    pub affinity: Option<usize>,
}

/// What a job has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accounts {
    pub active: u32,
    /// In units of 100 ns, by processes that are gone as well.
    pub cpu: u64,
}

impl Job {
    pub(crate) fn new() -> io::Result<Job> {
        // SAFETY: no attributes and no name: a new job of our own, that children do not inherit.
        let made = unsafe { CreateJobObjectW(null(), null()) };
        Job::own(made)
    }

    fn own(made: HANDLE) -> io::Result<Job> {
        if made.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: made just now, valid, owned by nobody else.
        let handle = unsafe { OwnedHandle::from_raw_handle(made) };
        Ok(Job { handle })
    }

    /// One that was handed down to us.
    pub(crate) fn inherited(handle: OwnedHandle) -> Job {
        Job { handle }
    }

    pub(crate) fn raw(&self) -> RawHandle {
        self.handle.as_raw_handle()
    }

    /// Who comes and goes is told at this port from now on.
    pub(crate) fn report_to(&self, port: &Port, key: usize) -> io::Result<()> {
        let port = JOBOBJECT_ASSOCIATE_COMPLETION_PORT {
            CompletionKey: std::ptr::without_provenance_mut(key),
            CompletionPort: port.raw(),
        };
        self.set(JobObjectAssociateCompletionPortInformation, &port)
    }

    /// Sets what its processes may have; they die with the last handle, and crash without asking anybody.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        let mut flags =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        let mut wanted = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        if let Some(memory) = limits.memory {
            flags |= JOB_OBJECT_LIMIT_JOB_MEMORY;
            wanted.JobMemoryLimit = usize::try_from(memory).unwrap_or(usize::MAX);
        }
        if let Some(processes) = limits.processes {
            flags |= JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
            wanted.BasicLimitInformation.ActiveProcessLimit = processes;
        }
        if let Some(affinity) = limits.affinity {
            flags |= JOB_OBJECT_LIMIT_AFFINITY;
            wanted.BasicLimitInformation.Affinity = affinity;
        }
        self.set_limits(wanted, flags)?;
        if let Some(rate) = limits.cpu_rate {
            self.set(
                JobObjectCpuRateControlInformation,
                &JOBOBJECT_CPU_RATE_CONTROL_INFORMATION {
                    ControlFlags: JOB_OBJECT_CPU_RATE_CONTROL_ENABLE
                        | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP,
                    Anonymous: JOBOBJECT_CPU_RATE_CONTROL_INFORMATION_0 { CpuRate: rate },
                },
            )?;
        } else if let Some(weight) = limits.cpu_weight {
            self.set(
                JobObjectCpuRateControlInformation,
                &JOBOBJECT_CPU_RATE_CONTROL_INFORMATION {
                    ControlFlags: JOB_OBJECT_CPU_RATE_CONTROL_ENABLE
                        | JOB_OBJECT_CPU_RATE_CONTROL_WEIGHT_BASED,
                    Anonymous: JOBOBJECT_CPU_RATE_CONTROL_INFORMATION_0 { Weight: weight },
                },
            )?;
        }
        Ok(())
    }

    /// Lets its processes live on when the last handle is closed, unlimited.
    pub(crate) fn release(&self) -> io::Result<()> {
        self.set_limits(JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default(), 0)
    }

    fn set_limits(
        &self,
        mut wanted: JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
        flags: JOB_OBJECT_LIMIT,
    ) -> io::Result<()> {
        wanted.BasicLimitInformation.LimitFlags = flags;
        self.set(JobObjectExtendedLimitInformation, &wanted)
    }

    fn set<T>(&self, class: JOBOBJECTINFOCLASS, value: &T) -> io::Result<()> {
        let pointer = std::ptr::from_ref(value).cast();
        // SAFETY: the structure is the one the class asks for (each caller names both), of its full size.
        done(unsafe { SetInformationJobObject(self.raw(), class, pointer, size_of::<T>()) })
    }

    /// Ends all its processes; each with this exit code.
    pub(crate) fn terminate(&self, code: u32) -> io::Result<()> {
        // SAFETY: an open handle with all rights.
        done(unsafe { TerminateJobObject(self.raw(), code) })
    }

    /// Whether this very process is in it. Its number does not matter, so none can be mistaken for another.
    pub(crate) fn holds(&self, process: &OwnedHandle) -> io::Result<bool> {
        let mut answer = 0;
        let process = process.as_raw_handle();
        // SAFETY: two open handles; the answer is written where we point.
        done(unsafe { IsProcessInJob(process, self.raw(), &raw mut answer) })?;
        Ok(answer != 0)
    }

    pub(crate) fn accounts(&self) -> io::Result<Accounts> {
        let mut told = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        let length = size_of::<JOBOBJECT_BASIC_ACCOUNTING_INFORMATION>();
        // SAFETY: the structure is the one the class fills, of its full size.
        let answer = unsafe {
            QueryInformationJobObject(
                self.raw(),
                JobObjectBasicAccountingInformation,
                (&raw mut told).cast(),
                length,
                std::ptr::null_mut(),
            )
        };
        done(answer)?;
        let time = told.TotalUserTime.saturating_add(told.TotalKernelTime);
        Ok(Accounts {
            active: told.ActiveProcesses,
            cpu: u64::try_from(time).unwrap_or(0),
        })
    }

    /// The numbers of all its living processes.
    pub(crate) fn pids(&self) -> io::Result<Vec<u32>> {
        let mut room = 64;
        loop {
            // Two numbers of 32 bits, then one of pointer size for each process.
            let mut words = vec![0_usize; room + 1];
            let bytes = u32::try_from(words.len() * size_of::<usize>() as usize);
            // SAFETY: the room is ours, aligned, and of the size told.
            let answer = unsafe {
                QueryInformationJobObject(
                    self.raw(),
                    JobObjectBasicProcessIdList,
                    words.as_mut_ptr().cast(),
                    bytes.unwrap_or(u32::MAX),
                    std::ptr::null_mut(),
                )
            };
            match done(answer) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(ERROR_MORE_DATA as i32) => {}
                Err(error) => return Err(error),
            }
            let [assigned, listed] = halves(words[0]);
            if assigned > listed {
                room = assigned as usize + 16;
                continue;
            }
            let pids = words.iter().skip(1).take(listed as usize);
            return Ok(pids.filter_map(|pid| u32::try_from(*pid).ok()).collect());
        }
    }
}

/// The two 32-bit numbers in a word, the one at the lower address first.
fn halves(word: usize) -> [u32; 2] {
    let low = u32::try_from(word & 0xffff_ffff).unwrap_or(0);
    let high = u32::try_from(word >> 32).unwrap_or(0);
    [low, high]
}
