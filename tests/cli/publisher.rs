//! A server as publishers of weights have one, on this machine: releases, files, and everything
//! that can be wrong with them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// The path of the release that [`Publisher`] has.
pub(crate) const TAGGED: &str = "/repos/maker/weights/releases/tags/v1";
/// The same release, as the newest.
pub(crate) const LATEST: &str = "/repos/maker/weights/releases/latest";

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection breaks off after so many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// Nothing more is said after so many bytes of the body; without a head, at once.
    pub(crate) stall: Option<usize>,
    /// Say nothing at all.
    pub(crate) mute: bool,
    /// Leave the length out; the end of the connection is the end of the body.
    pub(crate) unmeasured: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server; it lives until the test ends.
pub(crate) struct Server {
    pub(crate) base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// `answer` gets the server's own address too.
    pub(crate) fn start(answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        std::thread::spawn({
            let (base, asked) = (base.clone(), Arc::clone(&asked));
            move || {
                for stream in listener.incoming() {
                    let (base, asked) = (base.clone(), Arc::clone(&asked));
                    let answer = Arc::clone(&answer);
                    std::thread::spawn(move || {
                        let mut stream = stream.unwrap();
                        let Some(question) = read(&mut stream) else {
                            return;
                        };
                        asked.lock().unwrap().push(question.clone());
                        // Whoever asked may be gone already.
                        let _ = write(&mut stream, answer(&question, &base));
                    });
                }
            }
        });
        Self { base, asked }
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The paths of what was asked since the last time.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Some(Asked { path, headers })
}

fn write(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    // Longer than any test waits.
    const SILENCE: Duration = Duration::from_secs(60);
    if reply.mute {
        std::thread::sleep(SILENCE);
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    if !reply.unmeasured {
        head += &format!("Content-Length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let end = reply.cut.or(reply.stall).unwrap_or(reply.body.len());
    stream.write_all(&reply.body[..end])?;
    stream.flush()?;
    if reply.stall.is_some() {
        std::thread::sleep(SILENCE);
    }
    Ok(())
}

/// The release `v1` of `maker/weights`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Publisher {
    /// Names and contents.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// The server gives checksums itself.
    pub(crate) digest: bool,
    /// The tag that the newest release says it has, if it is not `v1`.
    pub(crate) tag: Option<&'static str>,
}

impl Publisher {
    /// With one file and no checksum.
    pub(crate) fn of(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            files: vec![(name.into(), bytes.into())],
            ..Self::default()
        }
    }

    /// With one more file.
    pub(crate) fn and(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), bytes.into()));
        self
    }

    /// With the checksum of the first file beside it.
    pub(crate) fn summed(self) -> Self {
        let (name, bytes) = self.files[0].clone();
        let text = format!("{}  {name}\n", sum(&bytes));
        self.and(&format!("{name}.sha256"), text)
    }

    /// The answer of a server without faults.
    pub(crate) fn answer(&self, asked: &Asked, base: &str) -> Reply {
        if asked.path == TAGGED || asked.path == LATEST {
            return Reply::new(200, self.description(base));
        }
        let index = asked.path.strip_prefix("/files/");
        let file = index
            .and_then(|index| index.parse::<usize>().ok())
            .and_then(|index| self.files.get(index));
        let Some((_, bytes)) = file else {
            return Reply::new(404, "{}");
        };
        let tag = format!("\"{}\"", &sum(bytes)[..8]);
        let from = asked
            .header("range")
            .filter(|_| asked.header("if-range").is_none_or(|known| known == tag))
            .and_then(|range| {
                range
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse()
                    .ok()
            });
        match from {
            Some(from) => Reply::new(206, &bytes[from..]).with(
                "Content-Range",
                format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
            ),
            None => Reply::new(200, bytes.as_slice()).with("ETag", tag),
        }
    }

    fn description(&self, base: &str) -> String {
        let assets: Vec<_> = self
            .files
            .iter()
            .enumerate()
            .map(|(index, (name, bytes))| {
                serde_json::json!({
                    "name": name,
                    "url": format!("{base}/files/{index}"),
                    "size": bytes.len(),
                    "digest": self.digest.then(|| format!("sha256:{}", sum(bytes))),
                })
            })
            .collect();
        serde_json::json!({ "tag_name": self.tag.unwrap_or("v1"), "assets": assets }).to_string()
    }

    /// A server without faults.
    pub(crate) fn serve(self) -> Server {
        Server::start(move |asked, base| self.answer(asked, base))
    }

    /// A server whose answers `change` may change.
    pub(crate) fn serve_changed(
        self,
        change: impl Fn(&Asked, Reply) -> Reply + Send + Sync + 'static,
    ) -> Server {
        Server::start(move |asked, base| change(asked, self.answer(asked, base)))
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
