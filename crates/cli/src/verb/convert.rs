//! `aplomb convert`: the same service in another dialect, and what that one cannot say.
//!
//! The machine is not asked whether programs and users exist: the result may be for another one.

use std::fs;
use std::path::{Path, PathBuf};

use aplomb_engine::Machine;
use aplomb_units::diagnostic::refused;
use aplomb_units::{Dialect, Options, Severity, Source, nssm, systemd, toml};
use clap::Args;
use serde_json::json;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::ui::Form;
use crate::words;

/// Write unit files in another dialect
///
/// From TOML, systemd units and exports of the registry (`.reg`, services of NSSM's or srvany's). Loss-free for what both
/// can say; what the other has no word for is listed. Without `--output` to standard output.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb convert nginx.service --to toml > nginx.toml
  aplomb convert shop.toml --to systemd --output units/
  aplomb convert web.reg --to toml    what `reg export HKLM\\…\\Services\\web web.reg` wrote")]
pub(crate) struct Convert {
    /// Unit files, or directories of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The dialect to write
    #[arg(long, value_enum, value_name = "DIALECT")]
    to: To,
    /// What cannot be carried out here is left out with a remark instead of refused
    #[arg(long)]
    lenient: bool,
    /// Write files into this directory
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Overwrite files that are there already
    #[arg(short, long, requires = "output")]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    Toml,
    Systemd,
    /// Registry values for NSSM, as `reg import` takes them
    Nssm,
}

/// A text with the name of its file.
type File = (String, String);

impl Convert {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let files = files::expand(&self.files)?;
        let sources = files.iter().map(|file| files::source(file));
        let sources = sources.collect::<Result<Vec<Source>, Failure>>()?;
        let (specs, remarks) = self.read(&sources, context)?;
        let mut lost = Vec::new();
        let written: Vec<File> = match self.to {
            To::Toml => {
                let file = |spec| (format!("{}.toml", file_stem(spec)), toml::write(spec));
                specs.iter().map(file).collect()
            }
            To::Systemd => {
                let mut written = Vec::new();
                for spec in &specs {
                    let units = systemd::write(spec);
                    lost.extend(units.lost.iter().map(ToString::to_string));
                    written.extend(units.files);
                }
                written
            }
            To::Nssm => {
                let written = specs.iter().map(|spec| (spec, nssm::write(spec)));
                let file = |(spec, service): (&aplomb_core::Spec, nssm::Written)| {
                    lost.extend(service.lost.iter().map(ToString::to_string));
                    let text = nssm::export(&[(spec.name.clone(), service.key)]);
                    (format!("{}.reg", file_stem(spec)), text)
                };
                written.map(file).collect()
            }
        };
        for remark in remarks.iter().chain(&lost) {
            context.ui.note(remark);
        }
        match &self.output {
            Some(directory) => self.write(directory, &written, context)?,
            None => self.print(&written, &lost, context)?,
        }
        Ok(Exit::Done)
    }

    fn read(
        &self,
        sources: &[Source],
        context: &Context,
    ) -> Result<(Vec<aplomb_core::Spec>, Vec<String>), Failure> {
        let mut diagnostics = Vec::new();
        let mut loaded = Vec::new();
        let mut units = Vec::new();
        for source in sources {
            match source.dialect() {
                Dialect::Toml => loaded.extend(toml::read(source, &mut diagnostics)),
                Dialect::Nssm => loaded.extend(nssm::read(source, &mut diagnostics)),
                Dialect::Systemd => units.push(source),
            }
        }
        let lenient = self.lenient;
        loaded.extend(systemd::read(
            &units,
            &Machine,
            Options { lenient },
            &mut diagnostics,
        ));
        if refused(&diagnostics) {
            diagnostics.retain(|one| one.severity == Severity::Refused);
            let faults = words::count(diagnostics.len() as u64, "fault", "faults");
            let mut failure = Failure::failed(format!("{faults}; nothing was converted"));
            failure.diagnostics = files::rendered(sources, &diagnostics, context.ui.aside);
            return Err(failure.action("`--lenient` goes on without what cannot be carried out"));
        }
        let remarks = diagnostics.iter().map(ToString::to_string).collect();
        Ok((loaded.into_iter().map(|one| one.spec).collect(), remarks))
    }

    fn write(
        &self,
        directory: &Path,
        files: &[File],
        context: &mut Context,
    ) -> Result<(), Failure> {
        let cannot = |what: &Path, error: std::io::Error| {
            Failure::failed(format!("cannot write `{}`", what.display())).because(error)
        };
        fs::create_dir_all(directory).map_err(|error| cannot(directory, error))?;
        let paths: Vec<PathBuf> = files.iter().map(|(name, _)| directory.join(name)).collect();
        if let Some(there) = paths.iter().find(|path| path.exists())
            && !self.force
        {
            let what = format!(
                "`{}` is there already; nothing was written",
                there.display()
            );
            return Err(Failure::failed(what).action("`--force` overwrites it"));
        }
        for (path, (_, text)) in paths.iter().zip(files) {
            files::replace(path, text)?;
        }
        let names: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        match context.ui.form {
            Form::Json => context.ui.answer_json(&names),
            Form::People => context.ui.answer(&names.join("\n")),
        }
    }

    fn print(&self, files: &[File], lost: &[String], context: &mut Context) -> Result<(), Failure> {
        if context.ui.form == Form::Json {
            let files: Vec<_> = files
                .iter()
                .map(|(name, text)| json!({ "file": name, "text": text }))
                .collect();
            return context
                .ui
                .answer_json(&json!({ "files": files, "lost": lost }));
        }
        let text: Vec<String> = match (files, self.to) {
            ([(_, text)], _) => vec![text.clone()],
            (files, To::Nssm) => {
                let mut texts = files.iter().map(|(_, text)| text.as_str());
                let first = texts.next().unwrap_or_default().to_owned();
                // One export has one header.
                let rest =
                    texts.map(|text| text.split_once("\r\n\r\n").map_or(text, |(_, keys)| keys));
                vec![rest.fold(first, |all, keys| all + keys)]
            }
            (files, To::Toml) => files.iter().map(|(_, text)| text.clone()).collect(),
            (files, To::Systemd) => {
                let named = |(name, text): &File| format!("# {name}\n{text}");
                files.iter().map(named).collect()
            }
        };
        context.ui.answer(&text.join("\n"))
    }
}

fn file_stem(spec: &aplomb_core::Spec) -> String {
    aplomb_logs::stem(&spec.name)
}
