//! Pages for people: a table of files, and each source with what ran of it. They need neither
//! scripts nor other files, follow the reader's choice of light or dark, and say in signs and words
//! what they say in colour.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use super::model::{FileReport, Numbers, end_name, shown};
use super::{Report, natural};

const STYLE: &str = include_str!("style.css");

/// Writes all pages into a folder, which is made where it is missing.
///
/// # Errors
/// A page cannot be written.
pub fn write(report: &Report, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut files: Vec<_> = report.files.iter().collect();
    files.sort_by_key(|file| natural(&file.name));
    let names = page_names(&files);
    std::fs::write(folder.join("index.html"), index(report, &files, &names))?;
    for (at, file) in files.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &*names[before]);
        let page = page(
            file,
            report.precision,
            before,
            names.get(at + 1).map(String::as_str),
        );
        std::fs::write(folder.join(&names[at]), page)?;
    }
    Ok(())
}

/// A name for each page: no two differ by case alone.
fn page_names(files: &[&FileReport]) -> Vec<String> {
    const LONGEST: usize = 180;
    let mut taken = BTreeSet::from(["index".to_owned()]);
    let names = files.iter().map(|file| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name: String = file
            .name
            .chars()
            .map(|c| if is_plain(c) { c } else { '_' })
            .collect();
        let name = name
            .strip_suffix(".py")
            .unwrap_or(&name)
            .trim_start_matches('.');
        let name = &name[name.len().saturating_sub(LONGEST)..];
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
        let free = candidates.find(|one| taken.insert(one.to_lowercase()));
        format!("{}.html", free.unwrap_or_default())
    });
    names.collect()
}

fn head(title: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"equip {}\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n",
        env!("CARGO_PKG_VERSION"),
    )
}

fn index(report: &Report, files: &[&FileReport], names: &[String]) -> String {
    let percent = shown(report.total.percent(), report.precision);
    let mut out = head(&format!("Coverage: {percent}%"));
    let _ = writeln!(
        out,
        "<main>\n<h1>Coverage: {percent}%</h1>\n<p>{}</p>\n<table class=\"files\">\n<thead><tr><th scope=\"col\">File</th>\
         <th scope=\"col\">Statements</th><th scope=\"col\">Missed</th><th scope=\"col\">Excluded</th>\
         <th scope=\"col\">Branches</th><th scope=\"col\">Partial</th><th scope=\"col\">Coverage</th></tr></thead>\n<tbody>",
        sentence(&report.total),
    );
    for (file, name) in files.iter().zip(names) {
        let shown = format!("<a href=\"{name}\">{}</a>", escaped(&file.name));
        out.push_str(&row(&shown, &file.numbers(), report.precision));
    }
    out.push_str("</tbody>\n<tfoot>\n");
    out.push_str(&row("Total", &report.total, report.precision));
    out.push_str("</tfoot>\n</table>\n</main>\n</body>\n</html>\n");
    out
}

fn row(name: &str, numbers: &Numbers, precision: usize) -> String {
    let percent = numbers.percent();
    let mut out = format!("<tr><th scope=\"row\">{name}</th>");
    for number in [
        numbers.statements,
        numbers.missing,
        numbers.excluded,
        numbers.branches,
        numbers.partial,
    ] {
        let _ = write!(out, "<td>{number}</td>");
    }
    let _ = writeln!(
        out,
        "<td class=\"bar\" style=\"--covered: {percent:.1}%\">{}%</td></tr>",
        shown(percent, precision)
    );
    out
}

fn sentence(numbers: &Numbers) -> String {
    format!(
        "{} of {} statements ran, {} of {} branches were taken.",
        numbers.executed(),
        numbers.statements,
        numbers.taken(),
        numbers.branches
    )
}

/// What a line is, in the order of importance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Missed,
    Partial,
    Hit,
    Excluded,
    Nothing,
}

impl Kind {
    fn of(file: &FileReport, line: u32) -> Kind {
        let first = file.facts.first_of(line);
        let is_excluded = |line: &u32| file.facts.excluded.contains(line);
        if file.missing.contains(&first) {
            Kind::Missed
        } else if file.facts.statements.contains(&first) {
            match file.untaken_of(first).next() {
                Some(_) => Kind::Partial,
                None => Kind::Hit,
            }
        } else if is_excluded(&first) || is_excluded(&line) {
            Kind::Excluded
        } else {
            Kind::Nothing
        }
    }

    fn needs_work(self) -> bool {
        matches!(self, Kind::Missed | Kind::Partial)
    }

    /// Class, sign, words.
    fn shown(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Missed => ("miss", "−", "not run"),
            Kind::Partial => ("part", "±", "some branches not taken"),
            Kind::Hit => ("hit", "+", "run"),
            Kind::Excluded => ("excl", "×", "excluded"),
            Kind::Nothing => ("none", "", ""),
        }
    }
}

