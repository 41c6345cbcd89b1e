//! Progress on stderr: bars on a terminal, lines or JSON elsewhere. Tells what is true: bytes done,
//! shards confirmed, and the mark at which a blob is safe.

use std::sync::{Mutex, MutexGuard, PoisonError};

use floe_client::progress::{Event, Observer, Phase};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{args::Progress, output::json_line};

/// Shows the events of a run.
#[derive(Debug)]
pub(crate) struct Display {
    how: Progress,
    bar: Mutex<Option<(Phase, ProgressBar)>>,
}

impl Display {
    pub(crate) fn new(how: Progress) -> Self {
        Self {
            how,
            bar: Mutex::new(None),
        }
    }

    /// Ends what is being drawn where it stands, so that something else can be printed.
    pub(crate) fn settle(&self) {
        match self.bar().take() {
            // It is of no interest once it is over.
            Some((Phase::Tail, bar)) => bar.finish_and_clear(),
            Some((_, bar)) => bar.abandon(),
            None => {}
        }
    }

    fn bar(&self) -> MutexGuard<'_, Option<(Phase, ProgressBar)>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, event: &Event) {
        if matches!(event, Event::Phase { .. }) {
            self.settle();
        }
        let mut current = self.bar();
        match event {
            Event::Phase { phase } => {
                let bar = ProgressBar::no_length().with_message(title(*phase));
                bar.set_style(plain_style());
                *current = Some((*phase, bar));
            }
            Event::Bytes { phase, done, total } => {
                if let Some((shown, bar)) = &*current
                    && shown == phase
                {
                    if let (Some(total), None) = (total, bar.length()) {
                        bar.set_length(*total);
                        bar.set_style(bytes_style());
                    }
                    bar.set_position(*done);
                }
            }
            Event::Confirmed {
                shards,
                quorum,
                total,
            } => {
                if let Some((_, bar)) = &*current {
                    bar.set_message(format!("confirm  {}", mark(*shards, *quorum, *total)));
                }
            }
            note => {
                let Some(text) = line(note) else { return };
                match &*current {
                    Some((_, bar)) => bar.println(text),
                    None => eprintln!("{text}"),
                }
            }
        }
    }
}

impl Observer for Display {
    fn on(&self, event: Event) {
        match self.how {
            Progress::Off => {}
            Progress::Json => eprintln!("{}", json_line("progress", &event)),
            Progress::Lines => {
                if let Some(text) = line(&event) {
                    eprintln!("{text}");
                }
            }
            Progress::Auto => self.draw(&event),
        }
    }
}

/// An event as a line; byte counts are only for bars and JSON.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Phase { phase } => title(*phase).to_owned(),
        Event::Bytes { .. } | Event::Resumable { .. } => return None,
        // The step is the quorum; how it came about is for bars and JSON.
        Event::Confirmed { shards, quorum, .. } if shards < quorum => return None,
        Event::Confirmed {
            shards,
            quorum,
            total,
        } => {
            format!("confirmed by {}", mark(*shards, *quorum, *total))
        }
        Event::Resumed { slivers } => {
            format!("resumed: {slivers} slivers are on their nodes already")
        }
        Event::NodeFailed { node, reason } => format!("node {node} is left out: {reason}"),
        Event::EpochChanged { epoch } => {
            format!("epoch {epoch} began: going on with its committee")
        }
    })
}

/// Confirmed weight with the mark at the quorum.
fn mark(shards: u32, quorum: u32, total: u32) -> String {
    let reached = if shards >= quorum {
        "reached"
    } else {
        "not reached"
    };
    format!("{shards} of {total} shards, quorum {quorum} {reached}")
}

fn title(phase: Phase) -> &'static str {
    match phase {
        Phase::Spool => "spool",
        Phase::Encode => "encode",
        Phase::Reserve => "reserve",
        Phase::Upload => "upload",
        Phase::Confirm => "confirm",
        Phase::Certify => "certify",
        Phase::Tail => "tail: slow nodes get the rest",
        Phase::Read => "read",
    }
}

fn plain_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg}").expect("the template is valid")
}

fn bytes_style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{spinner} {msg:8} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta}",
    )
    .expect("the template is valid")
}
