//! From a launch to a birth: what a program finds around it, said in the system's words.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::path::Path;

use aplomb_core::spec::{Directory, Privilege, Process};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BAD_EXE_FORMAT, ERROR_DIRECTORY, ERROR_FILE_NOT_FOUND,
    ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY, ERROR_PATH_NOT_FOUND,
};
use windows_sys::Win32::System::Threading::{
    ABOVE_NORMAL_PRIORITY_CLASS, BELOW_NORMAL_PRIORITY_CLASS, CREATE_NO_WINDOW,
    HIGH_PRIORITY_CLASS, IDLE_PRIORITY_CLASS, NORMAL_PRIORITY_CLASS, PROCESS_CREATION_FLAGS,
};

use super::stdio::{self, Which};
use super::sys::birth::{Birth, inheritable};
use super::{Windows, command_line, directories, environment, program};
use crate::{Launch, SpawnError, Started, Step};

impl Windows {
    pub(super) fn begin(&mut self, launch: &Launch<'_>) -> Result<Started, SpawnError> {
        refuse(launch)?;
        let failed = |step| move |source| SpawnError::Setup { step, source };
        self.trees
            .expect_birth(launch.tree)
            .map_err(failed(Step::ControlGroup))?;
        let file = program::find(launch)?;
        let line = line_for(launch, &file)?;
        let block = environment::block(launch.env).map_err(failed(Step::Execute))?;
        let directory = directory_of(launch.process)?;
        for own in &launch.process.own_directories {
            directories::make(own).map_err(failed(Step::StateDirectory))?;
        }
        self.trees
            .bind_to(launch.tree, &launch.process.cpu_affinity)
            .map_err(failed(Step::CpuAffinity))?;
        let input = stdio::input(&launch.process.stdin)?;
        let output = stdio::output(launch.stdout, Which::Output, &self.writers)?;
        let errors = stdio::output(launch.stderr, Which::Errors, &self.writers)?;
        let output = output.as_ref().unwrap_or(&input);
        let errors = errors.as_ref().unwrap_or(output);
        let standard = [&input, output, errors].map(AsRawHandle::as_raw_handle);
        let ready = self
            .ready_descriptor(launch)
            .map_err(failed(Step::Sockets))?;
        let (inherited, descriptors) = match &ready {
            Some((writer, place)) => {
                let writer = writer.as_raw_handle();
                (vec![writer], descriptor_table(standard, *place, writer))
            }
            None => (Vec::new(), Vec::new()),
        };
        let job = self
            .trees
            .job(launch.tree)
            .map_err(failed(Step::ControlGroup))?;
        let birth = Birth {
            // A batch file is read by its interpreter, which the line names.
            program: (!program::is_batch(&file)).then_some(file.as_str()),
            command_line: &line,
            environment: Some(&block),
            directory: directory.as_deref(),
            standard: Some(standard),
            inherited: &inherited,
            descriptors: &descriptors,
            job: Some(job),
            flags: CREATE_NO_WINDOW | priority(launch.process.nice),
        };
        let born = birth
            .bear()
            .map_err(|source| not_born(launch, directory.as_deref(), source))?;
        self.watch(launch.tree, born.process, born.pid)
            .map_err(failed(Step::Execute))
    }

    /// The writing end of a ready pipe, and the descriptor it is to be.
    fn ready_descriptor(
        &mut self,
        launch: &Launch<'_>,
    ) -> io::Result<Option<(OwnedHandle, usize)>> {
        let Some(place) = launch.ready_fd else {
            return Ok(None);
        };
        let writer = self.ready.make(&self.poller, launch.tree)?;
        let writer = inheritable(writer.as_raw_handle())?;
        Ok(Some((writer, place as usize)))
    }
}

