//! `genome ask` with a language model: a mock endpoint on loopback, honest and hostile, and a checkpoint on this machine.

#![cfg(feature = "llm")]

#[path = "common/run.rs"]
mod run;

use run::{folder, genome};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const KEY: &str = "sk-Very-Secret-0123456789";
/// What no rule of the grammar reads.
const STRANGE: &str = "prithee, wherefore hath the oracle rbcL hidden";

/// Gives the same bytes to each connection; what each asked is received.
fn server(reply: impl Fn(&mut TcpStream) + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = send.send(request(&mut stream));
            reply(&mut stream);
        }
    });
    (address, receive)
}

/// Head and body of a request.
fn request(stream: &mut TcpStream) -> String {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn completion(content: &str) -> Vec<u8> {
    let body = serde_json::json!({ "choices": [{ "message": { "role": "assistant", "content": content } }] });
    http("200 OK", "Content-Type: application/json\r\n", body.to_string().as_bytes())
}

fn says(bytes: Vec<u8>) -> (String, Receiver<String>) {
    server(move |stream| _ = stream.write_all(&bytes))
}

/// Runs `genome ask --demo` with an endpoint; gives the exit code and all that was printed.
fn ask(dir: &Path, url: &str, more: &[&str]) -> (i32, String) {
    let args = [
        &[
            "ask",
            "--demo",
            STRANGE,
            "--llm-url",
            url,
            "--llm-model",
            "mock",
            "--llm-key-env",
            "MY_KEY",
            "--llm-timeout",
            "2",
        ],
        more,
    ]
    .concat();
    let mut command = genome(dir, &args);
    command.env("GENOME_CACHE", dir.join("cache")).env("MY_KEY", KEY).env_remove("HTTP_PROXY").env_remove("http_proxy");
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.to_lowercase().contains("very-secret") && !text.contains("0123456789"), "the key is shown: {text}");
    (output.status.code().unwrap(), text)
}

#[test]
fn a_query_of_the_model_is_shown_and_run() {
    let dir = folder();
    let (url, requests) = says(completion("list gene where named rbcL"));
    let (code, text) = ask(dir.path(), &url, &[]);
    assert_eq!(code, 0, "{text}");
    let expected = "Understood, with the help of a language model (mock at 127.0.0.1:";
    assert!(text.contains(expected) && text.contains("query: list gene where named rbcL\n"), "{text}");
    assert!(text.contains("54,958"), "{text}"); // computed from the file
    let request = requests.recv().unwrap();
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    let lower = request.to_lowercase();
    assert!(lower.contains(&format!("authorization: bearer {}", KEY.to_lowercase())), "{request}");
    assert!(request.contains("prithee") && request.contains("\"model\":\"mock\""), "{request}");
    for of_the_genome in ["ArthCp", "NC_000932", "ribulose", "thaliana"] {
        assert!(!request.contains(of_the_genome), "{of_the_genome} left this machine: {request}");
    }
    let (_, json) = ask(dir.path(), &url, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&json["method"], &json["status"]), (&"language_model".into(), &"ok".into()));
    // In a form for programs the query is on stderr.
    let (_, csv) = ask(dir.path(), &url, &["--csv"]);
    assert!(csv.contains("query: list gene where named rbcL") && csv.starts_with("id,locus_tag"), "{csv}");
}

#[test]
fn nothing_is_sent_unless_it_is_needed() {
    let dir = folder();
    let (url, requests) = says(completion("count gene"));
    for question in ["how many tRNAs are there?", "which gene is expressed most?"] {
        let args = ["ask", "--demo", question, "--llm-url", &url, "--llm-model", "mock"];
        genome(dir.path(), &args).env("GENOME_CACHE", dir.path().join("cache")).output().unwrap();
        assert!(requests.try_recv().is_err(), "{question} was sent");
    }
    let args = ["ask", "--demo", STRANGE];
    genome(dir.path(), &args).env("GENOME_CACHE", dir.path().join("cache")).env("MY_KEY", KEY).output().unwrap();
    assert!(requests.try_recv().is_err());
}

#[test]
fn hostile_replies_change_nothing() {
    let dir = folder();
    let check = |bytes: Vec<u8>, reason: &str| {
        let (url, _requests) = says(bytes);
        let (code, text) = ask(dir.path(), &url, &[]);
        assert_eq!(code, 1, "{reason}: {text}");
        assert!(text.contains("I did not understand") && text.contains(reason), "{reason}: {text}");
    };
    check(completion("SELECT * FROM features; DROP TABLE features"), "its query is refused: query, column");
    check(completion("list gene where named atpA"), "names atpA, which the question does not");
    check(completion("There are 4,500 genes."), "its query is refused");
    check(completion(KEY), "its query is refused");
    check(completion("\u{1b}]0;owned\u{7}count gene"), "control characters");
    check(http("200 OK", "", b"{\"choices\":[{\"message\":{\"content\":\"\xff\xfe\"}}]}"), "no JSON");
    check(http("200 OK", "", b"{\"choices\":"), "no JSON");
    check(http("200 OK", "", b"{}"), "no text at choices");
    check(http("200 OK", "", &vec![b'x'; 1 << 20]), "longer than 262144 bytes");
    let error = format!("{{\"error\":{{\"message\":\"model mock not found; key {KEY}\"}}}}");
    check(http("404 Not Found", "", error.as_bytes()), "status 404: model mock not found; key [key]");
    check(http("500 Internal Server Error", "", KEY.as_bytes()), "status 500");
    check(http("401 Unauthorized", "", error.as_bytes()), "does not take the key (status 401)");
    check(b"nonsense\r\n\r\n".to_vec(), "cannot be reached");
    check(Vec::new(), "cannot be reached");
}

