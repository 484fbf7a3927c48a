//! Which files: patterns and folders as coverage.py knows them.

use std::path::{Path, PathBuf};

use regex::Regex;
use walkdir::{DirEntry, WalkDir};

/// File patterns; one without any matches nothing.
#[derive(Debug)]
pub struct Globs(Vec<Regex>);

impl Globs {
    /// `*` and `?` stop at separators, `**/` does not; a pattern without a separator is for names in
    /// any folder; one that starts with neither `*` nor `?` is also taken from the current folder on.
    ///
    /// # Errors
    /// What a pattern cannot have.
    pub fn new(patterns: &[String], folder: &Path) -> Result<Globs, String> {
        let mut all = Vec::new();
        for pattern in patterns {
            all.push(regex(pattern)?);
            if !pattern.starts_with(['*', '?']) {
                all.push(regex(&normal(&folder.join(pattern)).to_string_lossy())?);
            }
        }
        Ok(Globs(all))
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path is one of those meant.
    pub fn matches(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        self.0.iter().any(|pattern| pattern.is_match(&path))
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    let text = match pattern.contains('/') {
        true => pattern.to_owned(),
        false => format!("**/{pattern}"),
    };
    let (mut out, mut rest) = ("^(?s:".to_owned(), &*text);
    let refused = |what: &str| Err(format!("{pattern}: a file pattern cannot have {what}"));
    while let Some(first) = rest.chars().next() {
        let stars = rest.len() - rest.trim_start_matches('*').len();
        let behind = &rest[stars..];
        let at_start = rest.len() == text.len();
        let in_folder = at_start || text[..text.len() - rest.len()].ends_with('/');
        if stars > 2
            || (stars == 2 && (!in_folder || !(behind.is_empty() || behind.starts_with('/'))))
        {
            return refused("** but as a whole folder");
        } else if stars == 2 && behind.starts_with("/**") {
            return refused("**/**");
        } else if (stars == 2 || (stars == 1 && at_start)) && behind.starts_with('/') {
            out.push_str("(.*/)?");
            rest = &behind[1..];
        } else if stars > 0 && behind.is_empty() && in_folder && !at_start {
            out.push_str(".*");
            rest = behind;
        } else if stars > 0 {
            out.push_str("[^/]*");
            rest = behind;
        } else if first == '?' {
            out.push_str("[^/]");
            rest = &rest[1..];
        } else if let Some((set, behind)) = rest
            .strip_prefix('[')
            .and_then(|inside| inside.split_once(']'))
        {
            // In Rust's sets `[`, `&&` and the like mean more than in Python's.
            out.push('[');
            for (at, c) in set.char_indices() {
                if !(c == '-' || (at == 0 && c == '^') || c.is_alphanumeric() || c == '_') {
                    out.push('\\');
                }
                out.push(c);
            }
            out.push(']');
            rest = behind;
        } else if matches!(first, '[' | ']') {
            return refused("a single [ or ]");
        } else {
            out.push_str(&regex::escape(&rest[..first.len_utf8()]));
            rest = &rest[first.len_utf8()..];
        }
    }
    Regex::new(&format!("{out})$")).map_err(|error| format!("{pattern}: {error}"))
}

/// The path without links where it exists, and without `.` and `..`.
pub fn normal(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let mut out = PathBuf::new();
    for part in std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .components()
    {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Sources below a folder that can be imported: in packages, and of sensible names. Links to folders are not followed:
/// they may lead back.
pub fn sources(folder: &Path, namespace_packages: bool) -> Vec<PathBuf> {
    let is_package = |entry: &DirEntry| {
        let is_folder = entry.depth() > 0 && entry.file_type().is_dir();
        !is_folder || namespace_packages || entry.path().join("__init__.py").is_file()
    };
    let entries = WalkDir::new(folder).into_iter().filter_entry(is_package);
    let files = entries
        .flatten()
        .filter(|entry| entry.path().is_file() && is_module(&entry.file_name().to_string_lossy()));
    let mut found: Vec<_> = files.map(DirEntry::into_path).collect();
    found.sort();
    found
}

fn is_module(name: &str) -> bool {
    let stem = name
        .strip_suffix(".py")
        .or_else(|| name.strip_suffix(".pyw"));
    stem.is_some_and(|stem| !stem.is_empty() && !stem.contains(|c| ".#~!$@%^&*()+=,".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let matches = |pattern: &str, path: &str| {
            Globs::new(&[pattern.to_owned()], Path::new("/w"))
                .unwrap()
                .matches(Path::new(path))
        };
        for (pattern, path, wanted) in [
            ("a.py", "/x/a.py", true),
            ("a.py", "/x/ba.py", false),
            ("*.py", "/x/y/a.py", true),
            ("*/tests/*", "/x/tests/y/a.py", true),
            ("*/tests/*", "/x/mytests/a.py", false),
            ("tests/*", "/w/tests/y/a.py", true),
            ("tests/*", "/v/tests/a.py", false),
            ("tests/*.py", "/w/tests/y/a.py", false),
            ("**/y/*.py", "/w/y/a.py", true),
            ("a/**/b.py", "/w/a/b.py", true),
            ("a/**/b.py", "/w/a/c/d/b.py", true),
            ("?.py", "/x/a.py", true),
            ("?.py", "/x/ab.py", false),
            ("[ab].py", "/x/b.py", true),
            ("[^ab].py", "/x/b.py", false),
            ("a.py", "/x/axpy", false),
        ] {
            assert_eq!(matches(pattern, path), wanted, "{pattern} {path}");
        }
        for wrong in ["***", "x**", "**x", "**/**", "[", "a]"] {
            let all = Globs::new(&[wrong.to_owned()], Path::new("/w"));
            assert!(all.is_err(), "{wrong}");
        }
    }
}
