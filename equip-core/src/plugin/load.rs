//! Shared libraries, found and checked before any call into them. All `unsafe` of the library is here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::{
    CheckingGlobals, check_layout_compatibility_with_globals,
};
use abi_stable::library::{AbiHeaderRef, LibHeader};
use equip_plugin_api::abi::{self, Info, PluginModuleRef, interest};
use equip_plugin_api::edit::OnError;

use super::{Plugin, PluginError};
use crate::options::{Declared, ON_ERROR, OptionError};

/// Why a library is no plugin for this host. One line for the user; [`LoadError::detail`] has more.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No such plugin anywhere.
    #[error("no plugin {name:?}: looked for {tried}")]
    NotFound {
        /// What the user said.
        name: String,
        /// All paths that were tried.
        tried: String,
    },
    /// It cannot be opened.
    #[error("{path}: cannot be loaded: {why}")]
    Open {
        /// The library.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It can be opened, but is something else.
    #[error(
        "{path}: not an equip plugin: it does not export {symbol} (see export_plugin! in equip-plugin-api)"
    )]
    NoPlugin {
        /// The library.
        path: PathBuf,
        /// The symbol.
        symbol: &'static str,
    },
    /// It was built for another API version.
    #[error("{path}: built for plugin API {}.{}, this equip has {}.{}: {}", .built.0, .built.1, abi::API_MAJOR, abi::API_MINOR, remedy(*.built))]
    Version {
        /// The library.
        path: PathBuf,
        /// Its version.
        built: (u32, u32),
    },
    /// It cannot say which options it takes.
    #[error("{path}: what it declares of its options cannot be read: {why}")]
    Declaration {
        /// The library.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The same version, but types of another shape.
    #[error(
        "{path}: its types are not those of this equip, though its API version, {}.{}, fits: rebuild it ({summary})",
        .built.0,
        .built.1
    )]
    Layout {
        /// The library.
        path: PathBuf,
        /// Its version.
        built: (u32, u32),
        /// The first difference.
        summary: String,
        /// All differences.
        detail: String,
    },
}

fn remedy(built: (u32, u32)) -> String {
    let (major, minor) = (abi::API_MAJOR, abi::API_MINOR);
    let rebuild = format!("rebuild the plugin with equip-plugin-api {major}.{minor}");
    match built > (major, minor) {
        true => format!("update equip, or {rebuild}"),
        false => rebuild,
    }
}

impl LoadError {
    /// Whether it is a plugin for all that is known, though not for this host.
    pub fn is_plugin(&self) -> bool {
        matches!(
            self,
            LoadError::Version { .. } | LoadError::Layout { .. } | LoadError::Declaration { .. }
        )
    }

    /// All that is known, for those who ask twice.
    pub fn detail(&self) -> Option<&str> {
        match self {
            LoadError::Layout { detail, .. } => Some(detail),
            _ => None,
        }
    }
}

/// Where plugins are looked for by bare name. Never the target.
#[derive(Clone, Debug, Default)]
pub struct Loader {
    /// Folders, best first.
    pub directories: Vec<PathBuf>,
}

impl Loader {
    /// `$EQUIP_PLUGIN_PATH`, the folder of this executable, `deps` in it, `../lib/equip/plugins`, the
    /// user's data folder.
    pub fn from_environment() -> Loader {
        let mut directories: Vec<PathBuf> = std::env::var_os("EQUIP_PLUGIN_PATH")
            .map(|path| {
                std::env::split_paths(&path)
                    .filter(|p| p.is_absolute())
                    .collect()
            })
            .unwrap_or_default();
        let exe = std::env::current_exe()
            .and_then(|exe| exe.canonicalize())
            .ok();
        if let Some(folder) = exe.as_deref().and_then(Path::parent) {
            let above = folder.parent().unwrap_or(folder);
            directories.extend([
                folder.to_owned(),
                folder.join("deps"),
                above.join("lib/equip/plugins"),
            ]);
        }
        let data = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        directories.extend(data.or_else(home).map(|data| data.join("equip/plugins")));
        Loader { directories }
    }

    /// The library that a name means: with a separator it is a path; else a file of the current
    /// folder, if it has a library's suffix; else it is looked for in [`Loader::directories`].
    ///
    /// # Errors
    /// [`LoadError::NotFound`] with every path that was tried.
    pub fn find(&self, name: &str, folder: &Path) -> Result<PathBuf, LoadError> {
        let mut tried = Vec::new();
        if Path::new(name).components().count() > 1 || name.contains('/') {
            tried.push(folder.join(name));
        } else {
            let file = file_name(name);
            if file == name {
                tried.push(folder.join(name));
            }
            tried.extend(self.directories.iter().map(|dir| dir.join(&file)));
        }
        let found = tried.iter().find(|path| path.exists());
        match found.and_then(|path| path.canonicalize().ok()) {
            Some(path) => Ok(path),
            None => {
                let tried = tried
                    .iter()
                    .map(|p| p.display().to_string())
                    .collect::<Vec<_>>()
                    .join(", ");
                Err(LoadError::NotFound {
                    name: name.to_owned(),
                    tried,
                })
            }
        }
    }