fn page(file: &FileReport, precision: usize, before: Option<&str>, after: Option<&str>) -> String {
    let numbers = file.numbers();
    let percent = shown(numbers.percent(), precision);
    let mut out = head(&format!("{}: {percent}%", file.name));
    let count = file
        .facts
        .lines
        .max(u32::try_from(file.facts.text.len()).unwrap_or(u32::MAX));
    let kinds: Vec<Kind> = (1..=count).map(|line| Kind::of(file, line)).collect();
    // Where something begins that asks for work: links lead from one to the next.
    let starts: Vec<u32> = (1..=count)
        .zip(&kinds)
        .filter(|(line, kind)| {
            let before = (*line as usize).checked_sub(2).and_then(|at| kinds.get(at));
            kind.needs_work() && before != Some(kind)
        })
        .map(|(line, _)| line)
        .collect();
    let link = |to: Option<&str>, text: &str| match to {
        Some(to) => format!("<a href=\"{to}\">{text}</a>"),
        None => format!("<span>{text}</span>"),
    };
    let first = starts.first().map(|line| format!("#l{line}"));
    let _ = writeln!(
        out,
        "<header id=\"top\">\n<h1>{}: {percent}%</h1>\n<p>{}</p>\n<nav>{} {} {} {}</nav>\n<p class=\"legend\">",
        escaped(&file.name),
        sentence(&numbers),
        link(Some("index.html"), "All files"),
        link(before, "Previous"),
        link(after, "Next"),
        link(first.as_deref(), "First gap"),
    );
    for kind in [Kind::Hit, Kind::Missed, Kind::Partial, Kind::Excluded] {
        let (class, sign, words) = kind.shown();
        let _ = writeln!(out, "<span class=\"{class}\">{sign} {words}</span>");
    }
    out.push_str("</p>\n</header>\n<main>\n");
    if !file.has_source {
        out.push_str("<p>There is no source; these are the lines of its bytecode.</p>\n");
    }
    out.push_str("<table class=\"source\">\n<tbody>\n");
    let mut colours: BTreeMap<u32, Vec<(usize, i64, &str)>> = BTreeMap::new();
    for (line, start, end, class) in &file.facts.colours {
        colours
            .entry(*line)
            .or_default()
            .push((*start, *end, class));
    }
    for (line, kind) in (1..=count).zip(&kinds) {
        if !file.has_source && *kind == Kind::Nothing {
            continue;
        }
        let text = file
            .facts
            .text
            .get(line as usize - 1)
            .map_or("", String::as_str);
        let spans = colours.get(&line).map_or(&[][..], Vec::as_slice);
        let (class, sign, words) = kind.shown();
        let _ = write!(
            out,
            "<tr id=\"l{line}\" class=\"{class}\"><td class=\"n\"><a href=\"#l{line}\">{line}</a></td><td class=\"m\" title=\"{words}\">{sign}"
        );
        if starts.binary_search(&line).is_ok() {
            let next = starts.iter().find(|next| **next > line);
            let (to, says) = match next {
                Some(next) => (format!("#l{next}"), "next gap"),
                None => ("#top".to_owned(), "last gap: to the top"),
            };
            let _ = write!(
                out,
                "<a class=\"next\" href=\"{to}\" aria-label=\"{says}\" title=\"{says}\">↓</a>"
            );
        }
        let hits = file.hits.get(&line).filter(|_| file.counted);
        if file.counted {
            let hits = hits.map(u64::to_string).unwrap_or_default();
            let _ = write!(out, "</td><td class=\"h\">{hits}");
        }
        let _ = write!(out, "</td><td class=\"c\">{}", coloured(text, spans));
        if *kind == Kind::Partial && file.facts.first_of(line) == line {
            for to in file.untaken_of(line) {
                let _ = write!(out, "<p>{}</p>", annotation(file, line, to));
            }
        }
        out.push_str("</td></tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</main>\n</body>\n</html>\n");
    out
}

/// Which branch was never taken, and why.
fn annotation(file: &FileReport, line: u32, to: i64) -> String {
    let name = end_name(to);
    let target = match u32::try_from(to) {
        Ok(to) => format!("<a href=\"#l{to}\">{to}</a>"),
        Err(_) => name,
    };
    match file.facts.cause(line, to) {
        Some(cause) => format!("→ {target} never taken: {}", escaped(&cause)),
        None => format!("→ {target} never taken"),
    }
}

/// A line of source, words and literals marked; columns are in characters.
fn coloured(text: &str, spans: &[(usize, i64, &str)]) -> String {
    let letters: Vec<char> = text.chars().collect();
    let part = |from: usize, to: usize| {
        let part = letters
            .get(from.min(letters.len())..to.min(letters.len()).max(from.min(letters.len())));
        escaped(&part.unwrap_or_default().iter().collect::<String>())
    };
    let (mut out, mut at) = (String::new(), 0);
    for &(start, end, class) in spans {
        let end = usize::try_from(end).unwrap_or(letters.len());
        if start < at || end <= start {
            continue;
        }
        let _ = write!(
            out,
            "{}<span class=\"t{}\">{}</span>",
            part(at, start),
            escaped(class),
            part(start, end)
        );
        at = end;
    }
    out + &part(at, letters.len())
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
