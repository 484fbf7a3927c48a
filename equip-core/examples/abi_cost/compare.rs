//! Whole runs with a plugin from its shared library beside whole runs with the same plugin linked in; and
//! the visits alone, which is where the difference must be.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use equip_core::api::abi::Dispatch;
use equip_core::compile::Snippets;
use equip_core::declaration::{DeclId, declarations};
use equip_core::plugin::{EditSink, HostModule, Library, Loader, Plugin};
use equip_core::program::{self, Program};
use equip_core::pyc::PycFile;
use equip_core::python::{Helpers, Search};
use equip_core::run::{self, Options, Step, Watch};
use equip_core::{OnError, Site, Value};

/// Takes edits as cheaply as may be.
struct Sink(usize);

impl EditSink for Sink {
    fn edit(
        &mut self,
        _decl: DeclId,
        _site: Site,
        code: &str,
        values: Vec<(String, Value)>,
        _on_error: Option<OnError>,
    ) -> Result<(), String> {
        self.0 += code.len() + values.len();
        Ok(())
    }

    fn import(&mut self, statement: &str, _public: bool) -> Result<(), String> {
        self.0 += statement.len();
        Ok(())
    }

    fn bind(&mut self, name: &str, code: &str, values: Vec<(String, Value)>) -> Result<(), String> {
        self.0 += name.len() + code.len() + values.len();
        Ok(())
    }

    fn log(&mut self, _level: u32, _message: &str) {}
}

fn set_up(library: &Library) -> Plugin {
    let plugin = library.configure("{}");
    plugin.unwrap_or_else(|error| panic!("{error}"))
}

fn whole(program: &Program, library: &Library, helpers: &Arc<Helpers>, cache: &Path) -> Duration {
    let options = Options {
        force_rebuild: false,
        dry_run: true,
        jobs: 1,
        cache: Some(cache.to_owned()),
        output: PathBuf::from("."),
        plan: false,
    };
    let plugin = set_up(library);
    let steps = [Step::plugin(&plugin)];
    let begin = Instant::now();
    let report = run::run(program, &steps, helpers.clone(), &options, Watch::default());
    let took = begin.elapsed();
    assert!(report.instrumented() > 0, "{:?}", report.problems.first());
    took
}

/// The visits of each file; keeps the least that each has ever taken, since other programs interrupt a few.
fn visits(files: &[Vec<u8>], library: &Library, least: &mut [Duration]) {
    let plugin = set_up(library);
    for (bytes, least) in files.iter().zip(least) {
        let Ok(pyc) = PycFile::parse(bytes) else {
            continue;
        };
        let declarations = declarations(&pyc);
        let host = HostModule::new(&pyc, &declarations, "module");
        let mut sink = Sink(0);
        let begin = Instant::now();
        let visitor = plugin.start();
        let visited = visitor.and_then(|visitor| visitor.visit_module(&host, &|_| true, &mut sink));
        *least = begin.elapsed().min(*least);
        visited.unwrap_or_else(|error| panic!("{error}"));
        black_box(sink.0);
    }
}

/// The work is the same each time: what is more than the least came from elsewhere.
fn least(times: Vec<Duration>) -> f64 {
    times.into_iter().min().unwrap_or_default().as_secs_f64()
}

/// `LIBRARY FOLDER PYTHON ROUNDS`; prints a JSON object with seconds, each the least of its rounds.
pub fn main<P: Dispatch>() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, folder, python, rounds] = &arguments[..] else {
        eprintln!("usage: LIBRARY FOLDER PYTHON ROUNDS (see bench/abi.py)");
        std::process::exit(2);
    };
    let loaded = Loader::default().load(Path::new(library));
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    let linked = Library::linked::<P>().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.name, linked.name, "two different plugins");
    let search = Search::from_environment(Some(Path::new(python)));
    let found = program::find(&[PathBuf::from(folder)], &search);
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    let files = found
        .modules
        .iter()
        .filter_map(|m| std::fs::read(&m.pyc).ok());
    let files: Vec<Vec<u8>> = files.collect();
    let helpers = Arc::new(Helpers::new(search));
    let cache = Snippets::default_cache().unwrap_or(std::env::temp_dir().join("equip-abi-cost"));
    let rounds: usize = rounds.parse().expect("a number");
    // Warm: the snippets compiled, the files in memory.
    whole(&found, &linked, &helpers, &cache);
    whole(&found, &loaded, &helpers, &cache);
    let mut times: [Vec<Duration>; 2] = Default::default();
    let mut visited = [(); 2].map(|()| vec![Duration::MAX; files.len()]);
    for round in 0..rounds {
        // Whichever comes first has the caches as the other left them.
        let mut both = [(0, &linked), (1, &loaded)];
        if round % 2 == 1 {
            both.reverse();
        }
        for (at, library) in both {
            times[at].push(whole(&found, library, &helpers, &cache));
        }
        for (at, library) in [both, both].concat() {
            visits(&files, library, &mut visited[at]);
        }
    }
    let [whole_linked, whole_loaded] = times.map(least);
    let sum = |visits: Vec<Duration>| -> f64 {
        let known = visits.into_iter().filter(|took| *took != Duration::MAX);
        known.sum::<Duration>().as_secs_f64()
    };
    let [visits_linked, visits_loaded] = visited.map(sum);
    let files = files.len();
    println!(
        "{{\"files\": {files}, \"whole_linked\": {whole_linked}, \"whole_loaded\": {whole_loaded}, \
         \"visits_linked\": {visits_linked}, \"visits_loaded\": {visits_loaded}}}"
    );
}
