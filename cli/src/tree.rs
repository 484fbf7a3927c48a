//! A copy of a program, to be instrumented while the program stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use walkdir::WalkDir;

/// Says that a folder is such a copy, which the next run may replace.
const MARK: &str = ".equip-out";
/// What the copy of an earlier run is called while the next one is made.
const PREVIOUS: &str = ".equip-previous";

/// A copy that has been begun.
pub struct Tree {
    folder: PathBuf,
    previous: Option<PathBuf>,
    /// What was copied.
    roots: Vec<PathBuf>,
}

impl Tree {
    /// Where a file of the copy comes from.
    pub fn original(&self, file: &Path) -> PathBuf {
        let below = file.strip_prefix(&self.folder).ok();
        let first = below.and_then(|below| below.components().next());
        let root = first.and_then(|first| {
            let mut roots = self.roots.iter();
            roots.find(|root| root.file_name() == Some(first.as_os_str()))
        });
        match (root.and_then(|root| root.parent()), below) {
            (Some(parent), Some(below)) => parent.join(below),
            _ => file.to_owned(),
        }
    }

    /// Copies the programs of some targets into a folder: whole packages and folders, with all that is in them and its
    /// times, so that Python goes on accepting bytecode. Gives the targets as they are there.
    ///
    /// # Errors
    /// The folder holds something else, is in a target or around one, two targets have one name, or what is read
    /// or written cannot be.
    pub fn copy(targets: &[PathBuf], folder: &Path) -> anyhow::Result<(Tree, Vec<PathBuf>)> {
        let folder = std::path::absolute(folder)?;
        let mut roots: Vec<PathBuf> = Vec::new();
        let mut there = Vec::new();
        for target in targets {
            let target = std::path::absolute(target)?;
            let target = target
                .canonicalize()
                .with_context(|| target.display().to_string())?;
            let root = root_of(&target);
            let resolved = folder.canonicalize().unwrap_or_else(|_| folder.clone());
            if resolved.starts_with(&root) && root.is_dir() || root.starts_with(&resolved) {
                bail!(
                    "{}: the folder for output and {} are in one another: name one beside it",
                    folder.display(),
                    root.display()
                );
            }
            let name = root
                .file_name()
                .with_context(|| format!("{}: it has no name", root.display()))?;
            there.push(
                folder
                    .join(name)
                    .join(target.strip_prefix(&root).unwrap_or(Path::new(""))),
            );
            if roots.contains(&root) {
                continue;
            }
            if roots
                .iter()
                .any(|other| other.file_name() == root.file_name())
            {
                bail!(
                    "two targets are called {}: their copies would be one",
                    name.display()
                );
            }
            roots.push(root);
        }
        let mut tree = Tree::begin(folder)?;
        for root in &roots {
            if let Err(error) = tree.take(root) {
                tree.give_up();
                return Err(error);
            }
        }
        tree.roots = roots;
        // A path that ends in nothing has a separator at its end.
        let there = there
            .iter()
            .map(|path| path.components().collect())
            .collect();
        Ok((tree, there))
    }

    fn begin(folder: PathBuf) -> anyhow::Result<Tree> {
        let shown = folder.display().to_string();
        let mut previous = None;
        if folder.exists() {
            let mut items = fs::read_dir(&folder).with_context(|| shown.clone())?;
            if folder.join(MARK).is_file() {
                let mut name = folder.file_name().unwrap_or_default().to_owned();
                name.push(PREVIOUS);
                let aside = folder.with_file_name(name);
                if aside.exists() {
                    fs::remove_dir_all(&aside).with_context(|| aside.display().to_string())?;
                }
                fs::rename(&folder, &aside).with_context(|| shown.clone())?;
                previous = Some(aside);
            } else if items.next().is_some() {
                bail!("{shown}: it is not empty, and equip did not make it: name another folder");
            }
        }
        let tree = Tree {
            folder,
            previous,
            roots: Vec::new(),
        };
        let made = fs::create_dir_all(&tree.folder).and_then(|()| {
            fs::write(
                tree.folder.join(MARK),
                "A copy that equip made and instruments; the next run replaces it.\n",
            )
        });
        match made {
            Ok(()) => Ok(tree),
            Err(error) => {
                tree.give_up();
                Err(error).with_context(|| shown)
            }
        }
    }

    fn take(&self, root: &Path) -> anyhow::Result<()> {
        let base = root.parent().unwrap_or(root);
        for entry in WalkDir::new(root).follow_links(false) {
            let entry = entry?;
            let path = entry.path();
            let to = self.folder.join(path.strip_prefix(base).unwrap_or(path));
            let said = || path.display().to_string();
            let kind = entry.file_type();
            if kind.is_dir() {
                fs::create_dir_all(&to).with_context(said)?;
            } else if kind.is_symlink() {
                link(&fs::read_link(path).with_context(said)?, &to).with_context(said)?;
            } else if kind.is_file() {
                fs::copy(path, &to).with_context(said)?;
                let time = entry.metadata()?.modified().with_context(said)?;
                // One that may not be written has its time from the copy that is being made.
                if let Ok(file) = fs::File::options().append(true).open(&to) {
                    file.set_modified(time).with_context(said)?;
                }
            }
        }
        Ok(())
    }

    /// The copy is good: that of an earlier run goes.
    pub fn keep(self) {
        if let Some(previous) = &self.previous
            && let Err(error) = fs::remove_dir_all(previous)
        {
            tracing::warn!("{}: {error}", previous.display());
        }
    }

    /// The copy is of no use: that of an earlier run comes back.
    pub fn give_up(self) {
        let gone = fs::remove_dir_all(&self.folder);
        if let (Some(previous), Ok(())) = (&self.previous, gone)
            && let Err(error) = fs::rename(previous, &self.folder)
        {
            tracing::warn!(
                "{}: {error}; it is {} now",
                self.folder.display(),
                previous.display()
            );
        }
    }
}

/// The outermost package around a target; names of modules count from there.
fn root_of(target: &Path) -> PathBuf {
    let mut root = target;
    while let Some(parent) = root
        .parent()
        .filter(|parent| parent.join("__init__.py").is_file())
    {
        root = parent;
    }
    root.to_owned()
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(not(unix))]
fn link(to: &Path, at: &Path) -> std::io::Result<()> {
    fs::copy(to, at).map(|_| ())
}
