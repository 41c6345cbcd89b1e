//! Several servers of the same chain: ask one, go on with the next when it fails.
//!
//! Every answer has a deadline and a size limit. An endpoint that is slow, gone, wrong or lying
//! rests for a while; none of them can stop the others from being asked.

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sui_rpc::Client;
use sui_rpc::proto::sui::rpc::v2::GetServiceInfoRequest;
use tokio::time::Instant;
use tonic::{Code, Response, Status};

use super::error::{Attempt, ChainError};
use crate::id::ChainId;
use crate::light::LightError;

/// First rest of an endpoint that failed; doubles with each further failure.
const REST: Duration = Duration::from_millis(500);
/// Longest rest.
const MAX_REST: Duration = Duration::from_secs(60);

/// Why one endpoint's answer was of no use.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It did not answer, or said that it cannot.
    Unavailable(String),
    /// It answered with something that is wrong.
    Corrupt(String),
    /// The answer is good and final: another endpoint would say the same.
    Final(ChainError),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Unavailable(format!("{:?}: {}", status.code(), status.message()))
    }
}

impl From<LightError> for Fault {
    fn from(error: LightError) -> Self {
        match error {
            LightError::AnchorTooOld { .. } => Self::Final(error.into()),
            error => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<bcs::Error> for Fault {
    fn from(error: bcs::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// How patient a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSettings {
    /// Longest wait for one answer.
    pub deadline: Duration,
    /// Largest answer, in bytes: a whole checkpoint of a busy chain fits.
    pub max_answer: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            max_answer: 64 << 20,
        }
    }
}

/// One endpoint to put questions to; each answer has a deadline of its own.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) client: Client,
    deadline: Duration,
}

impl Source {
    /// Waits for an answer.
    pub(crate) async fn call<T>(
        &self,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Fault> {
        match self.within(answer).await? {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(status.into()),
        }
    }

    /// Waits for an answer; `None` for what the server does not have.
    pub(crate) async fn find<T>(
        &self,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<Option<T>, Fault> {
        match self.within(answer).await? {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    /// Waits for anything, as long as one answer may take.
    pub(crate) async fn within<T>(&self, answer: impl Future<Output = T>) -> Result<T, Fault> {
        tokio::time::timeout(self.deadline, answer)
            .await
            .map_err(|_| Fault::Unavailable(format!("no answer within {:?}", self.deadline)))
    }
}

struct Endpoint {
    url: String,
    source: Source,
    /// Its chain id was found right.
    known: AtomicBool,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    failed_at: Option<Instant>,
    rests_until: Option<Instant>,
}

/// The servers of one chain.
pub(crate) struct Endpoints {
    list: Vec<Endpoint>,
    /// The one that answered last.
    preferred: AtomicUsize,
    chain: ChainId,
}

impl Endpoints {
    /// Servers to be asked in this order; nothing is sent yet.
    ///
    /// # Errors
    /// There are none, or one is not an address.
    pub(crate) fn new(
        urls: &[String],
        chain: ChainId,
        settings: ClientSettings,
    ) -> Result<Self, ChainError> {
        let wrong = |url: &str, reason: String| ChainError::Unreachable {
            what: "anything",
            attempts: vec![Attempt {
                url: url.to_owned(),
                reason,
            }],
        };
        let list = urls.iter().map(|url| {
            let client = Client::new(url.as_str()).map_err(|e| wrong(url, e.to_string()))?;
            let client = client
                .with_body_idle_timeout(settings.deadline)
                .with_response_headers_timeout(settings.deadline)
                .with_max_decoding_message_size(settings.max_answer);
            Ok(Endpoint {
                url: url.clone(),
                source: Source {
                    client,
                    deadline: settings.deadline,
                },
                known: AtomicBool::new(false),
                health: Mutex::default(),
            })
        });
        let list = list.collect::<Result<Vec<_>, ChainError>>()?;
        if list.is_empty() {
            return Err(wrong("(none)", "no endpoint is configured".to_owned()));
        }
        Ok(Self {
            list,
            preferred: AtomicUsize::new(0),
            chain,
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// The endpoint that answered last, for streams that need no proof.
    pub(crate) fn client(&self) -> Client {
        let index = self.order().first().copied().unwrap_or_default();
        self.list[index].source.client.clone()
    }

    /// Asks one endpoint after the other until one gives an answer that `ask` accepts.
    pub(crate) async fn ask<T, F, A>(&self, what: &'static str, ask: F) -> Result<T, ChainError>
    where
        F: Fn(Source) -> A,
        A: Future<Output = Result<T, Fault>>,
    {
        let mut attempts = Vec::new();
        for index in self.order() {
            let endpoint = &self.list[index];
            let asked = Instant::now();
            match self.once(endpoint, &ask).await {
                Ok(answer) => {
                    endpoint.recovered();
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Unavailable(reason) | Fault::Corrupt(reason)) => {
                    tracing::debug!(url = endpoint.url, what, reason, "chain endpoint failed");
                    endpoint.failed(asked);
                    attempts.push(Attempt {
                        url: endpoint.url.clone(),
                        reason,
                    });
                }
            }
        }
        Err(self.explain(what, attempts))
    }

    /// Asks an endpoint other than the preferred one; `None` when there is none or it is of no use.
    pub(crate) async fn ask_another<T, F, A>(&self, ask: F) -> Option<T>
    where
        F: Fn(Source) -> A,
        A: Future<Output = Result<T, Fault>>,
    {
        let index = *self.order().get(1)?;
        let endpoint = &self.list[index];
        let asked = Instant::now();
        match self.once(endpoint, &ask).await {
            Ok(answer) => Some(answer),
            Err(_) => {
                endpoint.failed(asked);
                None
            }
        }
    }

    /// Makes the endpoint that [`ask_another`](Self::ask_another) asks the preferred one.
    pub(crate) fn prefer_another(&self) {
        if let Some(index) = self.order().get(1) {
            self.preferred.store(*index, Ordering::Relaxed);
        }
    }

    async fn once<T, F, A>(&self, endpoint: &Endpoint, ask: &F) -> Result<T, Fault>
    where
        F: Fn(Source) -> A,
        A: Future<Output = Result<T, Fault>>,
    {
        if !endpoint.known.load(Ordering::Relaxed) {
            self.introduce(endpoint).await?;
        }
        ask(endpoint.source.clone()).await
    }

    /// Makes sure that the endpoint serves the configured chain.
    async fn introduce(&self, endpoint: &Endpoint) -> Result<(), Fault> {
        let Source { mut client, .. } = endpoint.source.clone();
        let mut ledger = client.ledger_client();
        let info = ledger.get_service_info(GetServiceInfoRequest::default());
        let found = endpoint.source.call(info).await?.chain_id().to_owned();
        if found != self.chain.to_string() {
            return Err(Fault::Corrupt(format!("{WRONG_CHAIN}{found}")));
        }
        endpoint.known.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The preferred endpoint first, then the others as configured; resting ones last.
    fn order(&self) -> Vec<usize> {
        let preferred = self.preferred.load(Ordering::Relaxed);
        let now = Instant::now();
        let mut order: Vec<_> = (0..self.list.len()).collect();
        order.sort_by_key(|index| (self.list[*index].rest(now), *index != preferred, *index));
        order
    }

    /// If every endpoint serves another chain, the configuration is wrong, not the network.
    fn explain(&self, what: &'static str, attempts: Vec<Attempt>) -> ChainError {
        let strangers: Vec<_> = attempts
            .iter()
            .filter_map(|a| {
                Some((
                    a.url.clone(),
                    a.reason.strip_prefix(WRONG_CHAIN)?.to_owned(),
                ))
            })
            .collect();
        match strangers.into_iter().next() {
            Some((url, found)) if attempts.iter().all(|a| a.reason.starts_with(WRONG_CHAIN)) => {
                ChainError::WrongChain {
                    url,
                    expected: self.chain,
                    found,
                }
            }
            _ => ChainError::Unreachable { what, attempts },
        }
    }
}

const WRONG_CHAIN: &str = "serves chain ";

impl Endpoint {
    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A question failed that was asked then. Those asked before another one failed are one failure with
    /// it.
    fn failed(&self, asked: Instant) {
        let mut health = self.health();
        let now = Instant::now();
        if health.failed_at.is_some_and(|at| asked <= at) {
            return;
        }
        let rest = REST
            .saturating_mul(1 << health.failures.min(16))
            .min(MAX_REST);
        health.failures = health.failures.saturating_add(1);
        health.failed_at = Some(now);
        health.rests_until = Some(now + rest);
    }

    fn recovered(&self) {
        *self.health() = Health::default();
    }

    /// How long it still rests.
    fn rest(&self, now: Instant) -> Duration {
        let until = self.health().rests_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.list.iter().map(|e| &e.url))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(count: usize) -> Endpoints {
        let urls: Vec<_> = (0..count)
            .map(|i| format!("http://127.0.0.1:{}", 2 + i))
            .collect();
        let endpoints = Endpoints::new(
            &urls,
            ChainId::from_bytes([1; 32]),
            ClientSettings::default(),
        )
        .unwrap();
        endpoints
            .list
            .iter()
            .for_each(|e| e.known.store(true, Ordering::Relaxed));
        endpoints
    }

    /// Asks with answers by port.
    async fn ask(endpoints: &Endpoints, bad: &[u16]) -> Result<u16, ChainError> {
        endpoints
            .ask("a number", |source| async move {
                let port = source.client.uri().port_u16().unwrap();
                if bad.contains(&port) {
                    Err(Fault::Corrupt("lies".to_owned()))
                } else {
                    Ok(port)
                }
            })
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_endpoint_rests_and_comes_back() {
        let endpoints = endpoints(3);
        assert_eq!(ask(&endpoints, &[]).await.unwrap(), 2);
        assert_eq!(ask(&endpoints, &[2]).await.unwrap(), 3);
        // The one that answered stays preferred; the resting one is asked last.
        assert_eq!(ask(&endpoints, &[]).await.unwrap(), 3);
        assert_eq!(ask(&endpoints, &[3, 4]).await.unwrap(), 2);
        let error = ask(&endpoints, &[2, 3, 4]).await.unwrap_err().to_string();
        assert!(
            error.contains("127.0.0.1:2") && error.contains("lies"),
            "{error}"
        );
        tokio::time::advance(MAX_REST).await;
        assert_eq!(ask(&endpoints, &[]).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn questions_that_fail_together_are_one_failure() {
        let endpoints = endpoints(2);
        let asked = [(); 16].map(|()| ask(&endpoints, &[2]));
        for answer in futures::future::join_all(asked).await {
            assert_eq!(answer.unwrap(), 3);
        }
        tokio::time::advance(REST).await;
        assert_eq!(ask(&endpoints, &[3]).await.unwrap(), 2, "it rested once");
        assert!(endpoints.list[1].rest(Instant::now()) == REST);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_at_the_deadline() {
        let endpoints = endpoints(2);
        let answer = endpoints.ask("a number", |source| async move {
            match source.client.uri().port_u16() {
                Some(2) => source.within(std::future::pending()).await,
                port => Ok(port),
            }
        });
        assert_eq!(answer.await.unwrap(), Some(3));
    }

    #[test]
    fn no_endpoints_and_bad_urls_are_named() {
        let chain = ChainId::from_bytes([1; 32]);
        assert!(Endpoints::new(&[], chain, ClientSettings::default()).is_err());
        let error = Endpoints::new(&["not a url".to_owned()], chain, ClientSettings::default())
            .unwrap_err();
        assert!(error.to_string().contains("not a url"));
    }
}
