//! The command line: parses, calls one command, maps its result to an exit status.
#![forbid(unsafe_code)]

mod args;
mod calls;
mod commands;
mod config;
mod coverage;
mod flow;
mod output;
mod progress;
mod tree;

use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser;
use output::note;

/// Exit status of wrong usage, as clap's own.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log(arguments.verbose, arguments.quiet);
    let result = match &arguments.command {
        None => commands::instrument::run(&arguments),
        Some(Command::Decls(options)) => commands::inspect::decls(options, &arguments),
        Some(Command::Dis(options)) => commands::inspect::dis(options, &arguments),
        Some(Command::Cfg(options)) => commands::cfg::run(options, &arguments),
        Some(Command::Callgraph(options)) => commands::callgraph::run(options, &arguments),
        Some(Command::Verify(options)) => commands::verify::run(options, &arguments),
        Some(Command::Check(options)) => commands::check::run(options, &arguments),
        Some(Command::Select(options)) => commands::select::run(options, &arguments),
        Some(Command::Diff(options)) => commands::diff::run(options, &arguments),
        Some(Command::Init(options)) => commands::init::run(options, &arguments),
        Some(Command::Schema) => commands::check::schema(),
        Some(Command::Restore(options)) => commands::restore::run(options, &arguments),
        Some(Command::Status(options)) => commands::restore::status(options, &arguments),
        Some(Command::Run(options)) => commands::run::run(options, &arguments),
        Some(Command::Plugins) => commands::plugins::run(&arguments),
        Some(Command::NewPlugin(options)) => commands::new_plugin::run(options, &arguments),
        Some(Command::Counts(options)) => commands::counts::run(options, &arguments),
        Some(Command::Coverage(options)) => commands::coverage::run(options, &arguments),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            note!("equip: {failure:#}");
            ExitCode::from(
                failure
                    .downcast_ref::<Status>()
                    .map_or(USAGE, |status| status.0),
            )
        }
    }
}

/// An exit status that goes with an error message.
#[derive(Debug)]
pub struct Status(pub u8, pub String);

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1)
    }
}

impl std::error::Error for Status {}

fn log(verbose: u8, quiet: bool) {
    use tracing_subscriber::filter::LevelFilter;
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        (_, 2) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
}
