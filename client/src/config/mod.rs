//! Where settings come from: flag, environment, `./floe.toml` (or the one file that was named), user
//! configuration, built-in default, in this order. Every value keeps its origin, so that
//! `config show --origin` and every error can name it. Network parameters (shards, prices, epochs)
//! are no settings: they are read from the chain and verified.

mod keys;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;

pub use keys::{KEYS, Key, Kind, Settings};

use crate::advice::{Advice, ErrorKind};

/// All settings as given, each with its origin.
#[derive(Debug, Clone)]
pub struct Config {
    values: BTreeMap<&'static str, (toml::Value, Origin)>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A command line flag.
    Flag(&'static str),
    /// An environment variable.
    Env(&'static str),
    /// A configuration file.
    File(PathBuf),
    /// Built in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What the process was started with: everything outside the files.
#[derive(Debug, Default)]
pub struct Given {
    /// `--config` or `FLOE_CONFIG`: this file replaces `./floe.toml` and the user configuration.
    pub file: Option<PathBuf>,
    /// Values of flags by key name.
    pub flags: Vec<(&'static str, String)>,
    /// The environment, `FLOE_*` only.
    pub env: BTreeMap<String, String>,
    /// Directory in which `floe.toml` is looked for.
    pub directory: PathBuf,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A named file cannot be read.
    #[error("cannot read configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("{path} is not valid TOML: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        message: String,
    },
    /// A key nobody reads.
    #[error("unknown setting `{key}` in {origin}")]
    Unknown {
        /// As written.
        key: String,
        /// Where.
        origin: Origin,
        /// The closest known key.
        closest: &'static str,
    },
    /// A value of the wrong form.
    #[error("setting `{key}` from {origin}: expected {expected}, found `{found}`")]
    Value {
        /// The setting.
        key: &'static str,
        /// Where.
        origin: Origin,
        /// What it must look like.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A setting without which this command cannot work.
    #[error("setting `{key}` is missing")]
    Missing {
        /// The setting.
        key: &'static str,
        /// Its environment variable.
        env: &'static str,
    },
    /// The system has no home directory to put state in.
    #[error("there is no home directory to keep state in")]
    NoHome,
}

impl Advice for ConfigError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::FixConfig
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config.read",
            Self::Syntax { .. } => "config.syntax",
            Self::Unknown { .. } => "config.unknown_key",
            Self::Value { .. } => "config.value",
            Self::Missing { .. } => "config.missing",
            Self::NoHome => "config.no_home",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { closest, .. } => format!("did you mean `{closest}`?"),
            Self::Missing { key, env } => format!(
                "set `{key}` in ./floe.toml, or {env}, or name a file that has it with --config \
                 FILE; a local network writes one: DIR/client.toml"
            ),
            Self::NoHome => "set HOME, or FLOE_STATE_DIR to a directory of yours".to_owned(),
            Self::Value { .. } | Self::Read { .. } | Self::Syntax { .. } => {
                "`floe config show --origin` lists every setting and where it comes from".to_owned()
            }
        })
    }
}

impl Config {
    /// Reads every layer.
    ///
    /// # Errors
    /// A named file is missing, a file is malformed, or a key is unknown.
    pub fn load(given: &Given) -> Result<Self, ConfigError> {
        let mut config = Self::defaults()?;
        match &given.file {
            Some(path) => config.add_file(path, true)?,
            None => {
                if let Some(path) = user_file() {
                    config.add_file(&path, false)?;
                }
                config.add_file(&given.directory.join("floe.toml"), false)?;
            }
        }
        for key in KEYS {
            if let Some(text) = given.env.get(key.env) {
                config.set(
                    key,
                    key.parse(text, &Origin::Env(key.env))?,
                    Origin::Env(key.env),
                );
            }
        }
        for (name, text) in &given.flags {
            let key = key_named(name).ok_or_else(|| unknown(name, Origin::Default))?;
            let origin = Origin::Flag(key.flag.unwrap_or(key.name));
            config.set(key, key.parse(text, &origin)?, origin);
        }
        Ok(config)
    }

    fn defaults() -> Result<Self, ConfigError> {
        let mut config = Self {
            values: BTreeMap::new(),
        };
        for key in KEYS {
            if let Some(text) = key.default {
                config.set(key, key.parse(text, &Origin::Default)?, Origin::Default);
            }
        }
        Ok(config)
    }

    fn set(&mut self, key: &Key, value: toml::Value, origin: Origin) {
        self.values.insert(key.name, (value, origin));
    }

