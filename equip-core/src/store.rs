//! Writes: staged beside the target, then renamed all together; originals kept; restored.
//!
//! An original is replaced only by a whole file. Killed at any moment, each file is the old or the
//! new one; what is left over is a staged file, which the next run removes.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::compile::hash;
use crate::program::{MADE, ORIGINAL, STAGED};
use crate::provenance::Provenance;
use crate::pyc::{HEADER_LEN, PycFile};
use crate::snippet::HIDDEN;

/// A failure on disk, with its path.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What happened.
    pub source: io::Error,
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, Error> {
    result.map_err(|source| Error {
        path: path.to_owned(),
        source,
    })
}

/// Where the original of a pyc comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// It is the file in place.
    InPlace,
    /// It is kept beside it already.
    Kept,
    /// Equip compiled it: it is staged too, and the file in place, if any, is out of date.
    Made,
}

/// A file that is whole on disk, but not in place yet. Dropped without [`Staged::commit`] it goes.
#[derive(Debug)]
pub struct Staged {
    target: PathBuf,
    temporary: tempfile::TempPath,
    made: Option<tempfile::TempPath>,
    original: Original,
    /// Hash of the bytes that it was made from.
    plain: String,
}

fn beside(pyc: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = pyc.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn write_beside(
    target: &Path,
    bytes: &[u8],
    like: Option<&Path>,
) -> Result<tempfile::TempPath, Error> {
    let folder = target.parent().unwrap_or(Path::new(""));
    let name = target.file_name().unwrap_or_default();
    let mut prefix = name.to_owned();
    prefix.push(format!("{STAGED}{}-", std::process::id()));
    let mut file = at(
        target,
        tempfile::Builder::new().prefix(&prefix).tempfile_in(folder),
    )?;
    at(target, file.write_all(bytes))?;
    if let Some(meta) = like.and_then(|like| std::fs::metadata(like).ok()) {
        let mut permissions = meta.permissions();
        if like != Some(target) {
            // Python gives a pyc its source's mode, and makes it writable for the owner.
            use std::os::unix::fs::PermissionsExt;
            permissions.set_mode(permissions.mode() & 0o666 | 0o200);
        }
        at(target, file.as_file().set_permissions(permissions))?;
    }
    Ok(file.into_temp_path())
}

/// Writes the new bytes of a pyc beside it. `source` lends its mode where there is no old file.
///
/// # Errors
/// The disk; nothing is left then.
pub fn stage(
    pyc: &Path,
    source: Option<&Path>,
    bytes: &[u8],
    original: Original,
    plain: &[u8],
) -> Result<Staged, Error> {
    let folder = pyc.parent().unwrap_or(Path::new(""));
    if !folder.exists() {
        at(folder, std::fs::create_dir_all(folder))?;
    }
    let like = if pyc.exists() { Some(pyc) } else { source };
    let temporary = write_beside(pyc, bytes, like)?;
    let made = match original {
        Original::Made => Some(write_beside(&beside(pyc, MADE), plain, like)?),
        _ => None,
    };
    Ok(Staged {
        target: pyc.to_owned(),
        temporary,
        made,
        original,
        plain: hash(&[plain]),
    })
}

/// Keeps other runs of equip out of a folder, for as long as it lives. Where there are no locks, nothing does.
fn lock(pyc: &Path) -> Option<std::fs::File> {
    let folder = pyc.parent().filter(|folder| *folder != Path::new(""));
    let folder = std::fs::File::open(folder.unwrap_or(Path::new("."))).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

impl Staged {
    /// Puts the file in place, its original beside it first.
    ///
    /// # Errors
    /// The disk, or the file has changed since it was read; the file in place stays as it is then.
    pub fn commit(self) -> Result<(), Error> {
        let _lock = lock(&self.target);
        let (kept, made) = (beside(&self.target, ORIGINAL), beside(&self.target, MADE));
        match self.original {
            Original::InPlace | Original::Kept => {
                let current = std::fs::read(&self.target);
                if current.is_ok_and(|bytes| hash(&[&bytes]) == self.plain) {
                    at(&kept, keep(&self.target, &kept))?;
                    let _ = std::fs::remove_file(&made);
                } else if !self.is_kept() {
                    // Another run, or Python, has been here meanwhile.
                    let why = "changed while it was being instrumented: run equip again";
                    return Err(Error {
                        path: self.target,
                        source: io::Error::other(why),
                    });
                }
            }
            Original::Made => {
                let bytes = self.made.expect("staged with it");
                bytes.persist(&made).map_err(|error| Error {
                    path: made.clone(),
                    source: error.error,
                })?;
                let _ = std::fs::remove_file(&kept);
            }
        }
        let target = self.target;
        self.temporary.persist(&target).map_err(|error| Error {
            path: target.clone(),
            source: error.error,
        })
    }

    /// Whether what it was made from is kept beside the file in place.
    fn is_kept(&self) -> bool {
        [ORIGINAL, MADE].iter().any(|suffix| {
            let kept = std::fs::read(beside(&self.target, suffix));
            kept.is_ok_and(|bytes| hash(&[&bytes]) == self.plain)
        })
    }
}

/// Writes any other file: at every moment it is the old one or the new one, whole.
///
/// # Errors
/// The disk.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), io::Error> {
    use std::os::unix::fs::PermissionsExt;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    // As any new file has them, less what the umask takes.
    let mode = std::fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .permissions(mode)
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// What is to happen to one file when all are done.
#[derive(Debug)]
pub enum Change {
    /// A new file takes its place.
    Replace(Staged),
    /// What was made of it goes, and the original comes back.
    Restore(PathBuf),
}

impl Change {
    /// Carries it out.
    ///
    /// # Errors
    /// The disk; the file in place is the old one then.
    pub fn commit(self) -> Result<(), Error> {
        match self {
            Change::Replace(staged) => staged.commit(),
            Change::Restore(pyc) => restore(&pyc).map(|_| ()),
        }
    }
}

/// Makes `kept` another name of `original`, or a copy of it.
fn keep(original: &Path, kept: &Path) -> io::Result<()> {
    let temporary = beside(kept, &format!("{STAGED}{}", std::process::id()));
    let _ = std::fs::remove_file(&temporary);
    // A link to a link would lead to whatever takes the place of the file.
    let file = std::fs::canonicalize(original)?;
    if std::fs::hard_link(file, &temporary).is_err() {
        std::fs::copy(original, &temporary)?;
    }
    // Where both are one file already, rename leaves both names: the temporary one goes.
    std::fs::rename(&temporary, kept)?;
    let _ = std::fs::remove_file(&temporary);
    Ok(())
}

/// What is kept beside a file, and whether equip had compiled it.
fn kept(pyc: &Path) -> impl Iterator<Item = (Vec<u8>, bool)> {
    let kept = [(ORIGINAL, false), (MADE, true)].into_iter();
    kept.filter_map(|(suffix, made)| Some((std::fs::read(beside(pyc, suffix)).ok()?, made)))
}

/// The bytes that an instrumented file was made from, and whether equip had compiled them.
///
/// # Errors
/// None is kept, or it is not the one that the record names.
pub fn original_of(pyc: &Path, record: &Provenance) -> Result<(Vec<u8>, bool), Error> {
    let mut kept = kept(pyc);
    if let Some(found) = kept.find(|(bytes, _)| hash(&[bytes]) == record.original) {
        return Ok(found);
    }
    let why = "instrumented, and its original is gone: rebuild it with --force-rebuild";
    Err(Error {
        path: pyc.to_owned(),
        source: io::Error::new(io::ErrorKind::NotFound, why),
    })
}

/// What a file was made from whose record is damaged or cut off, and whether equip had compiled it: what is kept is of the same
/// source, and the file is nothing that Python writes.
pub fn original_of_damaged(pyc: &Path, bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
    kept(pyc).find(|(kept, _)| {
        let is_plain = || {
            let names = |bytes: &[u8]| {
                bytes
                    .windows(HIDDEN.len())
                    .any(|window| window == HIDDEN.as_bytes())
            };
            let parsed = PycFile::parse(bytes);
            let is_whole = parsed.is_ok_and(|pyc| pyc.trailer.is_empty());
            is_whole && (names(kept) || !names(bytes))
        };
        kept.get(..HEADER_LEN) == bytes.get(..HEADER_LEN) && kept != bytes && !is_plain()
    })
}

/// What restoring one file did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The original is in place again.
    Original,
    /// Equip had made the file: it is gone, Python will make it anew.
    Removed,
    /// It was plain, and nothing was kept.
    Plain,
    /// Python has written a newer plain file: that stays, and what was kept is gone.
    Newer,
}

/// Puts the original of a pyc back.
///
/// # Errors
/// It is instrumented, but no original is kept that fits; or the disk.
pub fn restore(pyc: &Path) -> Result<Restored, Error> {
    let _lock = lock(pyc);
    let (kept, made) = (beside(pyc, ORIGINAL), beside(pyc, MADE));
    let current = match std::fs::read(pyc) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => {
            return Err(Error {
                path: pyc.to_owned(),
                source,
            });
        }
    };
    let record = current.as_deref().and_then(Provenance::read);
    let original = match (&record, &current) {
        (Some(record), _) => Some(original_of(pyc, record)?),
        (None, Some(bytes)) => original_of_damaged(pyc, bytes),
        (None, None) => None,
    };
    let Some((_, was_made)) = original else {
        if current.is_none() && kept.exists() {
            at(pyc, std::fs::rename(&kept, pyc))?;
            return Ok(Restored::Original);
        }
        let leftovers = kept.exists() || made.exists();
        for path in [&kept, &made] {
            if path.exists() {
                at(path, std::fs::remove_file(path))?;
            }
        }
        return Ok(if leftovers {
            Restored::Newer
        } else {
            Restored::Plain
        });
    };
    if was_made {
        at(pyc, std::fs::remove_file(pyc))?;
        at(&made, std::fs::remove_file(&made))?;
        let _ = std::fs::remove_file(&kept);
        return Ok(Restored::Removed);
    }
    at(pyc, std::fs::rename(&kept, pyc))?;
    let _ = std::fs::remove_file(&made);
    Ok(Restored::Original)
}

/// The number of the process that staged a file, if its name is one of ours.
fn staged_by(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let (_, rest) = name.rsplit_once(STAGED)?;
    rest.split('-').next()?.parse().ok()
}

/// Removes a staged file whose run is over.
pub fn remove_leftover(path: &Path) {
    let Some(process) = staged_by(path) else {
        return;
    };
    if process != std::process::id() && !Path::new(&format!("/proc/{process}")).exists() {
        let _ = std::fs::remove_file(path);
    }
}
