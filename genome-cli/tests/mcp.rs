//! `genome mcp`, as its clients drive it: lines of JSON on stdin and stdout.

#[path = "common/run.rs"]
mod run;

use serde_json::{Value, json};
use std::path::Path;

/// Sends lines after a handshake, closes stdin, and gives the responses by their id; those without one under `null`.
fn session(lines: &[String]) -> (Vec<Value>, String, Option<i32>) {
    let folder = run::folder();
    let gb = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/NC_000932.gb");
    std::fs::copy(gb, folder.path().join("chloroplast.gb")).unwrap();
    let mut input = lines.join("\n");
    input.push('\n');
    let output = run::genome(folder.path(), &["mcp", "chloroplast.gb", "--index", "beside"])
        .env("GENOME_CACHE", folder.path())
        .write_stdin(input)
        .timeout(std::time::Duration::from_secs(120))
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let replies = stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    (replies.collect(), String::from_utf8(output.stderr).unwrap(), output.status.code())
}

fn handshake() -> Vec<String> {
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let done = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    vec![hello.to_string(), done.to_string()]
}

fn call(id: u64, tool: &str, arguments: Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

fn reply(replies: &[Value], id: u64) -> &Value {
    replies.iter().find(|reply| reply["id"] == id).unwrap_or_else(|| panic!("no response {id}: {replies:?}"))
}

fn text(reply: &Value) -> &str {
    reply["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {reply}"))
}

#[test]
fn a_client_finds_the_tools_and_calls_them() {
    let mut lines = handshake();
    lines.push(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string());
    lines.push(call(2, "genome_info", json!({})));
    lines.push(call(3, "query", json!({ "query": "count tRNA" })));
    lines.push(call(4, "query", json!({ "query": "list protein order by aa desc", "max_rows": 3 })));
    lines.push(call(5, "features_near", json!({ "locus": "rbcL", "distance_bp": 3000 })));
    lines.push(call(6, "gene_sequence", json!({ "gene": "rbcL" })));
    lines.push(call(7, "gene_sequence", json!({ "gene": "rbcL", "what": "upstream", "length_bp": 30 })));
    lines.push(call(8, "ask", json!({ "question": "list gene where named rbcL" })));
    lines.push(call(9, "compare_genomes", json!({})));
    let (replies, stderr, code) = session(&lines);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(replies.len(), 10);
    assert_eq!(reply(&replies, 0)["result"]["serverInfo"]["name"], "genome-ask");

    let tools = reply(&replies, 1)["result"]["tools"].as_array().unwrap();
    let mut names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ask", "compare_genomes", "features_near", "gene_sequence", "genome_info", "query"]);
    for tool in tools {
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert!(tool["description"].as_str().unwrap().len() > 100, "{tool}");
    }

    let info = reply(&replies, 2);
    assert!(text(info).contains("Arabidopsis thaliana") && text(info).contains("154478 bp"), "{}", text(info));
    assert_eq!(info["result"]["structuredContent"]["genomes"][0]["features_by_kind"]["CDS"], 85);
    // 37 tRNA features in the file: grep -c '^     tRNA'.
    assert_eq!(reply(&replies, 3)["result"]["structuredContent"]["count"], 37);
    let longest = &reply(&replies, 4)["result"]["structuredContent"];
    assert_eq!((&longest["rows"].as_array().unwrap().len(), &longest["truncated"]), (&3, &json!(true)));
    assert!(text(reply(&replies, 5)).contains("\tatpB\t"), "{}", text(reply(&replies, 5)));
    assert!(text(reply(&replies, 6)).contains("MSPQTETKASVGFKAGVKEYKLTYYTPEYETKDTDI"), "{}", text(reply(&replies, 6)));
    let upstream = text(reply(&replies, 7)).lines().nth(1).unwrap();
    assert!(upstream.len() == 30 && upstream.chars().all(|c| "ACGT".contains(c)), "{upstream}");
    assert!(text(reply(&replies, 8)).starts_with("Understood as: "), "{}", text(reply(&replies, 8)));
    let alone = reply(&replies, 9);
    assert_eq!(alone["result"]["isError"], true);
    assert!(text(alone).contains("two genomes are needed"), "{}", text(alone));
}

