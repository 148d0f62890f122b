//! Downloads through the `hf-hub` crate, into the cache that Python's tools share.

use super::{manual_steps, needed};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

// How models of the hub are found. A doc comment would become that of every command with these options.
#[derive(Debug, Clone, Args)]
pub(crate) struct HubArgs {
    /// Branch, tag or commit of a base on the Hugging Face hub; a commit is a pin
    #[arg(long, default_value = "main", value_name = "REV", help_heading = "Hugging Face hub")]
    revision: String,
    /// Use what is in the hub's cache, and no network [also: HF_HUB_OFFLINE=1]
    #[arg(long, help_heading = "Hugging Face hub")]
    offline: bool,
    /// Folder of the hub's cache; default $HF_HOME/hub, or ~/.cache/huggingface/hub
    #[arg(long, value_name = "DIR", help_heading = "Hugging Face hub")]
    hub_cache: Option<PathBuf>,
}

static ARGS: OnceLock<HubArgs> = OnceLock::new();

/// Keeps what the command line says, once.
pub(crate) fn set(args: HubArgs) {
    ARGS.get_or_init(|| args);
}

/// The folder of a model on the hub, downloaded where it has to be.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let args = ARGS.get();
    let cache = args.and_then(|args| args.hub_cache.clone()).map_or_else(Cache::from_env, Cache::new);
    let hub = Hub {
        endpoint: var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()),
        token: var("HF_TOKEN").or_else(|| cache.token()),
        cache,
        revision: args.map_or("main".to_owned(), |args| args.revision.clone()),
        offline: args.is_some_and(|args| args.offline) || var("HF_HUB_OFFLINE").is_some_and(|v| v != "0"),
    };
    hub.folder(name)
}

struct Hub {
    endpoint: String,
    token: Option<String>,
    cache: Cache,
    revision: String,
    offline: bool,
}

/// What the hub did not give.
enum Failure {
    /// It could not be reached, or did not answer as the hub does.
    Network(ApiError),
    /// It answered that this may not or cannot be had, or what it gave is wrong.
    Refused(anyhow::Error),
}

