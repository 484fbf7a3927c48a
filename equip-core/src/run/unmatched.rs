//! Selections that found nothing: what may have been meant, and whether the code that they are for would compile.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use equip_plugin_api::edit::{Value, When};

use super::{Excerpt, Problem, Run, Severity, Unmatched, Work, common_folder};
use crate::compile::Environment;
use crate::declaration::declarations;
use crate::inject::{At, Injection};
use crate::program::{self, Program};
use crate::pyc::PycFile;
use crate::rewrite::{Compile, Refusal, Shape, nearest_lines};
use crate::select;

/// `{arg0}` to `{arg14}`.
const ARGUMENTS: usize = 15;

impl Run<'_> {
    /// Selections that found nothing. Only then the program is looked at a second time, for what may have
    /// been meant.
    pub(super) fn unmatched(&self, program: &Program) -> Vec<Unmatched> {
        let mut found = Vec::new();
        for (step, hits) in self.hits.iter().enumerate() {
            for (index, hits) in hits.iter().enumerate() {
                let (selected, placed) = (
                    hits.selected.load(Ordering::Relaxed),
                    hits.placed.load(Ordering::Relaxed),
                );
                let injection = match self.steps[step].work {
                    Work::Injections(all) => Some(&all[index]),
                    Work::Plugin(_) => None,
                };
                let line = injection.and_then(|one| one.at.line());
                let calls = injection.and_then(|one| one.calls.as_ref());
                if selected == 0 || (line.is_some() || calls.is_some()) && placed == 0 {
                    found.push((
                        step,
                        injection.map(|one| (index, one)),
                        line.filter(|_| selected > 0),
                        calls.filter(|_| selected > 0),
                    ));
                }
            }
        }
        if found.is_empty() {
            return Vec::new();
        }
        let selection =
            |step: usize, index: Option<usize>| self.steps[step].selections()[index.unwrap_or(0)];
        let wanted: Vec<_> = found
            .iter()
            .map(|(step, injection, ..)| selection(*step, injection.map(|(index, _)| index)))
            .collect();
        let mut names = select::Names::default();
        let mut lines: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); found.len()];
        let mut called: Vec<BTreeSet<String>> = vec![BTreeSet::new(); found.len()];
        for module in program
            .modules
            .iter()
            .filter(|one| (self.watch.included)(one))
        {
            let start = match self.plain_bytes(module) {
                Ok(Some(start)) => start,
                // It was not looked at, since its original is gone: what matches there is not known.
                Ok(None) => return Vec::new(),
                Err(_) => continue,
            };
            let Ok(pyc) = PycFile::parse(&start.plain) else {
                continue;
            };
            let declarations = declarations(&pyc);
            let name = program::module_name(module);
            let file = module.source.as_deref().unwrap_or(&module.pyc);
            let subject = select::Subject::new(&pyc, &declarations, &name, file);
            names.add(&subject, &wanted);
            for (index, (_, injection, line, calls)) in found.iter().enumerate() {
                if let (Some((_, injection)), Some(_)) = (injection, line) {
                    lines[index].extend(injection.lines(&pyc, &subject));
                }
                if let (Some((_, injection)), Some(_)) = (injection, calls) {
                    called[index].extend(injection.called(&pyc, &subject));
                }
            }
        }
        let near = lines.into_iter().zip(called);
        let found = found.into_iter().zip(wanted).zip(near);
        let told = found.map(|((one, selection), (lines, called))| {
            let (step, injection, line, calls) = one;
            Unmatched {
                step,
                injection: injection.map(|(index, _)| index),
                plugin: self.steps[step].author.name.clone(),
                selection: selection.text.clone(),
                line,
                calls: calls.map(|calls| calls.text.clone()),
                near: match (line, calls) {
                    (Some(line), _) => vec![nearest_lines(lines.into_iter().collect(), line)],
                    (None, Some(calls)) => select::near_names(&calls.text, &called),
                    (None, None) => select::near_misses(selection, &names),
                },
            }
        });
        told.collect()
    }

    /// What is wrong with code that was not compiled, since it was put nowhere.
    pub(super) fn uncompiled(&self, program: &Program) -> Vec<Problem> {
        let mut environments = Vec::new();
        for module in &program.modules {
            if let Some(isa) = module.isa {
                let environment = Environment::new(isa, module.optimize, 0, None);
                if !environments.iter().any(|(_, known)| *known == environment) {
                    environments.push((isa, environment));
                }
            }
        }
        let mut problems = Vec::new();
        for (step, hits) in self.steps.iter().zip(&self.hits) {
            let Work::Injections(all) = step.work else {
                continue;
            };
            for (injection, hits) in all.iter().zip(hits) {
                if hits.placed.load(Ordering::Relaxed) > 0 || injection.code.is_empty() {
                    continue;
                }
                let refused = environments.iter().find_map(|(isa, environment)| {
                    let within = self.pipeline.snippets.within(isa, environment.clone());
                    self.compiles(injection, &within).err()
                });
                if let Some(Refusal::Snippet {
                    offset,
                    len,
                    message,
                }) = refused
                {
                    let snippet = Excerpt {
                        text: injection.code.clone(),
                        offset,
                        len,
                    };
                    problems.push(Problem {
                        severity: Severity::Edit,
                        plugin: Some(step.author.name.clone()),
                        site: Some(injection.at.name()),
                        snippet: Some(snippet),
                        ..Problem::file(&common_folder(program), message)
                    });
                }
            }
        }
        problems
    }

    /// Whether its code would compile in a function with as many parameters as code can speak of.
    fn compiles(&self, injection: &Injection, within: &dyn Compile) -> Result<(), Refusal> {
        let template = self.templates.get(&injection.code, &[])?;
        let value = |name: &str| match name.contains("lineno") {
            true => Value::Int(1),
            false => Value::Str(name.to_owned()),
        };
        let main_only = matches!(
            injection.at,
            At::ModuleEnter(When::Main) | At::ModuleExit(When::Main)
        );
        let shape = Shape {
            template: &template,
            arity: ARGUMENTS,
            captures: &[],
            main_only,
            on_error: injection.on_error,
            value: &value,
        };
        within.fragment(&shape).map(drop)
    }
}