    /// Libraries that a bare name may mean, best first: name and path. Whether they are plugins, loading tells.
    pub fn installed(&self) -> Vec<(String, PathBuf)> {
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let mut found = Vec::new();
        for folder in &self.directories {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
            files.sort();
            found.extend(files.into_iter().filter_map(|path| {
                let file = path.file_name()?.to_str()?;
                let name = file.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned();
                Some((name, path))
            }));
        }
        found
    }

    /// Loads a library, which stays loaded for as long as the process lives.
    ///
    /// # Errors
    /// [`LoadError`]; nothing of the library was called unless it is a plugin of this API.
    pub fn load(&self, path: &Path) -> Result<Library, LoadError> {
        if path.is_dir() {
            return Err(LoadError::Open {
                path: path.to_owned(),
                why: "it is a folder".to_owned(),
            });
        }
        open(path)
    }
}

/// A loaded plugin, not configured yet.
pub struct Library {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in its own words.
    pub about: String,
    /// The API version that it was built for.
    pub api: (u32, u32),
    /// The compiler that built it.
    pub rustc: String,
    /// Its file.
    pub path: PathBuf,
    /// Whether a panic in it can be caught.
    pub unwinds: bool,
    /// Its options and sites, as far as it says.
    pub declared: Declared,
    interests: u64,
    on_error: OnError,
    runtimes: Vec<Runtime>,
    module: PluginModuleRef,
}

fn text_of(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[allow(unsafe_code)]
fn open(path: &Path) -> Result<Library, LoadError> {
    let owned = || path.to_owned();
    // SAFETY: opening runs the library's initialisers. It is native code that the user names; that
    // loading it runs it is documented.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        LoadError::Open {
            path: owned(),
            why: source.unwrap_or_else(|| error.to_string()),
        }
    })?;
    // Objects of the plugin point into it, so it must never be closed.
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    // SAFETY: the symbol is a static of type Info, whose layout never changes; the magic bytes at
    // its start are compared before anything behind them is read.
    let info: &'static Info = unsafe {
        let symbol = library.get::<*const [u8; 16]>("EQUIP_PLUGIN_INFO");
        let symbol = symbol.map_err(|_| LoadError::NoPlugin {
            path: owned(),
            symbol: "EQUIP_PLUGIN_INFO",
        })?;
        let magic: *const [u8; 16] = *symbol;
        if magic.is_null() || *magic != abi::MAGIC {
            return Err(LoadError::NoPlugin {
                path: owned(),
                symbol: "EQUIP_PLUGIN_INFO",
            });
        }
        &*magic.cast::<Info>()
    };
    let built = (info.api_major, info.api_minor);
    // Minor versions grow compatibly: an older plugin never asks for what is new. A newer one might ask for
    // what this host has not got, and would find that out in the middle of a run.
    if built.0 != abi::API_MAJOR || built.1 > abi::API_MINOR {
        return Err(LoadError::Version {
            path: owned(),
            built,
        });
    }
    // SAFETY: a library of this API version exports a LibHeader by that name; `upgrade` checks the
    // stable-ABI crate's own version and self tests before it is used as one.
    let header: &'static LibHeader = unsafe {
        let symbol = library.get::<*const ()>("EQUIP_PLUGIN");
        let symbol = symbol.map_err(|_| LoadError::NoPlugin {
            path: owned(),
            symbol: "EQUIP_PLUGIN",
        })?;
        let header = std::mem::transmute::<*const (), AbiHeaderRef>(*symbol);
        header
            .upgrade()
            .map_err(|error| layout_error(path, built, &error.to_string()))?
    };
    let ours = <PluginModuleRef as StableAbi>::LAYOUT;
    let Some(theirs) = header.layout() else {
        return Err(layout_error(path, built, "it carries no layout"));
    };
    // One way round the plugin may be newer, the other way round older: types grow at their ends.
    // Each check starts afresh: the process-wide state of the plain function remembers an older plugin
    // and then refuses those that are as new as the host. Plugins share no objects with each other.
    let fits = |interface, implementation| {
        let fresh = CheckingGlobals::new();
        check_layout_compatibility_with_globals(interface, implementation, &fresh)
    };
    if let Err(error) = fits(ours, theirs)
        && fits(theirs, ours).is_err()
    {
        return Err(layout_error(path, built, &error.to_string()));
    }
    // SAFETY: the layouts were found compatible just now, one way or the other; a field or method
    // that one side lacks is a prefix type's missing one, which has a default.
    let module = unsafe { header.init_root_module_with_unchecked_layout::<PluginModuleRef>() };
    let module = module.map_err(|error| layout_error(path, built, &error.to_string()))?;
    described(module, info, path)
}

