//! Which file is executed, with which words, and what it means when the system refuses.

use std::io::{self, Read};
use std::path::Path;

use crate::linux::sys::script::{Script, Stage, Text};
use crate::{Launch, SpawnError, Step};

use super::setup;

/// Where bare names are looked up when nobody says.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// As much of a file as tells what it is executed by.
const HEAD: u64 = 4096;

/// The last call: the program, wherever it is first found.
pub(super) fn execute(script: &mut Script, launch: &Launch<'_>) -> Result<(), SpawnError> {
    script.stage(Stage::Execute);
    let mut argv = Vec::with_capacity(launch.argv.len());
    for arg in launch.argv {
        argv.push(text(script, arg)?);
    }
    let argv = script.texts(&argv);
    let env = environment(script, launch)?;
    for candidate in candidates(launch) {
        let path = text(script, &candidate)?;
        script.execute(path, argv, env);
    }
    Ok(())
}

fn environment(
    script: &mut Script,
    launch: &Launch<'_>,
) -> Result<crate::linux::sys::script::Table, SpawnError> {
    let mut env = Vec::with_capacity(launch.env.len() + 1);
    for (at, (name, value)) in launch.env.iter().enumerate() {
        let overruled = launch.env[at + 1..].iter().any(|(later, _)| later == name);
        if !overruled {
            env.push(text(script, &format!("{name}={value}"))?);
        }
    }
    if !launch.sockets.is_empty() {
        env.push(script.with_own_number("LISTEN_PID="));
    }
    Ok(script.texts(&env))
}

/// Where the program may be, in the order to be tried.
fn candidates(launch: &Launch<'_>) -> Vec<String> {
    if launch.program.contains('/') {
        return vec![launch.program.to_owned()];
    }
    let inside = |directory: &str| match directory {
        "" => format!("./{}", launch.program),
        _ => format!("{}/{}", directory.trim_end_matches('/'), launch.program),
    };
    if !launch.search_path.is_empty() {
        return launch.search_path.iter().map(|dir| inside(dir)).collect();
    }
    let path = launch.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(USUAL_PATH, |(_, value)| value);
    path.split(':').map(inside).collect()
}

/// A text for the kernel; one with a NUL inside cannot be handed over.
pub(super) fn text(script: &mut Script, text: &str) -> Result<Text, SpawnError> {
    script
        .text(text.as_bytes())
        .map_err(|source| setup(Step::Execute, source))
}

/// What a refused exec means to an operator.
pub(super) fn explain(launch: &Launch<'_>, source: io::Error) -> SpawnError {
    use linux_raw_sys::errno as e;
    let program = launch.program.to_owned();
    let Some(errno) = source.raw_os_error().map(|errno| errno as u32) else {
        return setup(Step::Execute, source);
    };
    match errno {
        e::ENOENT | e::ENOTDIR => {
            let root = launch.process.root_directory.as_deref().unwrap_or("");
            let found = candidates(launch)
                .into_iter()
                .find_map(|path| interpreter(Path::new(&format!("{root}{path}"))));
            match found {
                Some(interpreter) => SpawnError::BadInterpreter {
                    program,
                    interpreter,
                },
                None => SpawnError::NotFound { program },
            }
        }
        e::EACCES => SpawnError::NotExecutable { program },
        e::ENOEXEC => SpawnError::BadFormat { program },
        e::EAGAIN | e::ENOMEM => SpawnError::NoRoom { source },
        _ => setup(Step::Execute, source),
    }
}

/// What a file asks to be executed by: the `#!` line of a script, the loader of a dynamic program.
fn interpreter(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(HEAD).read_to_end(&mut head).ok()?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        let line = String::from_utf8_lossy(line);
        return line.split_whitespace().next().map(str::to_owned);
    }
    loader(&head)
}

/// The PT_INTERP segment of an ELF file; elf(5).
fn loader(head: &[u8]) -> Option<String> {
    const PT_INTERP: u64 = 3;
    const CLASS_64: u8 = 2;
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let wide = *head.get(4)? == CLASS_64;
    let at = |offset: usize, bytes: usize| {
        let field = head.get(offset..offset.checked_add(bytes)?)?;
        let fold = |all: u64, byte: &u8| all << 8 | u64::from(*byte);
        Some(match head.get(5)? {
            1 => field.iter().rev().fold(0, fold),
            _ => field.iter().fold(0, fold),
        })
    };
    let (table, size, count) = if wide {
        (at(32, 8)?, at(54, 2)?, at(56, 2)?)
    } else {
        (at(28, 4)?, at(42, 2)?, at(44, 2)?)
    };
    for row in 0..count {
        let row = usize::try_from(table.checked_add(row * size)?).ok()?;
        if at(row, 4)? != PT_INTERP {
            continue;
        }
        let (start, length) = if wide {
            (at(row + 8, 8)?, at(row + 32, 8)?)
        } else {
            (at(row + 4, 4)?, at(row + 16, 4)?)
        };
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        let text = head.get(start..end)?;
        let text = text.split(|byte| *byte == 0).next()?;
        return Some(String::from_utf8_lossy(text).into_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_of_a_dynamic_program_is_found() {
        let loader = interpreter(Path::new("/bin/sh")).unwrap();
        assert!(loader.contains("ld"), "{loader}");
    }

    #[test]
    fn no_bytes_make_the_reader_of_programs_panic() {
        let mut head = std::fs::read("/bin/sh").unwrap();
        head.truncate(200);
        for at in 0..head.len() {
            let mut broken = head.clone();
            broken[at] = 0xff;
            loader(&broken);
            loader(&head[..at]);
        }
    }
}
