//! Reads the compiled framework that `chain/move/build.sh` writes.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use floe_move_vm::{Module, ParseError};
use serde::Deserialize;
use sui_sdk_types::Address;

use crate::store::SystemPackage;

/// The file within the directory of packages.
const FILE: &str = "framework.json";

/// Why the framework cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameworkError {
    /// The file cannot be read.
    #[error(
        "{path}: {source} (build the Move packages with chain/move/build.sh, or name their directory with --packages)"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no package.
    #[error("{path}: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// A module is not Base64.
    #[error("{path}: module {index}: {source}")]
    Base64 {
        /// The file.
        path: PathBuf,
        /// Position of the module.
        index: usize,
        /// What the decoder said.
        source: data_encoding::DecodeError,
    },
    /// A module does not parse.
    #[error("{path}: module {index}: {source}")]
    Module {
        /// The file.
        path: PathBuf,
        /// Position of the module.
        index: usize,
        /// What the parser said.
        source: ParseError,
    },
}

#[derive(Deserialize)]
struct Compiled {
    modules: Vec<String>,
}

/// The packages of the framework, each after those it depends on.
pub(crate) fn read(directory: &Path) -> Result<Vec<SystemPackage>, FrameworkError> {
    let path = directory.join(FILE);
    let text = fs::read(&path).map_err(|source| FrameworkError::Io {
        path: path.clone(),
        source,
    })?;
    let compiled: Compiled =
        serde_json::from_slice(&text).map_err(|source| FrameworkError::Json {
            path: path.clone(),
            source,
        })?;
    let mut packages: BTreeMap<Address, SystemPackage> = BTreeMap::new();
    for (index, text) in compiled.modules.iter().enumerate() {
        let code = data_encoding::BASE64.decode(text.as_bytes());
        let code = code.map_err(|source| FrameworkError::Base64 {
            path: path.clone(),
            index,
            source,
        })?;
        let module = Module::parse(&code).map_err(|source| FrameworkError::Module {
            path: path.clone(),
            index,
            source,
        })?;
        let id = *module.address();
        let package = packages.entry(id).or_insert_with(|| SystemPackage {
            id,
            modules: Vec::new(),
            dependencies: Vec::new(),
        });
        package.dependencies.extend(
            module
                .dependencies()
                .into_iter()
                .filter(|other| *other != id),
        );
        package.modules.push(code);
    }
    for package in packages.values_mut() {
        package.dependencies.sort_unstable();
        package.dependencies.dedup();
    }
    // The standard library (0x1) comes before the framework (0x2), as their ids do.
    Ok(packages.into_values().collect())
}
