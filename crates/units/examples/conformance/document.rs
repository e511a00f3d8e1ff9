//! `docs/systemd-keys.md`: every key, what becomes of it, and how it fared beside systemd.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use aplomb_units::systemd::described;

use crate::oracle::Tally;
use crate::tools::Tools;

const HEAD: &str = "# Keys of systemd units

Every key of systemd 256 in `[Unit]`, `[Service]`, `[Socket]` and `[Install]`, and what Aplomb makes of it.

- *carried*: it is carried out; the last column names the part of the service it goes to.
- *noted*: it has no effect here, and nothing is lost by that. `aplomb check` says so.
- *refused*: leaving it out would weaken security or correctness. The unit does not run; with `--lenient` it does, with
  a warning.

*Compared* counts how often units that set the key (of Debian packages, and made to try it) were read by Aplomb and by
Debian's own systemd 252, and how often both meant the same. Made by `cargo xtask oracle`; do not edit.
";

/// Writes the document.
pub(crate) fn write(
    path: &str,
    tallies: &BTreeMap<&'static str, Tally>,
    tools: &Tools,
) -> std::io::Result<()> {
    let mut text = HEAD.to_owned();
    summary(&mut text);
    let keys = described();
    let mut page = "";
    for key in &keys {
        if key.page != page {
            page = key.page;
            let _ = write!(
                text,
                "\n## {page}\n\n| key | | compared | what becomes of it |\n|---|---|---|---|\n"
            );
        }
        let compared = tallies.get(key.name).map_or_else(String::new, |tally| {
            format!("{}/{}", tally.agreed, tally.compared)
        });
        let _ = writeln!(
            text,
            "| `{}` | {} | {compared} | {} |",
            key.name, key.class, key.says
        );
    }
    text.push_str("\n## Single values\n\n| asked | the same |\n|---|---|\n");
    for (tool, compared, agreed) in &tools.tallies {
        let _ = writeln!(text, "| `{tool}` | {agreed}/{compared} |");
    }
    if let Some(directory) = Path::new(path).parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, text)
}

fn summary(text: &mut String) {
    let keys = described();
    let count = |class: &str| keys.iter().filter(|key| key.class == class).count();
    let _ = write!(
        text,
        "\n{} keys: {} carried, {} noted, {} refused.\n",
        keys.len(),
        count("carried"),
        count("noted"),
        count("refused")
    );
}
