//! `genome serve`: the binary gives the page a socket on this machine, and nothing else.

#[path = "common/run.rs"]
mod run;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that ends with the test.
struct Server {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(more: &[&str]) -> Server {
    let folder = run::folder();
    let gb = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/NC_000932.gb");
    std::fs::copy(gb, folder.path().join("chloroplast.gb")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_genome"));
    command
        .current_dir(&folder)
        .args(["serve", "--port", "0"])
        .args(more)
        .env("GENOME_CACHE", folder.path().join("cache"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap().strip_suffix('/').unwrap().to_owned();
    Server { child, address, folder }
}

impl Server {
    fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // A request that is not whole is waited for; the test is not.
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }

    fn get(&self, path: &str, host: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }
}

#[test]
fn the_page_is_there_for_this_machine() {
    let server = server(&["chloroplast.gb"]);
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    let page = server.get("/", &server.address);
    assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
    assert!(page.contains("Arabidopsis thaliana") && page.contains("154,478 bp"), "{page}");
    let csv = server.get("/download?format=csv&q=list+tRNA", &server.address);
    assert_eq!(csv.matches(",tRNA,").count(), 37, "{csv}");
    assert!(server.get("/", "evil.example").starts_with("HTTP/1.1 403"));
    let form = "q=count+gene";
    let post = |origin: &str| {
        server.send(&format!(
            "POST /ask HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nConnection: close\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            server.address,
            form.len()
        ))
    };
    assert!(post("http://evil.example").starts_with("HTTP/1.1 403"));
    assert!(post(&format!("http://{}", server.address)).starts_with("HTTP/1.1 303"));
}

#[test]
fn what_is_not_http_harms_nothing() {
    let server = server(&["chloroplast.gb"]);
    for request in
        ["\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n", "GET /\u{7f}%00 HTTP/9.9\r\nHost: x\r\n\r\n"]
    {
        let reply = server.send(request);
        assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 4"), "{request:?}: {reply}");
    }
    let long = format!("/?q={}", "x".repeat(100_000));
    let reply = server.get(&long, &server.address);
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 4"), "{}", reply.lines().next().unwrap_or_default());
    assert!(server.get("/", &server.address).starts_with("HTTP/1.1 200"));
}

#[test]
fn the_index_is_made_where_it_is_wanted() {
    for (place, expected) in [("beside", true), ("memory", false)] {
        let server = server(&["chloroplast.gb", "--index", place]);
        assert_eq!(server.folder.path().join("chloroplast.gb.genome-index").exists(), expected, "{place}");
        assert!(server.get("/", &server.address).contains("154,478 bp"));
    }
    let server = server(&["--demo"]);
    assert!(server.get("/", &server.address).contains("Arabidopsis thaliana"));
    assert!(server.folder.path().join("cache").is_dir());
}

#[test]
fn bad_input_ends_with_one_line() {
    let folder = run::folder();
    std::fs::write(folder.path().join("reads.txt"), "hello\n").unwrap();
    for (args, part) in [
        (&["serve", "nothing.gb"][..], "nothing.gb"),
        (&["mcp", "nothing.gb"], "nothing.gb"),
        (&["serve", "reads.txt"], "reads.txt"),
        (&["serve", "a.gff", "b.gff", "--sequences", "c.fa"], "--sequences"),
    ] {
        let output = run::genome(folder.path(), args).env("GENOME_CACHE", folder.path()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(output.stdout.is_empty());
        assert!(stderr.starts_with("error: ") && stderr.contains(part) && stderr.lines().count() == 1, "{stderr}");
    }
}