/// What Windows cannot perform is refused, also where a unit's fault was overlooked.
fn refuse(launch: &Launch<'_>) -> Result<(), SpawnError> {
    let process = launch.process;
    let service = launch.privilege != Privilege::Full;
    let refused = [
        (!launch.sockets.is_empty(), Step::Sockets),
        (service && process.user.is_some(), Step::User),
        (service && process.group.is_some(), Step::Group),
        (process.root_directory.is_some(), Step::RootDirectory),
        (service && process.sandbox.is_some(), Step::Sandbox),
    ];
    match refused.iter().find(|(wanted, _)| *wanted) {
        None => Ok(()),
        Some((_, step)) => Err(SpawnError::Setup {
            step: *step,
            source: io::Error::new(io::ErrorKind::Unsupported, "Windows has nothing like it"),
        }),
    }
}

fn line_for(launch: &Launch<'_>, file: &str) -> Result<String, SpawnError> {
    if !program::is_batch(file) {
        return Ok(command_line::of(launch.argv));
    }
    let shell = std::env::var("ComSpec").unwrap_or_else(|_| "cmd.exe".to_owned());
    let line = command_line::of_batch(&shell, file, launch.argv);
    line.map_err(|why| SpawnError::Setup {
        step: Step::Execute,
        source: io::Error::new(io::ErrorKind::InvalidInput, why),
    })
}

/// The working directory; where none is wanted, the system's, so that ours can be removed.
fn directory_of(process: &Process) -> Result<Option<String>, SpawnError> {
    let Some(Directory { path, optional }) = &process.directory else {
        return Ok(None);
    };
    let path = if path == "~" {
        std::env::var("USERPROFILE").unwrap_or_default()
    } else {
        path.clone()
    };
    if Path::new(&path).is_dir() {
        return Ok(Some(path));
    }
    if *optional {
        return Ok(std::env::var("SystemRoot").ok());
    }
    Err(SpawnError::Directory {
        path,
        source: io::ErrorKind::NotFound.into(),
    })
}

/// The priority class for a nice value, in five steps. Nobody gets REALTIME, which starves the system itself.
fn priority(nice: Option<i8>) -> PROCESS_CREATION_FLAGS {
    match nice {
        None | Some(-4..=4) => NORMAL_PRIORITY_CLASS,
        Some(i8::MIN..=-15) => HIGH_PRIORITY_CLASS,
        Some(-14..=-5) => ABOVE_NORMAL_PRIORITY_CLASS,
        Some(5..=14) => BELOW_NORMAL_PRIORITY_CLASS,
        Some(15..) => IDLE_PRIORITY_CLASS,
    }
}

/// The C runtime's own table of descriptors, as it reads it at its start: how many, a byte of flags for each, and a
/// handle for each.
fn descriptor_table(
    standard: [*mut std::ffi::c_void; 3],
    place: usize,
    handle: *mut std::ffi::c_void,
) -> Vec<u8> {
    const OPEN: u8 = 0x01;
    const PIPE: u8 = 0x08;
    const NONE: usize = usize::MAX;
    let mut rows: Vec<(u8, usize)> = standard.iter().map(|one| (OPEN, one.addr())).collect();
    while rows.len() < place.max(3) {
        rows.push((0, NONE));
    }
    rows.truncate(place.max(3));
    rows.push((OPEN | PIPE, handle.addr()));
    let count = i32::try_from(rows.len()).unwrap_or(0);
    let mut table = count.to_ne_bytes().to_vec();
    table.extend(rows.iter().map(|(flags, _)| *flags));
    for (_, handle) in rows {
        table.extend(handle.to_ne_bytes());
    }
    table
}

fn not_born(launch: &Launch<'_>, directory: Option<&str>, source: io::Error) -> SpawnError {
    let program = launch.program.to_owned();
    let code = source
        .raw_os_error()
        .and_then(|code| u32::try_from(code).ok());
    match code {
        Some(ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND) => SpawnError::NotFound { program },
        Some(ERROR_ACCESS_DENIED) => SpawnError::NotExecutable { program },
        Some(ERROR_BAD_EXE_FORMAT) => SpawnError::BadFormat { program },
        Some(ERROR_DIRECTORY) => SpawnError::Directory {
            path: directory.unwrap_or_default().to_owned(),
            source,
        },
        Some(ERROR_NOT_ENOUGH_MEMORY | ERROR_NO_SYSTEM_RESOURCES) => SpawnError::NoRoom { source },
        _ => SpawnError::Setup {
            step: Step::Execute,
            source,
        },
    }
}
