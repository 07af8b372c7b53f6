//! Questions to servers, one at a time.
//!
//! Each question is asked on a thread of its own and its answer arrives through a channel, so that
//! whoever waits can give up at once: when the user stops the command, or when the server has said
//! nothing for too long. Redirects are followed here and not by the HTTP library, so that the rule
//! about the token is in one place: it goes to the server of the API and to no other.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ureq::http::HeaderMap;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, http::Response};

use super::address::Origin;
use super::source::{Source, Token};
use crate::interrupt;

/// How often a wait looks whether the user has stopped the command.
const POLL: Duration = Duration::from_millis(50);
/// The longest wait for a connection; a server that is there accepts one much sooner.
const CONNECT: Duration = Duration::from_secs(15);
/// Redirects that are followed for one question.
const REDIRECTS: usize = 5;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 17;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The user does not want it any more.
    Aborted,
    /// What happened, as the end of a sentence.
    Words(String),
}

impl From<String> for Trouble {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    pub(super) address: &'a str,
    /// The media type that is wanted.
    pub(super) accept: &'a str,
    /// The bytes that are here already, and the validator (an entity tag) of what they belong to.
    pub(super) from: Option<(u64, Option<&'a str>)>,
}

/// Asks.
pub(super) struct Client {
    agent: Agent,
    api: Origin,
    token: Option<Token>,
    patience: Duration,
}

impl Client {
    /// For the API of `source`.
    ///
    /// # Errors
    /// A sentence when the API's address cannot be.
    pub(super) fn new(source: &Source) -> Result<Self, Trouble> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // The machine's own certificates: studios add theirs.
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let connect = CONNECT.min(source.patience);
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("corridorkey/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_send_request(Some(source.patience))
            .timeout_recv_response(Some(source.patience))
            // Only so that a thread whose answer nobody waits for any more ends.
            .timeout_per_read(Some(source.patience * 2))
            .build();
        Ok(Self {
            agent: config.into(),
            api: Origin::of(&source.api)?,
            token: source.token.clone(),
            patience: source.patience,
        })
    }

    /// Asks, and follows redirects.
    pub(super) fn get(&self, query: Query<'_>) -> Result<Answer, Trouble> {
        let mut address = query.address.to_owned();
        for _ in 0..=REDIRECTS {
            let origin = Origin::of(&address)?;
            let answer = self.ask(Query {
                address: &address,
                ..query
            })?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.header("location").unwrap_or_default();
            address = origin.redirect(location)?;
        }
        Err(format!("it was sent elsewhere more than {REDIRECTS} times").into())
    }

    /// Asks one server once.
    fn ask(&self, query: Query<'_>) -> Result<Answer, Trouble> {
        let origin = Origin::of(query.address)?;
        let mut request = self.agent.get(query.address).header("Accept", query.accept);
        if origin == self.api {
            request = request.header("X-GitHub-Api-Version", "2022-11-28");
            if let Some(token) = &self.token {
                request = request.header("Authorization", token.header());
            }
        }
        if let Some((from, validator)) = query.from {
            request = request.header("Range", format!("bytes={from}-"));
            if let Some(validator) = validator {
                request = request.header("If-Range", validator);
            }
        }
        let (sender, receiver) = sync_channel(4);
        let host = origin.host().to_owned();
        let patience = self.patience;
        std::thread::Builder::new()
            .name("download".into())
            .spawn({
                let host = host.clone();
                move || match request.call() {
                    Ok(response) => pass_on(response, &sender, &host),
                    Err(error) => {
                        let words = unreachable(&host, &error, patience);
                        let _ = sender.send(Message::Failed(words));
                    }
                }
            })
            .map_err(|error| format!("no thread can be started for it ({error})"))?;
        // The library has its own limits up to the answer's head, with better words.
        match wait(&receiver, patience * 4, &host)? {
            Message::Head(status, headers) => Ok(Answer {
                status,
                headers,
                host,
                patience,
                receiver,
            }),
            Message::Failed(words) => Err(words.into()),
            Message::Chunk(_) | Message::End => Err(broken_off(&host).into()),
        }
    }

