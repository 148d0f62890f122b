//! The connection to an OpenAI-compatible endpoint: one host, no redirects, bounded in time and size, the key never shown.

use anyhow::{Result, bail};
use genome_ask::llm::{MAX_REPLY_BYTES, Secret, Transport};
use std::net::IpAddr;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderValue, Uri};

/// Letters of what an endpoint says went wrong.
const LONGEST_MESSAGE: usize = 200;

/// An address that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    url: String,
    host: String,
    encrypted: bool,
}

impl Endpoint {
    /// `https://host/v1` and `https://host/v1/chat/completions` are the same. A key goes over an encrypted connection, or to this
    /// machine.
    pub(crate) fn new(url: &str, with_key: bool) -> Result<Self> {
        let Ok(uri) = url.parse::<Uri>() else { bail!("expected an address such as http://localhost:11434/v1") };
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => bail!("expected an address that begins with https:// or http://"),
        };
        // What stands before an @ may be a password: it is not repeated.
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            bail!("expected an address without user and password; a key is named with --llm-key-env");
        }
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else { bail!("expected an address with a host") };
        if uri.query().is_some() {
            bail!("expected an address without a question mark");
        }
        if with_key && !encrypted && !is_this_machine(host) {
            bail!("the key would go to {host} unencrypted; use https://");
        }
        let host = uri.authority().map_or_else(|| host.to_owned(), ToString::to_string);
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix("/chat/completions").unwrap_or(path);
        let scheme = if encrypted { "https" } else { "http" };
        Ok(Self { url: format!("{scheme}://{host}{path}/chat/completions"), host, encrypted })
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Http {
    endpoint: Endpoint,
    key: Option<Secret>,
    time: Duration,
    agent: Agent,
}

impl Http {
    pub(crate) fn new(endpoint: Endpoint, key: Option<Secret>, time: Duration) -> Self {
        let mut config = Agent::config_builder()
            .timeout_global(Some(time))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .https_only(endpoint.encrypted)
            .user_agent(concat!("genome/", env!("CARGO_PKG_VERSION")));
        if !endpoint.encrypted {
            // A proxy would read what is meant for the host.
            config = config.proxy(None);
        }
        Self { endpoint, key, time, agent: config.build().new_agent() }
    }

    fn problem(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(_) => format!("no reply within {} s", self.time.as_secs()),
            ureq::Error::BodyExceedsLimit(_) => format!("its reply is longer than {MAX_REPLY_BYTES} bytes"),
            ureq::Error::Io(error) => format!("cannot be reached: {error}"),
            error => format!("cannot be reached: {error}"),
        }
    }
}

impl Transport for Http {
    fn host(&self) -> String {
        self.endpoint.host.clone()
    }

    fn post(&mut self, body: &str) -> Result<Vec<u8>, String> {
        let mut request = self.agent.post(&self.endpoint.url).content_type("application/json");
        if let Some(key) = &self.key {
            let value = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
            let mut value = value.map_err(|_| "the key is no value of a header".to_owned())?;
            value.set_sensitive(true);
            request = request.header("Authorization", value);
        }
        let mut response = request.send(body).map_err(|error| self.redact(&self.problem(&error)))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!("it redirects to another address (status {}), which is not followed", status.as_u16()));
        }
        let limit = MAX_REPLY_BYTES as u64;
        let read = response.body_mut().with_config().limit(limit).read_to_vec();
        let bytes = read.map_err(|error| self.redact(&self.problem(&error)))?;
        match status.as_u16() {
            200 => Ok(bytes),
            401 | 403 if self.key.is_none() => {
                Err(format!("it wants a key (status {}): see --llm-key-env", status.as_u16()))
            }
            // What is told here likely has the key in it.
            401 | 403 => Err(format!("it does not take the key (status {})", status.as_u16())),
            code => Err(self.redact(&format!("status {code}{}", message(&bytes)))),
        }
    }

    fn redact(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.redact(text))
    }
}

/// What an endpoint says went wrong: `{"error": {"message": ".."}}` or `{"error": ".."}`.
fn message(bytes: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return String::new() };
    let text = value.pointer("/error/message").or_else(|| value.get("error")).and_then(|text| text.as_str());
    let clean = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    text.map(|text| format!(": {}", clean(text).chars().take(LONGEST_MESSAGE).collect::<String>())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check =
            |url: &str, with_key: bool, expected: Result<&str, &str>| match (Endpoint::new(url, with_key), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.url, expected),
                (Err(found), Err(part)) => {
                    let found = found.to_string();
                    assert!(found.contains(part) && !found.contains("secret"), "{found}");
                }
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            };
        check("http://localhost:11434/v1", false, Ok("http://localhost:11434/v1/chat/completions"));
        check("http://localhost:11434/v1/", true, Ok("http://localhost:11434/v1/chat/completions"));
        check("https://api.example.org/v1/chat/completions", true, Ok("https://api.example.org/v1/chat/completions"));
        check("http://[::1]:8080", true, Ok("http://[::1]:8080/chat/completions"));
        check("http://10.0.0.7:8080/v1", false, Ok("http://10.0.0.7:8080/v1/chat/completions"));
        check("http://10.0.0.7:8080/v1", true, Err("unencrypted"));
        check("http://localhost.example.org/v1", true, Err("unencrypted"));
        check("http://127.0.0.1.example.org/v1", true, Err("unencrypted"));
        check("https://user:secret@example.org/v1", true, Err("without user"));
        check("http://localhost@example.org/v1", true, Err("without user"));
        check("ftp://example.org", false, Err("begins with"));
        check("localhost:11434", false, Err("begins with"));
        check("https://example.org/v1?key=secret", false, Err("question mark"));
        check("", false, Err("expected an address"));
    }
}