#[test]
fn bad_requests_are_told_and_harm_nothing() {
    let mut lines = handshake();
    lines.push("this is no JSON".to_owned());
    lines.push("{\"jsonrpc\":\"2.0\",\"id\":".to_owned());
    lines.push(format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"tools/call\",\"params\":\"{}\"}}",
        "x".repeat(3 << 20)
    ));
    lines.push("[".repeat(100_000));
    lines.push(call(1, "no_such_tool", json!({})));
    lines.push(call(2, "query", json!({ "query": 7 })));
    lines.push(call(3, "query", json!({ "query": "count gene", "surprise": true })));
    lines.push(call(4, "query", json!({})));
    lines.push(call(5, "query", json!({ "query": "list gene where <" })));
    lines.push(call(6, "ask", json!({ "question": "x".repeat(2_001) })));
    lines.push(call(7, "ask", json!({ "question": "'; DROP TABLE features; --\u{0}\u{1b}[2J" })));
    lines.push(call(8, "features_near", json!({ "locus": "rbcL", "distance_bp": u64::MAX, "max_rows": u64::MAX })));
    lines.push(call(9, "gene_sequence", json!({ "gene": "noSuchGene" })));
    lines.push(call(10, "gene_sequence", json!({ "gene": "rbcL", "what": "upstream", "length_bp": u64::MAX })));
    lines.push(json!({ "jsonrpc": "2.0", "id": 11, "method": "no/such/method" }).to_string());
    lines.push(call(12, "compare_genomes", json!({ "first": "chloroplast", "second": "../../etc/passwd" })));
    lines.push(call(99, "query", json!({ "query": "count tRNA" })));
    let (replies, stderr, code) = session(&lines);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    for id in [1, 2, 3, 4, 11] {
        let reply = reply(&replies, id);
        let told = reply["error"]["message"].is_string() || reply["result"]["isError"] == true;
        assert!(told, "{reply}");
    }
    for (id, part) in [(5, "column"), (6, "characters of a question"), (12, "passwd")] {
        let reply = reply(&replies, id);
        assert_eq!(reply["result"]["isError"], true, "{reply}");
        assert!(text(reply).contains(part), "{reply}");
    }
    for id in [7, 8, 9, 10] {
        assert!(reply(&replies, id)["result"]["content"][0]["text"].is_string());
    }
    assert!(replies.iter().all(|reply| reply["id"] != 77), "a line of three megabytes is dropped");
    assert_eq!(reply(&replies, 99)["result"]["structuredContent"]["count"], 37, "and all goes on");
}

#[test]
fn who_does_not_begin_with_a_handshake_is_told() {
    let (replies, stderr, code) = session(&[call(1, "query", json!({ "query": "count gene" }))]);
    assert!(code == Some(2) || replies.iter().any(|reply| reply["error"].is_object()), "{replies:?} {stderr}");
    let (replies, stderr, code) = session(&[]);
    assert_eq!((replies.len(), code), (0, Some(0)), "a client that goes at once is no error: {stderr}");
}

/// The tool is there where a model is named, and says what it gives. The client waits for each response: the first takes long.
#[cfg(feature = "semantic")]
#[test]
fn similar_genes_by_a_model() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let has_tool =
        |reply: &Value| reply["result"]["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "similar_genes");
    let (without, ..) = session(&[handshake(), vec![list.clone()]].concat());
    assert!(!has_tool(reply(&without, 1)));

    let folder = run::folder();
    let mut client = Command::new(assert_cmd::cargo::cargo_bin!("genome"))
        .args(["mcp", "--demo", "--dna-model", "base-tiny", "--device", "cpu"])
        .env("GENOME_CACHE", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    let mut output = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut ask = |line: &str| -> Value {
        writeln!(input, "{line}").unwrap();
        serde_json::from_str(&output.next().unwrap().unwrap()).unwrap()
    };
    let hello = handshake();
    ask(&hello[0]);
    let tools = ask(&format!("{}\n{list}", hello[1]));
    assert!(has_tool(&tools), "{tools}");
    let found = ask(&call(2, "similar_genes", json!({ "to": "rpl2", "by": "sequence", "max_rows": 2 })));
    assert!(text(&found).contains("similarity, not fact") && text(&found).contains("\tsimilarity"), "{found}");
    assert_eq!(found["result"]["structuredContent"]["method"], "similarity");
    let next =
        ask(&call(3, "ask", json!({ "question": "how many of these are on the plus strand?", "follow_up": true })));
    assert!(text(&next).contains("Query: count gene where among"), "{next}");
    let lacks = ask(&call(4, "similar_genes", json!({ "to": "light harvesting" })));
    assert!(text(&lacks).contains("--embedder DIR"), "{lacks}");
    drop(input);
    assert!(client.wait().unwrap().success());
}
