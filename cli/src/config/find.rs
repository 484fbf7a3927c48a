//! Where a pipeline file is: named, or found upward from the target; what a found one may not do.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// A pipeline file's text, and where its pipeline is in it.
#[derive(Debug)]
pub struct File {
    /// Its path, absolute.
    pub path: PathBuf,
    /// As it is shown.
    pub shown: PathBuf,
    /// Its text.
    pub text: String,
    /// The tables that lead to the pipeline.
    pub section: &'static [&'static str],
    /// Whether the user named it, or trusts it: it may name libraries and interpreters then.
    pub trusted: bool,
}

/// The name of pipeline files.
pub const NAME: &str = "equip.toml";
const PYPROJECT: &str = "pyproject.toml";
const TOOL: &[&str] = &["tool", "equip"];

impl File {
    /// The folder that its paths are relative to.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }
}

/// Reads a file that the user named.
///
/// # Errors
/// It cannot be read, or a pyproject.toml says nothing of equip.
pub fn named(path: &Path) -> anyhow::Result<File> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("--config {}", path.display()))?;
    let absolute = std::path::absolute(path)?;
    let section = match path.file_name().is_some_and(|name| name == PYPROJECT) {
        true => TOOL,
        false => &[],
    };
    if !section.is_empty() && !has_section(&text) {
        anyhow::bail!("--config {}: it has no [tool.equip]", path.display());
    }
    Ok(File {
        path: absolute,
        shown: path.to_owned(),
        text,
        section,
        trusted: true,
    })
}

/// Looks for a pipeline file in a folder and those above it: `equip.toml`, else a `pyproject.toml` with `[tool.equip]`.
///
/// # Errors
/// One is there, but cannot be read, or belongs to somebody who is neither the user, root nor the owner
/// of the target: whoever may write above the target could else put code into it.
pub fn upward(from: &Path, trusted: bool) -> anyhow::Result<Option<File>> {
    let from = std::path::absolute(from)?;
    for folder in from.ancestors() {
        for (name, section) in [(NAME, &[][..]), (PYPROJECT, TOOL)] {
            let path = folder.join(name);
            if !path.is_file() {
                continue;
            }
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                // Most are not about equip.
                Err(_) if name == PYPROJECT => continue,
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            };
            if name == PYPROJECT && !has_section(&text) {
                continue;
            }
            if !trusted && !belongs(&path, &from) {
                anyhow::bail!(
                    "{}: it belongs to another user, and is not taken unasked; name it with --config if it is meant",
                    path.display()
                );
            }
            let shown = shorter(&path);
            return Ok(Some(File {
                path,
                shown,
                text,
                section,
                trusted,
            }));
        }
    }
    Ok(None)
}

fn has_section(text: &str) -> bool {
    let (root, _) = toml::de::DeTable::parse_recoverable(text);
    let tool = root
        .get_ref()
        .get("tool")
        .and_then(|tool| tool.get_ref().as_table());
    tool.is_some_and(|tool| tool.contains_key("equip"))
}

/// Relative to the current folder, where it is below that.
fn shorter(path: &Path) -> PathBuf {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(current).unwrap_or(path).to_owned()
}

#[cfg(unix)]
fn belongs(file: &Path, target: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = |path: &Path| path.metadata().map(|meta| meta.uid()).ok();
    // The process's own user owns what it makes; /proc says it without a call that is unsafe.
    let user = owner(Path::new("/proc/self"));
    let file = owner(file);
    file.is_some() && (file == Some(0) || file == user || file == owner(target))
}

#[cfg(not(unix))]
fn belongs(_: &Path, _: &Path) -> bool {
    true
}
