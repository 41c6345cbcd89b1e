//! `floe cost SIZE|FILE`: the plan of a store of so many bytes, without storing.

use std::path::PathBuf;

use floe_client::{plan::StorePlan, store::StoreOptions};

use crate::{
    context::Context,
    exit::Exit,
    fault::{Fault, Misused},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Bytes, with an optional unit (64MiB, 2GiB), or a file
    #[arg(value_name = "SIZE|FILE")]
    what: String,
    /// How many epochs [setting store.epochs]
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
}

impl Args {
    pub(crate) async fn run(self, context: &mut Context) -> Result<Exit, Fault> {
        context.flag("store.epochs", self.epochs);
        let settings = context.settings()?;
        let length = match parse_size(&self.what) {
            Some(length) => length,
            None => PathBuf::from(&self.what)
                .metadata()
                .map(|it| it.len())
                .map_err(|_| Misused {
                    message: format!("`{}` is neither a size nor a file", self.what),
                    hint: "write bytes, 64KiB, 64MiB, 2GiB, or the name of a file",
                })?,
        };
        let options = StoreOptions {
            epochs: settings.epochs,
            deletable: true,
            spooled: false,
        };
        let plan: StorePlan = context.client().await?.plan_size(length, &options).await?;
        context.output.print(&plan)?;
        Ok(Exit::Ok)
    }
}

/// `123`, `64KiB`, `64MiB`, `2GiB`, `1TiB`.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_have_units_or_none() {
        assert_eq!(parse_size("0"), Some(0));
        assert_eq!(parse_size("64KiB"), Some(65_536));
        assert_eq!(parse_size("2 GiB"), Some(2 << 30));
        for wrong in ["", "x", "1kb", "MiB", "99999999TiB"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }
}