#[test]
fn redirects_are_not_followed() {
    let dir = folder();
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let (other, asked) = says(completion("count gene"));
        let (url, _requests) = says(http(status, &format!("Location: {other}/chat/completions\r\n"), b""));
        let (code, text) = ask(dir.path(), &url, &[]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("redirects to another address"), "{text}");
        assert!(asked.try_recv().is_err(), "{status} was followed");
    }
}

#[test]
fn slow_replies_end() {
    let dir = folder();
    let drip = |stream: &mut TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    for (name, (url, _requests)) in
        [("drip", server(drip)), ("silence", server(|_| std::thread::sleep(Duration::from_secs(20))))]
    {
        let (code, text) = ask(dir.path(), &url, &[]);
        assert_eq!(code, 1, "{name}: {text}");
        assert!(text.contains("no reply within 2 s"), "{name}: {text}");
    }
    let (code, text) = ask(dir.path(), "http://127.0.0.1:1/v1", &[]);
    assert!(code == 1 && text.contains("cannot be reached"), "{text}");
}

#[test]
fn prose_is_shown_only_if_it_repeats_the_answer() {
    let dir = folder();
    let ask_prose = |prose: &'static str| {
        // The first request is for a query, the second for sentences.
        let first = std::sync::atomic::AtomicBool::new(true);
        let (url, requests) = server(move |stream| {
            let content = if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                "list gene where named rbcL"
            } else {
                prose
            };
            let _ = stream.write_all(&completion(content));
        });
        let (code, text) = ask(dir.path(), &url, &["--llm-prose"]);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("54,958"), "the answer is there: {text}");
        assert!(requests.iter().nth(1).unwrap().contains("54,958"), "the model was told the answer");
        text
    };
    let text = ask_prose("The gene rbcL lies at 54958-56397 on the plus strand.");
    assert!(text.contains("every number and name is in the answer): The gene rbcL lies at"), "{text}");
    for bad in ["rbcL lies at 54958-56398.", "There are 12 copies of rbcL.", "rbcL is regulated by LexA."] {
        let text = ask_prose(bad);
        assert!(!text.contains(bad) && text.contains("its sentences are not shown"), "{text}");
    }
}

#[test]
fn settings_are_checked_before_anything_is_sent() {
    let dir = folder();
    let refused = |args: &[&str], reason: &str| {
        let args = [&["ask", "--demo", STRANGE], args].concat();
        let mut command = genome(dir.path(), &args);
        command.env("GENOME_CACHE", dir.path().join("cache")).env("MY_KEY", KEY).env("BAD_KEY", "two words");
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(reason) && !error.contains(KEY) && !error.contains("two words"), "{error}");
    };
    let url = ["--llm-url", "http://127.0.0.1:1/v1"];
    refused(&url, "--llm-model");
    refused(&["--llm-model", "m"], "--llm-url");
    refused(&[&url[..], &["--llm-model", "m", "--llm-key-env", "NO_SUCH_KEY"]].concat(), "no variable NO_SUCH_KEY");
    refused(&[&url[..], &["--llm-model", "m", "--llm-key-env", "BAD_KEY"]].concat(), "BAD_KEY is no key");
    let far = ["--llm-url", "http://192.0.2.1/v1", "--llm-model", "m", "--llm-key-env", "MY_KEY"];
    refused(&far, "unencrypted");
    refused(&["--llm-url", "https://me:pass@192.0.2.1/v1", "--llm-model", "m"], "without user and password");
    refused(&["--llm-checkpoint", "nowhere"], "no such file or folder");
}

/// A tiny model of children's stories understands nothing of genomes, but can only give valid queries.
#[test]
fn a_checkpoint_on_this_machine_chooses_valid_queries() {
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/weights/stories260K/stories260K.bin");
    if !Path::new(weights).is_file() {
        let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
        let strict = std::env::var("CI").is_ok_and(|ci| ci == "true") && Path::new(shared).is_dir();
        assert!(!strict, "{weights} is absent, and nothing is skipped in CI");
        eprintln!("skipped: a_checkpoint_on_this_machine_chooses_valid_queries: {weights} is absent");
        return;
    }
    let dir = folder();
    let strange = format!("{STRANGE}\nverily, whither went the photosystem, o muse?\n");
    let args = ["ask", "--demo", "--json", "--llm-checkpoint", weights, "--device", "cpu"];
    let output =
        genome(dir.path(), &args).env("GENOME_CACHE", dir.path().join("cache")).write_stdin(strange).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in text.lines() {
        let reply: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(reply["help"]["model"].as_str().unwrap().contains("stories260K"), "{reply}");
        match reply["query"].as_str() {
            Some(query) => {
                genome_ask::Query::parse(query).unwrap();
                assert_eq!(reply["method"], "language_model");
            }
            None => assert!(reply["help"]["refused"].as_str().unwrap().contains("no query"), "{reply}"),
        }
    }
}
