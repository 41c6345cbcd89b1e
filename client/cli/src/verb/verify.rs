//! `floe verify ID [FILE]`: reads and verifies everything and keeps nothing; or, with a file, says
//! whether the file is the blob, without asking anybody but the chain. As a light client it also
//! makes proofs that can be checked offline, and checks them.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
};

use floe_chain::{
    id::ObjectId,
    statement::{Available, Persistence},
};
use floe_client::{
    disk::{path::FilePath, source::Source},
    light::{Bundle, Evidence, MAX_BUNDLE},
    plan::ByteRange,
    read::Reader,
    store::StoreError,
};
use floe_codec::BlobId;
use serde::Serialize;
use tokio::io::AsyncReadExt;

use crate::{
    context::Context,
    exit::Exit,
    fault::{Fault, Misused, WriteFailed},
    light::Light,
    output::Record,
    whole::WholeFile,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The blob's id
    #[arg(value_name = "ID")]
    blob: BlobId,
    /// A file that should be the blob
    #[arg(conflicts_with = "light")]
    file: Option<PathBuf>,
    #[command(flatten)]
    light: Light,
    /// Write a proof that the nodes certify the blob now, to be checked offline with --proof
    #[arg(long, value_name = "FILE", requires_all = ["light", "object"])]
    export: Option<PathBuf>,
    /// The blob's object on the chain, as `floe ls` shows it
    #[arg(long, value_name = "OBJECT", requires = "export")]
    object: Option<ObjectId>,
    /// Check a proof against a trust anchor, asking nobody
    #[arg(
        long,
        value_name = "FILE",
        requires = "light",
        conflicts_with = "export"
    )]
    proof: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Verified {
    blob: BlobId,
    bytes: u64,
    matches: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FilePath>,
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
            (Some(file), true) => write!(f, "{blob}  is {file}"),
            (Some(file), false) => write!(f, "{blob}  is not {file}"),
        }
    }
}

/// What a proof proves.
#[derive(Debug, Serialize)]
struct Proven {
    blob: BlobId,
    bytes: u64,
    deletable: bool,
    epoch: u32,
    signed: u32,
    shards: u32,
    file: FilePath,
    #[serde(skip)]
    evidence: Evidence,
}

impl Proven {
    fn new(evidence: Evidence, file: &Path) -> Self {
        let Available {
            blob,
            size,
            persistence,
            ..
        } = evidence.available;
        Self {
            blob,
            bytes: size,
            deletable: persistence != Persistence::Permanent,
            epoch: evidence.epoch.get(),
            signed: evidence.shards,
            shards: evidence.total,
            file: FilePath(file.to_owned()),
            evidence,
        }
    }
}

impl Record for Proven {
    const TYPE: &'static str = "proven";
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.evidence.fmt(f)
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        match (&self.file, &self.proof, &self.export, self.object) {
            (Some(file), ..) => self.compare(file, context).await,
            (_, Some(proof), ..) => self.check(proof, context).await,
            (.., Some(export), Some(object)) => self.export(export, object, context).await,
            _ => self.read(context).await,
        }
    }

    async fn compare(&self, file: &Path, context: &Context) -> Result<Exit, Fault> {
        let client = context.client().await?;
        let source = Source::open(file).map_err(StoreError::from)?;
        let bytes = source.len();
        let matches = client.identify(source, context.listener()).await? == self.blob;
        context.output.print(&Verified {
            blob: self.blob,
            bytes,
            matches,
            file: Some(FilePath(file.to_owned())),
        })?;
        Ok(if matches { Exit::Ok } else { Exit::Integrity })
    }

    async fn read(&self, context: &mut Context) -> Result<Exit, Fault> {
        let mut reader = self.light.read(self.blob, ByteRange::All, context).await?;
        context.output.print(&Verified {
            blob: self.blob,
            bytes: drain(&mut reader).await?,
            matches: true,
            file: None,
        })?;
        Ok(Exit::Ok)
    }

    async fn export(
        &self,
        file: &Path,
        object: ObjectId,
        context: &mut Context,
    ) -> Result<Exit, Fault> {
        let client = self.light.connect(context).await?;
        let bundle = client.prove(self.blob, object).await?;
        let mut whole = WholeFile::begin(file).await?;
        let written = whole.as_file_mut().write_all(&bundle.to_bytes());
        written.map_err(|source| WriteFailed::new(file, source))?;
        whole.finish()?;
        let evidence = self.light.check(&bundle, context)?;
        context.output.print(&Proven::new(evidence, file))?;
        Ok(Exit::Ok)
    }

    async fn check(&self, file: &Path, context: &mut Context) -> Result<Exit, Fault> {
        let unreadable = |error: std::io::Error| Misused {
            message: format!("cannot read the proof {}: {error}", file.display()),
            hint: "`floe verify ID --light --export FILE --object OBJECT` makes one",
        };
        let opened = tokio::fs::File::open(file).await.map_err(unreadable)?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BUNDLE).unwrap_or(u64::MAX);
        let mut limited = opened.take(limit.saturating_add(1));
        limited.read_to_end(&mut bytes).await.map_err(unreadable)?;
        let evidence = self.light.check(&Bundle::from_bytes(&bytes)?, context)?;
        if evidence.available.blob != self.blob {
            context
                .output
                .say(format!("this is a proof of {}", evidence.available.blob));
            return Ok(Exit::Integrity);
        }
        context.output.print(&Proven::new(evidence, file))?;
        Ok(Exit::Ok)
    }
}

/// Reads to the end and keeps nothing.
async fn drain(reader: &mut Reader) -> Result<u64, Fault> {
    let mut total = 0;
    while let Some(bytes) = reader.next().await {
        total += bytes?.len() as u64;
    }
    Ok(total)
}