/// What a plugin says of itself, asked of it.
fn described(module: PluginModuleRef, info: &Info, path: &Path) -> Result<Library, LoadError> {
    let declared = match module.declared().map(|declared| declared().into_result()) {
        // A plugin of API 1.0.
        None => Declared::default(),
        Some(Ok(text)) => serde_json::from_str(&text).map_err(|error| LoadError::Declaration {
            path: path.to_owned(),
            why: error.to_string(),
        })?,
        Some(Err(error)) => {
            return Err(LoadError::Declaration {
                path: path.to_owned(),
                why: error.message.into_string(),
            });
        }
    };
    let description = module.describe()();
    let runtimes = description.runtimes.into_iter();
    Ok(Library {
        name: description.name.into_string(),
        version: description.version.into_string(),
        about: description.about.into_string(),
        api: (info.api_major, info.api_minor),
        rustc: text_of(&info.rustc),
        path: path.to_owned(),
        unwinds: description.unwinds,
        declared,
        interests: description.interests,
        on_error: abi::on_error(description.on_error).unwrap_or_default(),
        runtimes: runtimes
            .map(|runtime| Runtime {
                name: runtime.name.into(),
                source: runtime.source.into(),
            })
            .collect(),
        module,
    })
}

/// The checker's text runs to thousands of lines; what differs is behind its `Error:`.
fn layout_error(path: &Path, built: (u32, u32), detail: &str) -> LoadError {
    let lines = detail
        .lines()
        .map(str::trim)
        .skip_while(|line| !line.starts_with("Error:"));
    let summary: Vec<_> = lines.filter(|line| !line.is_empty()).take(5).collect();
    let summary = if summary.is_empty() {
        detail.lines().next().unwrap_or_default().to_owned()
    } else {
        summary.join(" ")
    };
    LoadError::Layout {
        path: path.to_owned(),
        built,
        summary,
        detail: detail.to_owned(),
    }
}

impl Library {
    /// A plugin that is part of this program: the type that [`link_plugin!`](equip_plugin_api::link_plugin!)
    /// or [`export_plugin!`](equip_plugin_api::export_plugin!) names.
    ///
    /// # Errors
    /// What it declares of its options cannot be told: [`LoadError::Declaration`].
    pub fn linked<P: abi::Dispatch>() -> Result<Library, LoadError> {
        let info = Info::new(P::NAME, P::VERSION);
        described(abi::module::<P>(), &info, Path::new(P::NAME))
    }

    /// What it is shown: `program`, `modules`, `classes`, `functions`, `instructions`.
    pub fn visitors(&self) -> Vec<&'static str> {
        let all = [
            (interest::PROGRAM, "program"),
            (interest::MODULE, "modules"),
            (interest::CLASS, "classes"),
            (interest::METHOD, "functions"),
            (interest::BYTECODE, "instructions"),
        ];
        let shown = all.into_iter().filter(|(bit, _)| self.interests & bit != 0);
        shown.map(|(_, name)| name).collect()
    }

    /// Makes the plugin from a table of options, `on_error` included, after checking it.
    ///
    /// # Errors
    /// Everything that is wrong with the table; or what the plugin says of it, with the path it names.
    pub fn set_up(
        &self,
        mut table: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Plugin, NotSetUp> {
        let wrong = self.declared.check(&table);
        if !wrong.is_empty() {
            return Err(NotSetUp::Options(wrong));
        }
        // This one is the host's, whatever the plugin.
        let said = table.remove(ON_ERROR);
        let on_error = said
            .as_ref()
            .and_then(|said| OnError::named(said.as_str()?));
        let json = serde_json::Value::Object(table).to_string();
        let mut plugin = self.configure(&json).map_err(NotSetUp::Plugin)?;
        plugin.on_error = on_error.unwrap_or(plugin.on_error);
        Ok(plugin)
    }

    /// Makes the plugin from its options, given as JSON text, which the plugin alone checks.
    ///
    /// # Errors
    /// It does not like them, or panics.
    pub fn configure(&self, options: &str) -> Result<Plugin, PluginError> {
        let plugin = self.module.create()(options.into()).into_result();
        Ok(Plugin {
            name: self.name.clone(),
            version: self.version.clone(),
            runtimes: self.runtimes.clone(),
            options: options.to_owned(),
            on_error: self.on_error,
            sites: self.declared.sites.clone(),
            interests: self.interests,
            plugin: plugin
                .map_err(|error| PluginError::new(&self.name, error, "configure", None))?,
        })
    }
}

/// Why a plugin cannot be had with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSetUp {
    /// They are not those that it declares.
    Options(Vec<OptionError>),
    /// It does not take them.
    Plugin(PluginError),
}

/// A Python module that a plugin brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Its name.
    pub name: String,
    /// Its source.
    pub source: String,
}

/// The file name that a plugin of that name has.
pub fn file_name(name: &str) -> String {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let plain = Path::new(name).extension() == Some(OsStr::new(suffix.trim_start_matches('.')));
    if plain {
        name.to_owned()
    } else {
        format!("{prefix}{}{suffix}", name.replace('-', "_"))
    }
}
