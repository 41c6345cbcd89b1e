//! What goes to stdout: records, each as text for people or one line of JSON for programs. The
//! types here are the JSON schema (`schema.md`); a change of meaning raises [`VERSION`].

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    args::{Common, Progress},
    fault::Fault,
    progress::Display,
};

/// Version of every JSON line.
pub(crate) const VERSION: u32 = 1;

/// How this run talks.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) terminal: bool,
    pub(crate) display: Arc<Display>,
}

/// A result: `TYPE` names it in JSON, its `Display` is what people read.
pub(crate) trait Record: Serialize + fmt::Display {
    const TYPE: &'static str;
}

#[derive(Serialize)]
struct Line<'a, R> {
    v: u32,
    r#type: &'a str,
    #[serde(flatten)]
    record: &'a R,
}

impl Output {
    pub(crate) fn new(common: &Common) -> Self {
        let terminal = io::stderr().is_terminal();
        let progress = match common.progress {
            Progress::Auto if common.json => Progress::Json,
            Progress::Auto if !terminal => Progress::Lines,
            chosen => chosen,
        };
        Self {
            json: common.json,
            terminal,
            display: Arc::new(Display::new(progress)),
        }
    }

    /// Prints one result to stdout.
    pub(crate) fn print<R: Record>(&self, record: &R) -> Result<(), Fault> {
        let mut text = if self.json {
            json_line(R::TYPE, record)
        } else {
            record.to_string()
        };
        text.push('\n');
        self.display.settle();
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(Fault::stdout)
    }

    /// Says something to people; programs do not see it.
    pub(crate) fn say(&self, text: impl fmt::Display) {
        self.display.settle();
        if !self.json {
            eprintln!("{text}");
        }
    }
}

/// One versioned line of JSON without its newline.
pub(crate) fn json_line<R: Serialize>(kind: &str, record: &R) -> String {
    let line = Line {
        v: VERSION,
        r#type: kind,
        record,
    };
    serde_json::to_string(&line).expect("records have string keys and no failing serializer")
}
