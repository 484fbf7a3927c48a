//! The book: every code block is run, on every interpreter; every link leads somewhere.
//!
//! A block whose fence names a file (`python app.py`) is written; lines with `$ ` of a `console` block are
//! run where the files are, and what they print is compared: a line `…` stands for any lines, `[..]` for any
//! text. `console cargo` builds something: it runs with `EQUIP_TEST_ALL`, with one interpreter. `EQUIP_BLESS=1` writes what was printed into the page. `text` is no code; `select` is for tests/select.rs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{equip, interpreters, root, scratch, text};
use equip_core::python::Interpreter;

fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "md") => {
                    found.push(path)
                }
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// A fenced block: what stands behind the fence, and where its text is.
fn blocks(page: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize)> = None;
    let mut at = 0;
    for line in page.split_inclusive('\n') {
        if let Some(info) = line.trim_end().strip_prefix("```") {
            match open.take() {
                Some((info, start)) => found.push((info, start..at)),
                None => open = Some((info.to_owned(), at + line.len())),
            }
        }
        at += line.len();
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// `python` and `equip`, as the page's reader has them.
fn tools(one: &Interpreter) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = scratch();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, path) in [
        ("python", &one.path),
        ("equip", &PathBuf::from(env!("CARGO_BIN_EXE_equip"))),
    ] {
        let script = bin.join(name);
        std::fs::write(
            &script,
            format!("#!/bin/sh\nexec '{}' \"$@\"\n", path.display()),
        )
        .unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn run(command: &str, folder: &Path, tools: &Path) -> String {
    let like = equip(folder);
    let mut path = vec![tools.join("bin")];
    let inherited = like
        .get_envs()
        .find(|(name, _)| *name == "PATH")
        .and_then(|(_, value)| value)
        .unwrap();
    path.extend(std::env::split_paths(inherited));
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("({command}) 2>&1")])
        .current_dir(folder);
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    for name in [
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONDONTWRITEBYTECODE",
        "EQUIP_OUTPUT_DIR",
    ] {
        shell.env_remove(name);
    }
    shell
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("VIRTUAL_ENV", tools);
    text(&shell.output().unwrap().stdout)
}

/// Whether output is as a page says.
fn fits(wanted: &[&str], found: &[&str]) -> bool {
    match (wanted.split_first(), found.split_first()) {
        (None, None) => true,
        (Some((&"…", rest)), _) => (0..=found.len()).any(|skip| fits(rest, &found[skip..])),
        (Some((first, rest)), Some((line, more))) => fits_line(first, line) && fits(rest, more),
        _ => false,
    }
}

fn fits_line(wanted: &str, line: &str) -> bool {
    let (wanted, mut line) = (wanted.trim_end(), line.trim_end());
    let parts: Vec<&str> = wanted.split("[..]").collect();
    let [first, middle @ .., last] = &parts[..] else {
        return wanted == line;
    };
    let Some(rest) = line.strip_prefix(first) else {
        return false;
    };
    line = rest;
    for part in middle {
        let Some(at) = line.find(part) else {
            return false;
        };
        line = &line[at + part.len()..];
    }
    line.ends_with(last)
}

/// Runs a page; gives it back with the output that there was.
fn run_page(path: &Path, one: &Interpreter) -> (String, usize) {
    let builds = std::env::var_os("EQUIP_TEST_ALL").is_some() && one.path == interpreters()[0].path;
    let page = std::fs::read_to_string(path).unwrap();
    let (folder, tools) = (scratch(), tools(one));
    let mut made = page.clone();
    let mut runs = 0;
    let mut told = Vec::new();
    for (info, range) in blocks(&page) {
        let content = &page[range.clone()];
        match info.split_once(' ').unwrap_or((&info, "")) {
            ("text" | "select", "") => {}
            ("python", "") if path.ends_with("selection.md") => {}
            ("console", "cargo") if !builds => {
                println!(
                    "{}: skipped what builds (EQUIP_TEST_ALL=1 runs it)",
                    path.display()
                );
            }
            ("console", "" | "cargo") => {
                let mut output = String::new();
                let mut parts = content.split("$ ").skip(1).peekable();
                assert!(
                    parts.peek().is_some(),
                    "{}: a console block without a command",
                    path.display()
                );
                for part in parts {
                    let (command, wanted) = part.split_once('\n').unwrap();
                    let found = run(command, folder.path(), tools.path());
                    runs += 1;
                    let (wanted, lines): (Vec<_>, Vec<_>) =
                        (wanted.lines().collect(), found.lines().collect());
                    let fits = fits(&wanted, &lines);
                    if !fits {
                        told.push(format!(
                            "$ {command}\n{found}instead of\n{}",
                            wanted.join("\n")
                        ));
                    }
                    let kept = if fits {
                        wanted.join("\n")
                    } else {
                        found.trim_end().to_owned()
                    };
                    output += &format!("$ {command}\n");
                    if !kept.is_empty() {
                        output += &format!("{kept}\n");
                    }
                }
                made = made.replace(content, &output);
            }
            (_, "") => panic!("{}: a block of {info:?} that nothing runs", path.display()),
            (_, name) => {
                let file = folder.path().join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, content).unwrap();
            }
        }
    }
    if std::env::var_os("EQUIP_BLESS").is_some() {
        std::fs::write(path, &made).unwrap();
    } else {
        assert!(
            told.is_empty(),
            "{} on CPython {}:\n{}",
            path.display(),
            one.isa.version,
            told.join("\n\n")
        );
    }
    (made, runs)
}

#[test]
fn every_code_block_does_what_the_page_says() {
    let mut runs = 0;
    for one in interpreters() {
        for page in pages() {
            runs += run_page(&page, one).1;
        }
    }
    assert!(runs >= 20 * interpreters().len(), "{runs}");
}

/// The anchor that mdBook and GitHub give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut all = pages();
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        all.push(root().join(name));
    }
    let mut count = 0;
    for page in &all {
        let content = std::fs::read_to_string(page).unwrap();
        for part in content.split("](").skip(1) {
            let link = part.split(')').next().unwrap();
            if link.starts_with("http") {
                continue;
            }
            count += 1;
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = match file.is_empty() {
                true => page.clone(),
                false => page.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !place.is_empty() {
                let headings = std::fs::read_to_string(&target).unwrap();
                let mut anchors = headings
                    .lines()
                    .filter_map(|line| line.strip_prefix('#'))
                    .map(|line| anchor(line.trim_start_matches('#').trim()));
                assert!(
                    anchors.any(|one| one == place),
                    "{}: {link} has no such heading",
                    page.display()
                );
            }
        }
    }
    assert!(count > 20, "{count}");
    // The book has all of its pages, and each stands in the summary.
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for page in pages() {
        let name = page
            .strip_prefix(root().join("docs"))
            .unwrap()
            .display()
            .to_string();
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "{name} is not in the summary"
        );
    }
}
