//! The compiled Move packages, as `chain/move/build.sh` leaves them.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use floe_chain::id::ObjectId;
use floe_chain::rpc::genesis::Package;
use serde::Deserialize;

/// The packages of a deployment.
#[derive(Debug, Clone)]
pub struct Packages {
    /// The WAL coin.
    pub wal: Package,
    /// The contract; refers to WAL by a placeholder until linked.
    pub floe: Package,
}

/// A package file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The file cannot be read.
    #[error("{}: {source}; run chain/move/build.sh", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a compiled package.
    #[error("{} is not a compiled package: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Compiled {
    modules: Vec<String>,
    dependencies: Vec<ObjectId>,
}

impl Packages {
    /// Reads `wal.json` and `floe.json`.
    ///
    /// # Errors
    /// One of them is missing or malformed.
    pub fn read(folder: &Path) -> Result<Self, PackageError> {
        Ok(Self {
            wal: read(&folder.join("wal.json"))?,
            floe: read(&folder.join("floe.json"))?,
        })
    }
}

fn read(path: &Path) -> Result<Package, PackageError> {
    let text = std::fs::read(path).map_err(|source| PackageError::Io {
        path: path.to_owned(),
        source,
    })?;
    let wrong = |reason: String| PackageError::Content {
        path: path.to_owned(),
        reason,
    };
    let Compiled {
        modules,
        dependencies,
    } = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let modules = modules
        .iter()
        .map(|module| {
            BASE64
                .decode(module.as_bytes())
                .map_err(|error| wrong(error.to_string()))
        })
        .collect::<Result<_, _>>()?;
    Ok(Package {
        modules,
        dependencies,
    })
}
