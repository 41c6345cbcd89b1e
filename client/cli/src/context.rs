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

/// One run.
pub(crate) struct Context {
    pub(crate) output: Output,
    given: Given,
    resume: Arc<Mutex<Option<String>>>,
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
            env: std::env::vars()
                .filter(|(name, _)| name.starts_with("FLOE_"))
                .collect(),
            directory: PathBuf::from("."),
        };
        Self {
            output,
            given,
            resume: Arc::default(),
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
        let resume = Arc::clone(&self.resume);
        let configured = self.given.env.iter().any(|(name, _)| name == "FLOE_CONFIG");
        let config = match &self.given.file {
            Some(file) if !configured => format!(" --config {}", file.display()),
            _ => String::new(),
        };
        Arc::new(move |event| {
            if let Event::Resumable { blob } = &event {
                *lock(&resume) = Some(format!("floe resume {blob}{config}"));
            }
            display.on(event);
        })
    }

    /// The journey is over: Ctrl-C loses nothing.
    pub(crate) fn finished(&self) {
        lock(&self.resume).take();
    }

    /// A file of ours that goes away unless somebody can resume with it.
    pub(crate) fn clean_up(&self, file: File, path: PathBuf) {
        *lock(&self.spooled) = Some((file, path));
    }

    /// The command that goes on with what was interrupted. Removes what nobody can go on with.
    pub(crate) fn end(&self) -> Option<String> {
        let resume = lock(&self.resume).take();
        if let (Some((_, path)), None) = (lock(&self.spooled).take(), &resume) {
            // It may be gone already; otherwise it only takes space.
            let _ = std::fs::remove_file(path);
        }
        resume
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
