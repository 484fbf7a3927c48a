//! Golden files: what is expected, in a file that people review.

use std::path::{Path, PathBuf};

use crate::Interpreter;

/// Compares a text of each interpreter with golden files; writes them where `EQUIP_BLESS` is set.
#[track_caller]
pub fn check(
    folder: &Path,
    name: &str,
    pythons: &[Interpreter],
    text: impl Fn(&Interpreter) -> String,
) {
    let common = folder.join(name);
    let texts: Vec<(String, String)> = pythons
        .iter()
        .map(|python| (python.isa.version.to_string(), text(python)))
        .collect();
    if std::env::var_os("EQUIP_BLESS").is_some_and(|value| !value.is_empty() && value != "0") {
        return bless(&common, &texts);
    }
    for (version, got) in &texts {
        let own = of_version(&common, version);
        let file = if own.is_file() { own } else { common.clone() };
        let again = "EQUIP_BLESS=1 cargo test writes it anew";
        match std::fs::read_to_string(&file) {
            Ok(wanted) if wanted == *got => {}
            Ok(wanted) => panic!(
                "CPython {version}: not what {} says: {}\n({again})",
                file.display(),
                difference(&wanted, got)
            ),
            Err(error) => panic!("{}: {error} ({again})\n{got}", file.display()),
        }
    }
}

/// One file if all versions agree, else one for each. Those of versions that are not here stay.
#[track_caller]
fn bless(common: &Path, texts: &[(String, String)]) {
    let one = texts.iter().all(|(_, text)| *text == texts[0].1);
    let write = |path: &Path, text: &str| {
        let above = path.parent().unwrap_or(Path::new("."));
        let written = std::fs::create_dir_all(above).and_then(|()| std::fs::write(path, text));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    };
    for (version, text) in texts {
        let own = of_version(common, version);
        if !one {
            write(&own, text);
        } else if own.is_file() {
            std::fs::remove_file(&own).unwrap_or_else(|e| panic!("{}: {e}", own.display()));
        }
    }
    if one {
        write(common, &texts[0].1);
    } else if common.is_file() {
        std::fs::remove_file(common).unwrap_or_else(|e| panic!("{}: {e}", common.display()));
    }
}

/// `a/b.txt` and 3.13: `a/b.3.13.txt`.
fn of_version(common: &Path, version: &str) -> PathBuf {
    let stem = common.file_stem().unwrap_or_default().to_string_lossy();
    let name = match common.extension() {
        Some(extension) => format!("{stem}.{version}.{}", extension.to_string_lossy()),
        None => format!("{stem}.{version}"),
    };
    common.with_file_name(name)
}

/// Where two texts differ first, with what is around it.
pub fn difference(wanted: &str, got: &str) -> String {
    let (wanted, got): (Vec<_>, Vec<_>) = (
        wanted.split_inclusive('\n').collect(),
        got.split_inclusive('\n').collect(),
    );
    let same = |at: usize| wanted.get(at) == got.get(at);
    let most = wanted.len().max(got.len());
    let first = (0..most).find(|at| !same(*at)).unwrap_or(0);
    let around = |lines: &[&str], mark: char| {
        let range = first.saturating_sub(2).min(lines.len())..(first + 4).min(lines.len());
        let lines = range.map(|at| {
            let mark = if same(at) { ' ' } else { mark };
            let end = if lines[at].ends_with('\n') {
                ""
            } else {
                "\\ no end of line\n"
            };
            format!("  {mark} {}{end}", lines[at])
        });
        lines.collect::<String>()
    };
    format!(
        "line {}; wanted\n{}got\n{}",
        first + 1,
        around(&wanted, '-'),
        around(&got, '+')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_shown() {
        let shown = difference("a\nb\nc\n", "a\nx\nc\n");
        assert_eq!(
            shown,
            "line 2; wanted\n    a\n  - b\n    c\ngot\n    a\n  + x\n    c\n"
        );
    }

    #[test]
    fn files_are_common_where_versions_agree() {
        let folder = tempfile::tempdir().unwrap();
        let common = folder.path().join("golden/b.txt");
        let of = |version: &str, text: &str| (version.to_owned(), text.to_owned());
        bless(&common, &[of("3.11", "x"), of("3.12", "y")]);
        let names = || {
            let entries = std::fs::read_dir(folder.path().join("golden")).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["b.3.11.txt", "b.3.12.txt"]);
        bless(&common, &[of("3.11", "x"), of("3.12", "x")]);
        assert_eq!(names(), ["b.txt"]);
    }
}