impl Hub {
    fn folder(&self, name: &str) -> Result<PathBuf> {
        if self.offline {
            return self.cached(name).with_context(|| {
                format!(
                    "{name}: {} is not in the cache {}, and --offline forbids a download",
                    self.revision,
                    self.cache.path().display()
                )
            });
        }
        match self.download(name) {
            Ok(folder) => Ok(folder),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Network(error)) => match self.cached(name) {
                Ok(folder) => {
                    eprintln!("note: {name}: the hub cannot be reached ({error}); using {}", folder.display());
                    Ok(folder)
                }
                Err(_) => Err(anyhow!(
                    "{name}: the hub cannot be reached ({error}), and it is not in the cache {}. By hand: {}",
                    self.cache.path().display(),
                    manual_steps(name, &self.revision)
                )),
            },
        }
    }

    fn repo(&self, name: &str, revision: &str) -> Repo {
        Repo::with_revision(name.to_owned(), RepoType::Model, revision.to_owned())
    }

    fn download(&self, name: &str) -> Result<PathBuf, Failure> {
        let failure = |error: ApiError| self.failure(name, error);
        let api = ApiBuilder::from_cache(self.cache.clone())
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token.clone())
            .with_retries(3)
            .build()
            .map_err(failure)?;
        let info = api.repo(self.repo(name, &self.revision)).info().map_err(failure)?;
        let commit = info.sha;
        if !is_hex(&commit, 40) {
            return Err(Failure::Refused(anyhow!("{name}: expected a commit of 40 digits, found {commit:?}")));
        }
        // All files of one commit, even if the branch moves meanwhile.
        let pinned = self.repo(name, &commit);
        let in_cache = self.cache.repo(pinned.clone());
        let folder = in_cache.pointer_path(&commit);
        let files: Vec<&str> = info.siblings.iter().map(|file| file.rfilename.as_str()).collect();
        let needed = needed(name, &files).map_err(Failure::Refused)?;
        let missing: Vec<&str> = needed.iter().copied().filter(|file| !folder.join(file).exists()).collect();
        if !missing.is_empty() {
            eprintln!(
                "{name} ({}, commit {commit}): downloading {} into {}",
                self.revision,
                missing.join(", "),
                folder.display()
            );
        }
        let remote = api.repo(pinned);
        for file in missing {
            // Hidden where stderr is no terminal.
            remote.download_with_progress(file, ProgressBar::new(0)).map_err(failure)?;
        }
        verify_all(name, &folder, &needed).map_err(Failure::Refused)?;
        // Last, so that the name stands for a whole download.
        let done = self.cache.repo(self.repo(name, &self.revision)).create_ref(&commit);
        done.with_context(|| self.cache.path().display().to_string()).map_err(Failure::Refused)?;
        Ok(folder)
    }

    /// The folder of an earlier download.
    fn cached(&self, name: &str) -> Result<PathBuf> {
        let repo = self.cache.repo(self.repo(name, &self.revision));
        let config = repo.get("config.json");
        let pinned = is_hex(&self.revision, 40).then(|| repo.pointer_path(&self.revision));
        let folder = config.and_then(|path| path.parent().map(Path::to_owned)).or(pinned.filter(|path| path.is_dir()));
        let Some(folder) = folder else { bail!("there is no {}", repo.pointer_path("*").display()) };
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let files: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        verify_all(name, &folder, &needed(name, &files)?)?;
        Ok(folder)
    }

    fn failure(&self, name: &str, error: ApiError) -> Failure {
        let ApiError::RequestError(request) = &error else {
            return match error {
                ApiError::TooManyRetries(inner) => self.failure(name, *inner),
                ApiError::IoError(_) | ApiError::LockAcquisition(_) => {
                    Failure::Refused(anyhow!("{}: {error}", self.cache.path().display()))
                }
                other => Failure::Network(other),
            };
        };
        let text = request.to_string();
        let says = |status: &str| text.ends_with(status);
        if says("404") {
            let (endpoint, revision) = (&self.endpoint, &self.revision);
            return Failure::Refused(anyhow!(
                "{name}: {endpoint} has no such model, or no revision {revision:?} of it"
            ));
        }
        if says("401") || says("403") {
            return Failure::Refused(anyhow!(
                "{name}: the hub does not let you have it ({text}): there is no such model, or its licence must be accepted on \
                 {}/{name} and a token given in HF_TOKEN",
                self.endpoint
            ));
        }
        Failure::Network(error)
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Checks the files that the hub declares a SHA-256 for, which are those that it stores as large files: the weights.
fn verify_all(name: &str, folder: &Path, files: &[&str]) -> Result<()> {
    for file in files {
        let path = folder.join(file);
        // The cache names what a file points at by the hub's tag: the SHA-256 of large files, git's hash of small ones.
        let blob = fs::canonicalize(&path).with_context(|| path.display().to_string())?;
        let expected = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
        if !is_hex(&expected, 64) {
            continue;
        }
        let found = sha256(&blob).with_context(|| blob.display().to_string())?;
        if found != expected {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_file(&blob);
            bail!(
                "{name}: {file}: expected the SHA-256 {expected}, found {found}; the file was removed: run this again"
            );
        }
    }
    Ok(())
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => hash.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const NAME: &str = "owner/model";

    /// A hub of one model on the loopback device.
    struct Server {
        endpoint: String,
        asked: Arc<Mutex<Vec<String>>>,
    }

    /// A file's bytes and its tag.
    type Files = BTreeMap<&'static str, (Vec<u8>, String)>;

    fn files() -> Files {
        let weights = vec![7; 100_000];
        let tag = sha256_of(&weights);
        BTreeMap::from([
            ("config.json", (b"{}".to_vec(), "0".repeat(40))),
            ("modeling.py", (b"evil()".to_vec(), "1".repeat(40))),
            ("model.safetensors", (weights, tag)),
            ("pytorch_model.bin", (vec![1], "2".repeat(64))),
            ("tokenizer.json", (b"{ }".to_vec(), "3".repeat(40))),
        ])
    }

    fn sha256_of(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    impl Server {
        fn start(files: Files) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let asked = Arc::new(Mutex::new(Vec::new()));
            let log = asked.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    answer(stream.unwrap(), &files, &log);
                }
            });
            Self { endpoint, asked }
        }
    }

    /// Answers one request. What was asked for is noted first, so that whoever has the answer finds the note.
    fn answer(mut stream: TcpStream, files: &Files, log: &Mutex<Vec<String>>) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(|line| line.unwrap());
        let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
        log.lock().unwrap().push(path.clone());
        let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).map(|l| l.to_ascii_lowercase()).collect();
        let range = headers.iter().find_map(|line| line.strip_prefix("range: bytes=")).unwrap_or("0-");
        let (status, more, body) = if path == format!("/api/models/{NAME}/revision/main") {
            let list: Vec<String> = files.keys().map(|file| format!("{{\"rfilename\":\"{file}\"}}")).collect();
            let body = format!("{{\"sha\":\"{COMMIT}\",\"siblings\":[{}]}}", list.join(","));
            ("200 OK", "Content-Type: application/json\r\n".to_owned(), body.into_bytes())
        } else if let Some((bytes, tag)) =
            path.strip_prefix(&format!("/{NAME}/resolve/{COMMIT}/")).and_then(|file| files.get(file))
        {
            let (start, end) = range.split_once('-').unwrap();
            let start: usize = start.parse().unwrap();
            let end = end.parse().map_or(bytes.len(), |end: usize| end + 1).min(bytes.len());
            let range = format!("Content-Range: bytes {start}-{}/{}\r\n", end - 1, bytes.len());
            let more = format!("{range}ETag: \"{tag}\"\r\nX-Repo-Commit: {COMMIT}\r\n");
            ("206 Partial Content", more, bytes[start..end].to_vec())
        } else {
            ("404 Not Found", String::new(), Vec::new())
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    }

    fn hub(endpoint: &str, cache: &Path) -> Hub {
        Hub {
            endpoint: endpoint.to_owned(),
            token: None,
            cache: Cache::new(cache.to_owned()),
            revision: "main".to_owned(),
            offline: false,
        }
    }

    /// An address where nobody listens.
    const NOBODY: &str = "http://127.0.0.1:9";

    #[test]
    fn what_is_needed_is_downloaded_once_and_read_offline() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(files());
        let online = hub(&server.endpoint, dir.path());
        let folder = online.folder(NAME).unwrap();
        let mut found: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, ["config.json", "model.safetensors", "tokenizer.json"]);
        assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), vec![7; 100_000]);
        let asked = server.asked.lock().unwrap().clone();
        assert!(!asked.iter().any(|path| path.ends_with(".py") || path.ends_with(".bin")), "{asked:?}");
        // Again: the list alone is asked for.
        assert_eq!(online.folder(NAME).unwrap(), folder);
        assert_eq!(server.asked.lock().unwrap().len(), asked.len() + 1);
        // Offline, by the branch and by the commit; and where the hub does not answer.
        for (revision, offline) in [("main", true), (COMMIT, true), ("main", false)] {
            let hub = Hub { offline, revision: revision.to_owned(), ..hub(NOBODY, dir.path()) };
            assert_eq!(hub.folder(NAME).unwrap(), folder);
        }
        let error = Hub { offline: true, revision: "v2".into(), ..hub(NOBODY, dir.path()) }.folder(NAME).unwrap_err();
        assert!(error.to_string().contains("v2 is not in the cache"), "{error}");
        assert!(!error.to_string().contains("cannot be reached"), "{error}");
        // A file that changed in the cache is told, offline too.
        fs::write(fs::canonicalize(folder.join("model.safetensors")).unwrap(), b"short").unwrap();
        let offline = Hub { offline: true, ..hub(NOBODY, dir.path()) };
        let error = format!("{:#}", offline.folder(NAME).unwrap_err());
        assert!(error.contains("model.safetensors: expected the SHA-256"), "{error}");
        // It was removed, so the next download mends it.
        assert_eq!(online.folder(NAME).unwrap(), folder);
        assert_eq!(fs::read(folder.join("model.safetensors")).unwrap().len(), 100_000);
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut wrong = files();
        wrong.get_mut("model.safetensors").unwrap().1 = "e".repeat(64);
        let server = Server::start(wrong);
        let error = hub(&server.endpoint, dir.path()).folder(NAME).unwrap_err().to_string();
        let found = sha256_of(&vec![7; 100_000]);
        let expected = format!("model.safetensors: expected the SHA-256 {}, found {found}", "e".repeat(64));
        assert!(error.contains(&expected), "{error}");
        // Nothing of it stays to be used later.
        let offline = Hub { offline: true, ..hub(NOBODY, dir.path()) };
        assert!(offline.folder(NAME).is_err());
    }

    #[test]
    fn without_a_network_the_steps_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let error = hub(NOBODY, dir.path()).folder("zhihan1996/DNABERT-2-117M").unwrap_err().to_string();
        for part in ["cannot be reached", "By hand: download config.json", "DNABERT-2-117M/tree/main", "--base DIR"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_model_that_is_not_there_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(files());
        let error = hub(&server.endpoint, dir.path()).folder("owner/other").unwrap_err().to_string();
        assert!(error.contains("owner/other: ") && error.contains("has no such model"), "{error}");
        let empty = Server::start(BTreeMap::from([("config.json", (vec![b'{'], "0".repeat(40)))]));
        let error = hub(&empty.endpoint, dir.path()).folder(NAME).unwrap_err().to_string();
        assert!(error.contains("expected weights"), "{error}");
    }
}