    /// True when the API is shown a token.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }
}

/// What the asking thread tells.
enum Message {
    Head(u16, HeaderMap),
    Chunk(Vec<u8>),
    End,
    Failed(String),
}

/// Tells an answer piece by piece, until nobody listens.
fn pass_on(response: Response<Body>, sender: &SyncSender<Message>, host: &str) {
    let (head, body) = response.into_parts();
    let mut sent = sender.send(Message::Head(head.status.as_u16(), head.headers));
    let mut reader = body.into_reader();
    let mut buffer = vec![0; CHUNK];
    while sent.is_ok() {
        let message = match reader.read(&mut buffer) {
            Ok(0) => Message::End,
            Ok(count) => Message::Chunk(buffer[..count].to_vec()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => Message::Failed(format!("{} ({error})", broken_off(host))),
        };
        let last = !matches!(message, Message::Chunk(_));
        sent = sender.send(message);
        if last {
            return;
        }
    }
}

fn wait(receiver: &Receiver<Message>, patience: Duration, host: &str) -> Result<Message, Trouble> {
    let began = Instant::now();
    loop {
        if interrupt::stopped() {
            return Err(Trouble::Aborted);
        }
        match receiver.recv_timeout(POLL) {
            Ok(message) => return Ok(message),
            Err(RecvTimeoutError::Disconnected) => return Err(broken_off(host).into()),
            Err(RecvTimeoutError::Timeout) if began.elapsed() >= patience => {
                return Err(silent(host, patience).into());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// A server's answer; its body is still on the way.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) host: String,
    patience: Duration,
    receiver: Receiver<Message>,
}

impl Answer {
    /// A header, if there is one and it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next piece of the body; nothing at its end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        match wait(&self.receiver, self.patience, &self.host)? {
            Message::Chunk(bytes) => Ok(Some(bytes)),
            Message::End => Ok(None),
            Message::Failed(words) => Err(words.into()),
            Message::Head(..) => Err(broken_off(&self.host).into()),
        }
    }

    /// The whole body, which is refused beyond `limit` bytes.
    pub(super) fn whole(mut self, limit: usize) -> Result<Vec<u8>, Trouble> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next()? {
            all.extend_from_slice(&bytes);
            if all.len() > limit {
                return Err(format!(
                    "{} answered with more than {limit} bytes where a short text was expected",
                    self.host
                )
                .into());
            }
        }
        Ok(all)
    }

    /// Why a server did not do what it was asked, by the answer's status.
    pub(super) fn refusal(&self, has_token: bool) -> String {
        let host = &self.host;
        let remaining = self.header("x-ratelimit-remaining");
        let limited = remaining == Some("0") || self.header("retry-after").is_some();
        match self.status {
            401 => format!(
                "{host} does not accept the token; correct or unset GITHUB_TOKEN or \
                 CORRIDORKEY_WEIGHTS_TOKEN"
            ),
            429 => self.rate_limit(has_token),
            403 if limited => self.rate_limit(has_token),
            403 if has_token => format!("{host} does not allow it; the token may not read it"),
            403 => format!("{host} does not allow it"),
            status @ 500..=599 => {
                format!("{host} has a fault of its own (status {status}); try again later")
            }
            status => format!("{host} answered with status {status}, which was not expected"),
        }
    }

    fn rate_limit(&self, has_token: bool) -> String {
        let seconds = |name: &str| self.header(name)?.trim().parse::<u64>().ok();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let wait = seconds("retry-after")
            .or_else(|| seconds("x-ratelimit-reset").map(|moment| moment.saturating_sub(now)));
        let when = match wait {
            Some(seconds @ 0..=86_400) => match seconds.div_ceil(60).max(1) {
                1 => "in a minute".into(),
                minutes => format!("in {minutes} minutes"),
            },
            _ => "later".into(),
        };
        let remedy = if has_token {
            ""
        } else {
            ", or set GITHUB_TOKEN to be allowed more"
        };
        format!(
            "{} answers no more questions from here for now (rate limit); try again {when}{remedy}",
            self.host
        )
    }
}

fn broken_off(host: &str) -> String {
    format!("the connection to {host} broke off")
}

fn silent(host: &str, patience: Duration) -> String {
    format!(
        "{host} has said nothing for {} seconds; try again, or wait longer with \
         CORRIDORKEY_WEIGHTS_TIMEOUT",
        patience.as_secs()
    )
}

/// Why a server could not be asked.
fn unreachable(host: &str, error: &ureq::Error, patience: Duration) -> String {
    const REMEDY: &str = "check the network and, behind a proxy, HTTPS_PROXY; or fetch the file on \
                          another machine and give it to `corridorkey models import`";
    match error {
        ureq::Error::Timeout(ureq::Timeout::RecvResponse) => silent(host, patience),
        ureq::Error::Timeout(_) => format!("{host} does not answer; {REMEDY}"),
        ureq::Error::HostNotFound => format!("no server {host} is known here; {REMEDY}"),
        ureq::Error::Rustls(error) => certificate(host, error),
        ureq::Error::Io(io) => {
            let inner = io.get_ref().and_then(|inner| inner.downcast_ref());
            match inner {
                Some(error) => certificate(host, error),
                None => format!("{host} cannot be reached ({io}); {REMEDY}"),
            }
        }
        error => format!("{host} cannot be reached ({error}); {REMEDY}"),
    }
}

fn certificate(host: &str, error: &rustls::Error) -> String {
    format!(
        "the connection to {host} is not to be trusted ({error}); check this machine's clock and \
         its certificates"
    )
}
