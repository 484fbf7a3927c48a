//! A first pipeline file, after a look at the project.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use walkdir::WalkDir;

use crate::args::{Arguments, Init};
use crate::config::find::NAME;
use crate::output::note;

/// Folders that hold no code of the project's own.
const FOREIGN: &[&str] = &[
    "node_modules",
    "site-packages",
    "dist-packages",
    "__pycache__",
    "build",
    "dist",
    "venv",
    "env",
    "target",
];
/// Folders whose code is not the program.
const AROUND: &[&str] = &[
    "tests",
    "test",
    "docs",
    "doc",
    "examples",
    "benchmarks",
    "bench",
];
/// How deep packages are looked for.
const DEPTH: usize = 3;

/// What there is.
#[derive(Default)]
struct Project {
    /// Packages, not those within packages; scripts and modules beside them.
    targets: Vec<String>,
    around: Vec<String>,
    /// A function to show.
    example: Option<(String, String)>,
}

pub fn run(options: &Init, arguments: &Arguments) -> anyhow::Result<u8> {
    let folder = &options.folder;
    if !folder.is_dir() {
        anyhow::bail!("{}: there is no such folder", folder.display());
    }
    let path = folder.join(NAME);
    let project = look(folder);
    if project.targets.is_empty() {
        anyhow::bail!("{}: no Python package or module is in it", folder.display());
    }
    let text = write(&project);
    // It fails where somebody has made one meanwhile: nothing is overwritten.
    let mut file = match std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
    {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            anyhow::bail!(
                "{}: it is there already, and stays as it is",
                path.display()
            );
        }
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    std::io::Write::write_all(&mut file, text.as_bytes())
        .with_context(|| path.display().to_string())?;
    if !arguments.quiet {
        note!(
            "{} written, for {}; next: equip check",
            path.display(),
            project.targets.join(", ")
        );
    }
    Ok(0)
}

fn look(folder: &Path) -> Project {
    let mut project = Project::default();
    let mut packages: Vec<PathBuf> = Vec::new();
    let walk = WalkDir::new(folder)
        .max_depth(DEPTH)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            entry.depth() == 0 || !name.starts_with('.') && !FOREIGN.contains(&name.as_ref())
        });
    for entry in walk.flatten() {
        let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let name = entry.file_name().to_string_lossy().into_owned();
        let shown = relative.display().to_string().replace('\\', "/");
        let is_around = relative
            .components()
            .any(|part| AROUND.contains(&part.as_os_str().to_string_lossy().as_ref()));
        if is_around {
            if entry.depth() == 1 && entry.file_type().is_dir() {
                project.around.push(shown);
            }
            continue;
        }
        if packages.iter().any(|package| relative.starts_with(package)) {
            continue;
        }
        let is_package = entry.file_type().is_dir() && entry.path().join("__init__.py").is_file();
        let beside = entry.file_type().is_file() && name.ends_with(".py") && entry.depth() <= 2;
        let is_tool = matches!(name.as_str(), "setup.py" | "conftest.py" | "noxfile.py")
            || name.starts_with("test_");
        if is_package && entry.depth() > 0 {
            packages.push(relative.to_owned());
            project.targets.push(shown);
        } else if beside && !is_tool {
            project.targets.push(shown);
        }
    }
    project.example = project
        .targets
        .iter()
        .find_map(|target| example(&folder.join(target), target));
    project
}

/// The first function that a module or package defines at its top.
fn example(path: &Path, target: &str) -> Option<(String, String)> {
    let files: Vec<PathBuf> = match path.is_dir() {
        true => WalkDir::new(path)
            .max_depth(2)
            .sort_by_file_name()
            .into_iter()
            .flatten()
            .map(|entry| entry.path().to_owned())
            .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
            .collect(),
        false => vec![path.to_owned()],
    };
    files.iter().find_map(|file| {
        let text = std::fs::read_to_string(file).ok()?;
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("def ")?.split('(').next())?
            .trim()
            .to_owned();
        let below = file
            .strip_prefix(path)
            .ok()
            .filter(|below| !below.as_os_str().is_empty());
        let top = Path::new(target)
            .file_stem()?
            .to_string_lossy()
            .into_owned();
        let mut parts = vec![top];
        if let Some(below) = below {
            let stem = below.with_extension("");
            parts.extend(
                stem.components()
                    .map(|part| part.as_os_str().to_string_lossy().into_owned()),
            );
        }
        if parts.last().is_some_and(|part| part == "__init__") {
            parts.pop();
        }
        Some((parts.join("."), name))
    })
}

fn write(project: &Project) -> String {
    let quoted = |list: &[String]| {
        let items: Vec<_> = list.iter().map(|text| format!("{text:?}")).collect();
        items.join(", ")
    };
    let mut text = String::new();
    let _ = write!(
        text,
        "\
# What equip puts into the bytecode of this project.
#   equip check      says what it would do
#   equip            does it; then the program is started as always
#   equip restore .  undoes it
# Names and selections: `equip select --help`; all keys: `equip schema`.

# What to instrument, relative to this file.
targets = [{}]
",
        quoted(&project.targets)
    );
    let exclude = if project.around.is_empty() {
        vec!["**/tests".to_owned()]
    } else {
        project.around.clone()
    };
    let _ = write!(
        text,
        "
# Only these files, or none of these.
# include = [\"src/**\"]
# exclude = [{}]

# Counts calls; `equip counts` shows them when the program has run.
[[plugin]]
name = \"callcount\"
# Only a part of the program:
# select = \"methods and not name = '__*__'\"
# Its options; `equip plugins` lists them.
# options = {{ output = \"counts.json\" }}
",
        quoted(&exclude)
    );
    let (module, function) = project
        .example
        .clone()
        .unwrap_or_else(|| ("app.main".to_owned(), "run".to_owned()));
    let _ = write!(
        text,
        "
# Python code at a site, without a plugin: before, after, on_raise, on_exit, line, branch, loop …
# [[inject]]
# at = \"after\"
# match = \"{module}:{function}\"
# code = \"print('{{qualname}} gave', {{return_value}})\"
# on_error = \"log\"
"
    );
    text
}
