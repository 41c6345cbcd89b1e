//! `floe read ID`: verified bytes to stdout to a device or pipe, or to a file that appears
//! only when it is complete.

use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
};

use floe_client::{disk::path::FilePath, plan::ByteRange, read::Reader};
use floe_codec::BlobId;
use serde::Serialize;

use crate::{
    context::Context,
    exit::Exit,
    fault::{Fault, WriteFailed},
    light::Light,
    output::Record,
    whole::WholeFile,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The blob's id
    #[arg(value_name = "ID")]
    blob: BlobId,
    /// Where the bytes go; - is standard output
    #[arg(short, long, value_name = "FILE|-", default_value = "-")]
    output: PathBuf,
    /// Only these bytes: A-B (both included), A- or -N (the last N)
    #[arg(
        long,
        value_name = "RANGE",
        default_value = "0-",
        allow_hyphen_values = true,
        hide_default_value = true
    )]
    range: ByteRange,
    #[command(flatten)]
    light: Light,
}

/// A file that was written.
#[derive(Debug, Serialize)]
struct Written {
    blob: BlobId,
    bytes: u64,
    file: FilePath,
}

impl Record for Written {
    const TYPE: &'static str = "read";
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        let range = if self.range == ByteRange::From(0) {
            ByteRange::All
        } else {
            self.range
        };
        let mut reader = self.light.read(self.blob, range, context).await?;
        if self.output.as_os_str() == "-" {
            copy(&mut reader, &mut io::stdout(), Fault::stdout).await?;
            return Ok(Exit::Ok);
        }
        let failed = |source| Fault::from(WriteFailed::new(&self.output, source));
        let mut file = WholeFile::begin(&self.output).await?;
        let bytes = copy(&mut reader, file.as_file_mut(), failed).await?;
        file.finish()?;
        context.output.print(&Written {
            blob: self.blob,
            bytes,
            file: FilePath(self.output.clone()),
        })?;
        Ok(Exit::Ok)
    }
}

/// Passes verified bytes on as they come.
async fn copy(
    reader: &mut Reader,
    to: &mut impl Write,
    failed: impl Fn(io::Error) -> Fault,
) -> Result<u64, Fault> {
    let mut total = 0;
    while let Some(bytes) = reader.next().await {
        let bytes = bytes?;
        to.write_all(&bytes).map_err(&failed)?;
        total += bytes.len() as u64;
    }
    to.flush().map_err(&failed)?;
    Ok(total)
}
