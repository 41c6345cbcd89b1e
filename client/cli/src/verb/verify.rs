//! `floe verify ID [FILE]`: reads and verifies everything and keeps nothing; or, with a file, says
//! whether the file is the blob, without asking anybody but the chain.

use std::{fmt, path::PathBuf};

use floe_client::{disk::source::Source, plan::ByteRange, store::StoreError};
use floe_codec::BlobId;
use serde::Serialize;

use crate::{context::Context, exit::Exit, fault::Fault, output::Record};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The blob's id
    #[arg(value_name = "ID")]
    blob: BlobId,
    /// A file that should be the blob
    file: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Verified {
    blob: BlobId,
    bytes: u64,
    matches: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

impl Record for Verified {
    const TYPE: &'static str = "verified";
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            blob,
            bytes,
            matches,
            file,
        } = self;
        match (file, matches) {
            (None, _) => write!(f, "{blob}  all {bytes} bytes are readable and verified"),
            (Some(file), true) => write!(f, "{blob}  is {}", file.display()),
            (Some(file), false) => write!(f, "{blob}  is not {}", file.display()),
        }
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let mut verified = Verified {
            blob: self.blob,
            bytes: 0,
            matches: true,
            file: self.file.clone(),
        };
        if let Some(file) = &self.file {
            let source = Source::open(file).map_err(StoreError::from)?;
            verified.bytes = source.len();
            verified.matches = client.identify(source, context.listener()).await? == self.blob;
        } else {
            let mut reader = client
                .read(self.blob, ByteRange::All, context.listener())
                .await?;
            while let Some(bytes) = reader.next().await {
                verified.bytes += bytes?.len() as u64;
            }
        }
        let exit = if verified.matches {
            Exit::Ok
        } else {
            Exit::Integrity
        };
        context.output.print(&verified)?;
        Ok(exit)
    }
}
