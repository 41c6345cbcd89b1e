//! What verbs share: the configuration of this run, how it talks, and what Ctrl-C must say.

use std::{
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use floe_client::{
    Client,
    config::{Config, ConfigError, Given, Settings},
    progress::{Event, Listener, Observer},
};

use crate::{args::Common, fault::Fault, output::Output};

/// How far a run is, and so what Ctrl-C means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing that lasts was begun.
    #[default]
    Nothing,
    /// This command goes on with it.
    Resumable(String),
    /// A transaction is on its way; this command shows what came of it.
    Sent(&'static str),
    /// The result was printed.
    Done,
}

/// One run.
pub(crate) struct Context {
    pub(crate) output: Output,
    given: Given,
    stage: Arc<Mutex<Stage>>,
    spooled: Mutex<Option<(File, PathBuf)>>,
}

impl Context {
    pub(crate) fn new(common: Common, output: Output) -> Self {
        let named = [
            ("chain.urls", common.chain_url),
            ("wallet.key", common.wallet),
            ("state_dir", common.state_dir),
        ];
        let given = Given {
            file: common.config,
            flags: named
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
            env: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .filter(|(name, _)| name.starts_with("FLOE_"))
                .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
                .collect(),
            directory: PathBuf::from("."),
        };
        Self {
            output,
            given,
            stage: Arc::default(),
            spooled: Mutex::default(),
        }
    }

    /// Adds what a verb's own flag says, before anything is read.
    pub(crate) fn flag(&mut self, key: &'static str, value: Option<impl ToString>) {
        self.given
            .flags
            .extend(value.map(|value| (key, value.to_string())));
    }

    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        Config::load(&self.given)
    }

    pub(crate) fn settings(&self) -> Result<Settings, ConfigError> {
        self.config()?.settings()
    }

    /// A client as the settings say.
    pub(crate) async fn client(&self) -> Result<Client, Fault> {
        Ok(Client::connect(&self.config()?).await?)
    }

    /// A listener that shows a journey's progress and learns what can be resumed.
    pub(crate) fn listener(&self) -> Listener {
        let display = Arc::clone(&self.output.display);
        let stage = Arc::clone(&self.stage);
        let configured = self.given.env.iter().any(|(name, _)| name == "FLOE_CONFIG");
        let config = match &self.given.file {
            Some(file) if !configured => format!(" --config {}", file.display()),
            _ => String::new(),
        };
        Arc::new(move |event| {
            if let Event::Resumable { blob } = &event {
                *lock(&stage) = Stage::Resumable(format!("floe resume {blob}{config}"));
            }
            display.on(event);
        })
    }

    /// The result was printed: Ctrl-C loses nothing.
    pub(crate) fn finished(&self) {
        *lock(&self.stage) = Stage::Done;
    }

    /// From here on a transaction may have been made; `look` is the command that shows it.
    pub(crate) fn sending(&self, look: &'static str) {
        *lock(&self.stage) = Stage::Sent(look);
    }

    /// A file of ours that goes away unless somebody can resume with it.
    pub(crate) fn clean_up(&self, file: File, path: PathBuf) {
        *lock(&self.spooled) = Some((file, path));
    }

    /// How far the run came. Removes what nobody can go on with.
    pub(crate) fn end(&self) -> Stage {
        let stage = std::mem::take(&mut *lock(&self.stage));
        if !matches!(stage, Stage::Resumable(_))
            && let Some((_, path)) = lock(&self.spooled).take()
        {
            // It may be gone already; otherwise it only takes space.
            let _ = std::fs::remove_file(path);
        }
        stage
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