    fn add_file(&mut self, path: &Path, required: bool) -> Result<(), ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => return Ok(()),
            Err(source) => {
                return Err(ConfigError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let table: toml::Table = toml::from_str(&text).map_err(|e| ConfigError::Syntax {
            path: path.to_owned(),
            message: e.to_string(),
        })?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut flat = Vec::new();
        flatten(String::new(), table, &mut flat);
        for (name, value) in flat {
            let origin = Origin::File(path.clone());
            let key = key_named(&name).ok_or_else(|| unknown(&name, origin.clone()))?;
            key.check(&value, &origin)?;
            self.set(key, value, origin);
        }
        Ok(())
    }

    /// Every known setting in table order: its key, its value if it has one, and the origin.
    pub fn entries(&self) -> impl Iterator<Item = (&'static Key, Option<(&toml::Value, &Origin)>)> {
        KEYS.iter()
            .map(|key| (key, self.values.get(key.name).map(|(v, o)| (v, o))))
    }

    fn get(&self, name: &'static str) -> Option<&(toml::Value, Origin)> {
        self.values.get(name)
    }

    fn require(&self, name: &'static str) -> Result<&(toml::Value, Origin), ConfigError> {
        let missing = || ConfigError::Missing {
            key: name,
            env: key_named(name).map_or("", |key| key.env),
        };
        self.get(name).ok_or_else(missing)
    }

    /// A path: relative ones belong to the file that says them.
    fn path(&self, name: &'static str) -> Option<PathBuf> {
        let (value, origin) = self.get(name)?;
        let path = PathBuf::from(value.as_str()?);
        Some(match origin {
            Origin::File(file) => file.parent().unwrap_or(Path::new("")).join(path),
            _ => path,
        })
    }
}

/// `a.b = value` pairs of a table, lists kept whole.
fn flatten(prefix: String, table: toml::Table, into: &mut Vec<(String, toml::Value)>) {
    for (name, value) in table {
        let name = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            toml::Value::Table(inner) => flatten(name, inner, into),
            value => into.push((name, value)),
        }
    }
}

fn key_named(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

fn unknown(name: &str, origin: Origin) -> ConfigError {
    let shared = |key: &&Key| {
        let same = key.name.bytes().zip(name.bytes());
        same.take_while(|(a, b)| a == b).count()
            + key
                .name
                .bytes()
                .rev()
                .zip(name.bytes().rev())
                .take_while(|(a, b)| a == b)
                .count()
    };
    ConfigError::Unknown {
        key: name.to_owned(),
        origin,
        closest: KEYS.iter().max_by_key(shared).map_or("", |key| key.name),
    }
}

/// `~/.config/floe/config.toml`, or where the platform keeps such files.
#[must_use]
pub fn user_file() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("floe").join("config.toml"))
}

/// Where journals and spooled inputs live unless configured.
fn default_state_dir() -> Result<PathBuf, ConfigError> {
    let base = etcetera::choose_base_strategy().map_err(|_| ConfigError::NoHome)?;
    let dir = base.state_dir().unwrap_or_else(|| base.data_dir());
    Ok(dir.join("floe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(dir: &Path) -> Given {
        Given {
            directory: dir.to_owned(),
            ..Given::default()
        }
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "[store]\nepochs = 5\n[wallet]\nkey = 'w.key'\n").unwrap();
        let mut given = given(dir.path());
        let epochs = |given: &Given| {
            let config = Config::load(given).unwrap();
            let (value, origin) = config.get("store.epochs").unwrap().clone();
            (value.as_integer().unwrap(), origin)
        };
        given.file = Some(dir.path().join("empty.toml"));
        std::fs::write(dir.path().join("empty.toml"), "").unwrap();
        assert_eq!(epochs(&given).1, Origin::Default);
        given.file = Some(file.clone());
        assert_eq!(epochs(&given), (5, Origin::File(file)));
        given.env.insert("FLOE_EPOCHS".into(), "7".into());
        assert_eq!(epochs(&given), (7, Origin::Env("FLOE_EPOCHS")));
        given.flags.push(("store.epochs", "9".into()));
        assert_eq!(epochs(&given), (9, Origin::Flag("--epochs")));
        let wallet = Config::load(&given).unwrap().path("wallet.key").unwrap();
        assert_eq!(wallet, dir.path().join("w.key"));
    }

    #[test]
    fn a_misspelt_key_is_named_with_the_closest_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("floe.toml"), "[chain]\nurl = ['x']\n").unwrap();
        let error = Config::load(&given(dir.path())).unwrap_err();
        assert!(
            matches!(
                &error,
                ConfigError::Unknown {
                    closest: "chain.urls",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_value_names_key_origin_and_form() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = given(dir.path());
        given.env.insert("FLOE_EPOCHS".into(), "many".into());
        let error = Config::load(&given).unwrap_err().to_string();
        assert_eq!(
            error,
            "setting `store.epochs` from environment FLOE_EPOCHS: expected a whole number, found `many`"
        );
    }

    #[test]
    fn a_missing_named_file_is_an_error_and_a_missing_default_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = given(dir.path());
        Config::load(&given).unwrap();
        given.file = Some(dir.path().join("none.toml"));
        assert!(matches!(
            Config::load(&given),
            Err(ConfigError::Read { .. })
        ));
    }
}
