//! The table of settings, and the typed [`Settings`] made from it. A new setting is one row here and
//! one field there.

use std::{path::PathBuf, str::FromStr};

use floe_chain::rpc::NetworkConfig;
use toml::Value;

use super::{Config, ConfigError, Origin, default_state_dir};

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Dotted name in TOML.
    pub name: &'static str,
    /// Environment variable.
    pub env: &'static str,
    /// Command line flag, where there is one.
    pub flag: Option<&'static str>,
    /// Form of the value.
    pub kind: Kind,
    /// Value when nobody says otherwise, as it would be written in the environment.
    pub default: Option<&'static str>,
    /// One line of help.
    pub help: &'static str,
}

/// Form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A path; relative ones belong to the file that says them.
    Path,
    /// A whole number.
    Number,
    /// A list of texts, separated by commas in the environment.
    List,
}

/// Every setting there is.
pub const KEYS: &[Key] = &[
    Key {
        name: "chain.urls",
        env: "FLOE_CHAIN_URLS",
        flag: Some("--chain-url"),
        kind: Kind::List,
        default: None,
        help: "Sui gRPC endpoints, tried in order",
    },
    Key {
        name: "chain.chain_id",
        env: "FLOE_CHAIN_ID",
        flag: None,
        kind: Kind::Text,
        default: None,
        help: "chain id the endpoints must answer with",
    },
    Key {
        name: "chain.system_object",
        env: "FLOE_SYSTEM_OBJECT",
        flag: None,
        kind: Kind::Text,
        default: None,
        help: "object id of the Floe system on that chain",
    },
    Key {
        name: "chain.trust_anchor",
        env: "FLOE_TRUST_ANCHOR",
        flag: None,
        kind: Kind::Text,
        default: None,
        help: "validator committee to trust, in hexadecimal; with it nothing an endpoint says is \
               believed without proof",
    },
    Key {
        name: "light.anchor",
        env: "FLOE_LIGHT_ANCHOR",
        flag: Some("--anchor"),
        kind: Kind::Path,
        default: None,
        help: "trust anchor of a light client: a committee to trust, and peers to begin with",
    },
    Key {
        name: "wallet.key",
        env: "FLOE_WALLET_KEY",
        flag: Some("--wallet"),
        kind: Kind::Path,
        default: None,
        help: "key file (suiprivkey...) that pays and signs; mode 0600",
    },
    Key {
        name: "store.epochs",
        env: "FLOE_EPOCHS",
        flag: Some("--epochs"),
        kind: Kind::Number,
        default: Some("1"),
        help: "epochs a blob is stored for",
    },
    Key {
        name: "store.spool_dir",
        env: "FLOE_SPOOL_DIR",
        flag: Some("--spool-dir"),
        kind: Kind::Path,
        default: None,
        help: "where inputs that can be read only once are kept while they are stored",
    },
    Key {
        name: "store.spool_quota_mib",
        env: "FLOE_SPOOL_QUOTA_MIB",
        flag: None,
        kind: Kind::Number,
        default: Some("16384"),
        help: "largest input that is spooled, in MiB",
    },
    Key {
        name: "state_dir",
        env: "FLOE_STATE_DIR",
        flag: Some("--state-dir"),
        kind: Kind::Path,
        default: None,
        help: "journals of stores that can be resumed",
    },
];

impl Key {
    pub(super) fn parse(&self, text: &str, origin: &Origin) -> Result<Value, ConfigError> {
        let value = match self.kind {
            Kind::Text | Kind::Path => Value::String(text.to_owned()),
            Kind::Number => match text.parse::<i64>() {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::String(text.to_owned()),
            },
            Kind::List => Value::Array(
                text.split(',')
                    .map(|item| Value::String(item.trim().to_owned()))
                    .collect(),
            ),
        };
        self.check(&value, origin)?;
        Ok(value)
    }

    pub(super) fn check(&self, value: &Value, origin: &Origin) -> Result<(), ConfigError> {
        let (fits, expected) = match self.kind {
            Kind::Text | Kind::Path => (value.is_str(), "text"),
            Kind::Number => (
                value.as_integer().is_some_and(|number| number >= 0),
                "a whole number",
            ),
            Kind::List => (
                value
                    .as_array()
                    .is_some_and(|items| items.iter().all(Value::is_str)),
                "a list of texts",
            ),
        };
        if fits {
            return Ok(());
        }
        Err(ConfigError::Value {
            key: self.name,
            origin: origin.clone(),
            expected,
            found: value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        })
    }
}

/// The settings of a client, typed and complete but for what the command at hand may not need.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Default lifetime of a new blob, in epochs.
    pub epochs: u32,
    /// Where read-once inputs are spooled.
    pub spool_dir: PathBuf,
    /// Largest spooled input in bytes.
    pub spool_quota: u64,
    /// Where journals live.
    pub state_dir: PathBuf,
    /// The wallet's key file, if one is set.
    pub wallet_key: Option<PathBuf>,
}

impl Config {
    /// The typed settings that every command may use.
    ///
    /// # Errors
    /// A value is out of range, or there is nowhere to keep state.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let state_dir = match self.path("state_dir") {
            Some(path) => path,
            None => default_state_dir()?,
        };
        Ok(Settings {
            epochs: self.number("store.epochs", "a whole number below 2^32")?,
            spool_dir: self
                .path("store.spool_dir")
                .unwrap_or_else(|| state_dir.join("spool")),
            spool_quota: self
                .number::<u64>("store.spool_quota_mib", "a whole number")?
                .saturating_mul(1 << 20),
            wallet_key: self.path("wallet.key"),
            state_dir,
        })
    }

    /// The file with a light client's trust anchor.
    ///
    /// # Errors
    /// None is set.
    pub fn light_anchor(&self) -> Result<PathBuf, ConfigError> {
        self.require("light.anchor")?;
        Ok(self.path("light.anchor").unwrap_or_default())
    }

    /// The `[chain]` table.
    ///
    /// # Errors
    /// A part of it is missing or malformed.
    pub fn network(&self) -> Result<NetworkConfig, ConfigError> {
        let (urls, _) = self.require("chain.urls")?;
        let urls = urls.as_array().into_iter().flatten();
        let anchor = self
            .get("chain.trust_anchor")
            .and_then(|(value, _)| value.as_str());
        Ok(NetworkConfig {
            urls: urls.filter_map(Value::as_str).map(str::to_owned).collect(),
            chain_id: self.parsed("chain.chain_id", "a chain id in base58")?,
            system_object: self.parsed("chain.system_object", "an object id, 0x...")?,
            trust_anchor: anchor.map(str::to_owned),
        })
    }

    fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        let (value, origin) = self.require(name)?;
        let text = value.as_str().unwrap_or_default();
        text.parse().map_err(|_| ConfigError::Value {
            key: name,
            origin: origin.clone(),
            expected,
            found: text.to_owned(),
        })
    }

    fn number<T: TryFrom<i64>>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        let (value, origin) = self.require(name)?;
        value
            .as_integer()
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| ConfigError::Value {
                key: name,
                origin: origin.clone(),
                expected,
                found: value.to_string(),
            })
    }
}
