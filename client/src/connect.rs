//! From settings to a working client: endpoints, wallet, an identity of its own for this run.

use std::{path::PathBuf, sync::Arc};

use floe_chain::rpc::{
    ChainError, ChainWrite, NetworkConfig, SuiChain, Wallet,
    keyfile::{KeyFileError, read_secret_line},
};
use floe_codec::{Codec, CodecError};
use floe_p2p::{
    Resolve,
    control::plane::StartError,
    identity::Identity,
    plane::DataPlane,
    transport::quic::{BindError, QuicSettings, QuicTransport},
};

use crate::{
    Client, Parts, Patience,
    advice::{Advice, ErrorKind},
    config::{Config, ConfigError},
    find::{self, Finder, book_of, control_settings},
    light::{AnchorError, LightClient, LightError, LightParts, Standing, TrustAnchor},
};

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The settings do not suffice.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The chain is not reachable, or not the one configured.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The wallet's key file is unusable.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// No UDP port can be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The coder does not start.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The trust anchor cannot be used.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The control plane does not start.
    #[error(transparent)]
    Control(#[from] StartError),
    /// The chain of committees cannot be followed.
    #[error(transparent)]
    Light(#[from] LightError),
}

impl Advice for ConnectError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(error) => error.kind(),
            Self::Chain(error) => Advice::kind(error),
            Self::KeyFile(_) => ErrorKind::Unauthorized,
            Self::Bind(_) | Self::Codec(_) | Self::Control(_) => ErrorKind::FixConfig,
            Self::Anchor(error) => error.kind(),
            Self::Light(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Chain(error) => error.code(),
            Self::KeyFile(KeyFileError::Permissions { .. }) => "wallet.permissions",
            Self::KeyFile(_) => "wallet.key_file",
            Self::Bind(_) => "network.bind",
            Self::Codec(_) => "codec.start",
            Self::Anchor(error) => error.code(),
            Self::Control(_) => "network.control",
            Self::Light(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Chain(error) => error.hint(),
            Self::KeyFile(_) => Some(
                "the setting `wallet.key` names the file; `floe wallet new FILE` makes one"
                    .to_owned(),
            ),
            Self::Anchor(error) => error.hint(),
            Self::Light(error) => error.hint(),
            Self::Bind(_) | Self::Control(_) => {
                Some("close programs that use many UDP ports".to_owned())
            }
            Self::Codec(_) => {
                Some("FLOE_KERNEL may name a kernel this processor lacks: unset it".to_owned())
            }
        }
    }
}

/// The account of a key file.
///
/// # Errors
/// The file is unreadable, readable by others, or no key.
pub fn open_wallet(path: &std::path::Path) -> Result<Wallet, ConnectError> {
    Ok(Wallet::from_line(&read_secret_line(path)?)?)
}

impl Client {
    /// Connects as the settings say. Reading works without a wallet. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(config: &Config) -> Result<Self, ConnectError> {
        let settings = config.settings()?;
        let network: NetworkConfig = config.network()?;
        let wallet = settings
            .wallet_key
            .as_ref()
            .map(|path: &PathBuf| open_wallet(path));
        let wallet = wallet.transpose()?;
        let chain = SuiChain::connect(&network).await?;
        let wallet = wallet.map(|wallet| Arc::new(chain.account(wallet)) as Arc<dyn ChainWrite>);
        let identity = Identity::generate();
        let finder = match config.light_anchor() {
            Ok(anchor) => Some(Arc::new(Finder::new(
                identity.clone(),
                &TrustAnchor::read(&anchor)?,
            ))),
            // Without bootstraps nodes are where the chain says, or nowhere.
            Err(_) => None,
        };
        let transport = Arc::new(QuicTransport::bind(&identity, QuicSettings::client())?);
        let book = finder.clone().map(|finder| finder as Arc<dyn Resolve>);
        let plane = DataPlane::client_resolving(transport, book);
        let mut client = Self::new(Parts {
            chain: Arc::new(chain),
            wallet,
            peers: plane.client().clone(),
            codec: Codec::new(0)?,
            state_dir: settings.state_dir,
            patience: Patience::default(),
        });
        client.finder = finder;
        Ok(client)
    }
}

impl LightClient {
    /// Finds peers from the trust anchor that the settings name, and follows the committees to the
    /// newest. Neither chain nor wallet is needed. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(config: &Config) -> Result<(Self, Standing), ConnectError> {
        let anchor = TrustAnchor::read(&config.light_anchor()?)?;
        let state_dir = config.settings()?.state_dir.join("light");
        let identity = Identity::generate();
        let plane = find::start(&identity, &control_settings(&anchor), &book_of(&anchor))?;
        let parts = LightParts::over(&plane, &identity, anchor, Codec::new(0)?)?;
        Ok(Self::open(parts, &state_dir).await?)
    }
}
