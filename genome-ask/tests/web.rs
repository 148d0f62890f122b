//! The page: what it shows, and whom it refuses. No sockets; requests go to the router.
#![cfg(feature = "web")]

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use genome_ask::web::{WebConfig, router};
use genome_ask::{Answer, Index, RunLimits, Source, Store};
use tempfile::TempDir;
use tower::ServiceExt;

/// A ring of 3,000 bases with a gene over the origin, names that mean harm, and a name of two genes.
fn genome() -> String {
    let mut out = String::from(
        "LOCUS       RING                    3000 bp    DNA     circular SYN 01-JAN-2026\nSOURCE      Ringus\n  ORGANISM  Ringus <b>bold</b>\nFEATURES             Location/Qualifiers\n",
    );
    let mut feature = |kind: &str, location: &str, qualifiers: &[(&str, &str)]| {
        out.push_str(&format!("     {kind:<16}{location}\n"));
        for (key, value) in qualifiers {
            out.push_str(&format!("                     /{key}=\"{}\"\n", value.replace('"', "\"\"")));
        }
    };
    feature("source", "1..3000", &[("organism", "Ringus <b>bold</b>")]);
    // A name that several genes have had, and none has now.
    let synonym = |tag: &str| if matches!(tag, "R_0004" | "R_0005") { "oldT" } else { "other" };
    let genes = [
        ("join(2901..3000,1..100)", "ovrA", "R_0001", "goes over the origin"),
        ("201..500", "abcA", "R_0002", "<script>alert('product')</script>"),
        ("complement(601..900)", "abcB", "R_0003", "ABC transporter \" onmouseover=\"alert(1)"),
        ("1001..1300", "twin", "R_0004", "first twin"),
        ("1401..1700", "twin", "R_0005", "second twin"),
        ("complement(1801..2100)", "hypZ", "R_0006", "hypothetical protein"),
    ];
    for (location, gene, tag, product) in genes {
        feature("gene", location, &[("gene", gene), ("locus_tag", tag), ("gene_synonym", synonym(tag))]);
        feature("CDS", location, &[("gene", gene), ("locus_tag", tag), ("product", product), ("translation", "MKV")]);
    }
    feature("gene", "2201..2280", &[("gene", "trnA"), ("locus_tag", "R_0007")]);
    feature("tRNA", "2201..2280", &[("gene", "trnA"), ("locus_tag", "R_0007"), ("product", "tRNA-Ala")]);
    out.push_str("ORIGIN\n");
    let letters: String = (0..3000).map(|i| ['a', 'c', 'g', 't'][(i * 7 + i / 5 + i / 11) % 4]).collect();
    for (i, line) in letters.as_bytes().chunks(60).enumerate() {
        let groups: Vec<&str> = line.chunks(10).map(|group| std::str::from_utf8(group).unwrap()).collect();
        out.push_str(&format!("{:>9} {}\n", i * 60 + 1, groups.join(" ")));
    }
    out.push_str("//\n");
    out
}

struct Page {
    router: Router,
    runtime: tokio::runtime::Runtime,
    cookie: Option<String>,
    _folder: TempDir,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Page {
    fn new() -> Self {
        Self::with(WebConfig::default())
    }

    fn with(config: WebConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ring.gb");
        std::fs::write(&file, genome()).unwrap();
        let index = Index::open(&[Source::new(&file)], &Store::Beside).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { router: router(index, config).unwrap(), runtime, cookie: None, _folder: folder }
    }

    /// As a browser would send it: with `Host`, its own `Origin`, and the cookie it was given.
    fn send(&mut self, method: &str, address: &str, form: Option<&str>, more: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method(method).uri(address);
        let named = |name: &str| more.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        if !named("host") {
            request = request.header("host", "127.0.0.1:8000");
        }
        if method == "POST" && !named("origin") {
            request = request.header("origin", "http://127.0.0.1:8000");
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        for (name, value) in more.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let body = match form {
            Some(form) => {
                request = request.header("content-type", "application/x-www-form-urlencoded");
                Body::from(form.to_owned())
            }
            None => Body::empty(),
        };
        let router = self.router.clone();
        let reply = self.runtime.block_on(async move {
            let response = router.oneshot(request.body(body).unwrap()).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
            Reply { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
        });
        if let Some(cookie) = reply.headers.get("set-cookie") {
            self.cookie = Some(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
        reply
    }

    fn get(&mut self, address: &str) -> Reply {
        self.send("GET", address, None, &[])
    }

    /// Asks as the page's script does.
    fn ask(&mut self, question: &str) -> Reply {
        self.send("POST", "/ask", Some(&format!("q={}", encoded(question))), &[("hx-request", "true")])
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

#[test]
fn the_first_page_has_the_box_the_genome_and_examples() {
    let mut page = Page::new();
    let reply = page.get("/");
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.body.contains("Ringus &lt;b&gt;bold&lt;/b&gt;"));
    assert!(reply.body.contains("3,000 bp"));
    for sort in genome_ask::examples() {
        if sort.category != "Going on" {
            assert!(reply.body.contains(&format!("<h2>{}</h2>", sort.category)), "{}", sort.category);
        }
    }
    assert!(reply.body.contains("<label for=\"q\""));
    assert!(reply.body.contains("lang=\"en\""));
    assert!(reply.headers.get("set-cookie").is_none(), "a page that is only looked at makes no dialogue");
    let filled = page.get("/?q=%22%3E%3Cscript%3E");
    assert!(filled.body.contains("value=\"&quot;&gt;&lt;script&gt;\""), "{}", filled.body);
}

#[test]
fn an_answer_shows_how_it_was_understood_a_table_a_picture_and_downloads() {
    let mut page = Page::new();
    let reply = page.ask("list gene where named abcA");
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    let body = &reply.body;
    assert!(body.starts_with("<li class=\"turn\" id=\"turn-1\">"), "{body}");
    for part in [
        "Understood as",
        "R_0002",
        "<svg class=\"genes\"",
        "class=\"feature cds marked\"",
        "Typed query",
        "GFF3",
        "/at?genome=",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(body.contains(">201<") && body.contains(">500<"), "{body}");
    let reloaded = page.get("/");
    assert!(reloaded.body.contains("id=\"turn-1\"") && reloaded.body.contains("R_0002"), "a reload shows the dialogue");
}

#[test]
fn nothing_from_the_file_or_the_question_is_markup() {
    let mut page = Page::new();
    let mut bodies = vec![page.get("/").body];
    for question in
        ["list gene", "list protein show product, note", "list gene where named abcB", "<img src=x onerror=alert(1)>"]
    {
        bodies.push(page.ask(question).body);
    }
    bodies.push(page.get("/").body);
    bodies.push(page.get("/at?genome=ring&seq=RING&start=201&end=500&id=R_0002").body);
    bodies.push(page.get("/at?genome=ring&seq=RING&start=601&end=900&id=R_0003").body);
    bodies.push(page.get("/download?format=csv&q=%3Cscript%3E").body);
    let mut seen_product = false;
    for body in bodies {
        let lower = body.to_lowercase();
        assert!(!lower.contains("<script>") && !lower.contains("<img") && !lower.contains("<b>"), "{body}");
        // The page's own scripts are files.
        assert_eq!(lower.matches("<script").count(), lower.matches("<script src=\"/assets/").count());
        for inline in [" style=", " onmouseover=\"", " onerror=\"", " onclick=", "javascript:"] {
            assert!(!lower.contains(inline), "{inline}: {body}");
        }
        seen_product |= body.contains("&lt;script&gt;alert(");
    }
    assert!(seen_product);
}

#[test]
fn every_response_binds_the_browser() {
    let mut page = Page::new();
    let replies = [
        page.get("/"),
        page.ask("count gene"),
        page.get("/nowhere"),
        page.get("/assets/page.css"),
        page.get("/download?format=json&q=count+gene"),
        page.send("GET", "/", None, &[("host", "evil.example")]),
        page.send("PUT", "/ask", None, &[]),
    ];
    for reply in replies {
        let policy = reply.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{} {policy}", reply.status);
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "same-origin");
        assert_eq!(reply.header("x-frame-options"), "DENY");
        assert_eq!(reply.header("cross-origin-resource-policy"), "same-origin");
        assert!(!reply.header("cache-control").is_empty());
        assert!(reply.header("access-control-allow-origin").is_empty());
    }
}

#[test]
fn foreign_hosts_and_origins_are_refused() {
    let mut page = Page::new();
    let ask = Some("q=count+gene");
    for host in
        ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.7:8000", "localhost@evil.example"]
    {
        assert_eq!(page.send("GET", "/", None, &[("host", host)]).status, StatusCode::FORBIDDEN, "{host}");
        let rebound = [("host", host), ("origin", &*format!("http://{host}"))];
        assert_eq!(page.send("POST", "/ask", ask, &rebound).status, StatusCode::FORBIDDEN, "{host}");
    }
    assert_eq!(page.send("GET", "/", None, &[("host", "")]).status, StatusCode::BAD_REQUEST);
    for own in ["localhost:8000", "[::1]:8000", "127.0.0.1:1"] {
        assert_eq!(page.send("GET", "/", None, &[("host", own)]).status, StatusCode::OK, "{own}");
    }
    for origin in
        ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001", "http://localhost:8000"]
    {
        let reply = page.send("POST", "/ask", ask, &[("origin", origin)]);
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{origin}");
        let read = page.send("GET", "/download?format=json&q=count+gene", None, &[("origin", origin)]);
        assert_eq!(read.status, StatusCode::FORBIDDEN, "{origin}");
    }
    // What the browser says of where a request comes from.
    for site in ["cross-site", "same-site"] {
        let image = page.send("GET", "/download?format=json&q=count+gene", None, &[("sec-fetch-site", site)]);
        assert_eq!(image.status, StatusCode::FORBIDDEN, "{site}");
        let post = page.send("POST", "/ask", ask, &[("sec-fetch-site", site), ("sec-fetch-mode", "navigate")]);
        assert_eq!(post.status, StatusCode::FORBIDDEN, "{site}");
        let navigates = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate")];
        let file = page.send("GET", "/download?format=json&q=count+gene", None, &navigates);
        assert_eq!(file.status, StatusCode::FORBIDDEN, "{site}");
        let link = page.send("GET", "/", None, &navigates);
        assert_eq!(link.status, StatusCode::OK, "a link may open the page");
    }
    assert_eq!(
        page.send("POST", "/ask", ask, &[("sec-fetch-site", "same-origin"), ("hx-request", "true")]).status,
        StatusCode::OK
    );
}

#[test]
fn only_post_changes_something() {
    let mut page = Page::new();
    for address in ["/ask?q=count+gene", "/new"] {
        assert_eq!(page.get(address).status, StatusCode::METHOD_NOT_ALLOWED, "{address}");
    }
    assert!(page.cookie.is_none());
    // A form of another kind, which pages of other sites can send without asking, is none of ours.
    let router = page.router.clone();
    let request = Request::post("/ask").header("host", "127.0.0.1:8000").header("content-type", "text/plain");
    let response = page.runtime.block_on(router.oneshot(request.body(Body::from("q=count gene")).unwrap())).unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn the_cookie_is_for_this_server_alone() {
    let mut page = Page::new();
    let reply = page.ask("count gene");
    let cookie = reply.header("set-cookie").to_owned();
    assert!(cookie.starts_with("genome-dialogue-8000="), "{cookie}");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(page.ask("count gene").headers.get("set-cookie").is_none(), "the dialogue goes on");
    assert!(page.get("/").body.contains("turn-2"));
    let own = page.cookie.replace("genome-dialogue-8000=00000000000000000000000000000000".to_owned());
    assert!(!page.get("/").body.contains("turn-1"), "a guessed name shows nothing");
    page.cookie = own;
    let ended = page.send("POST", "/new", Some(""), &[]);
    assert_eq!((ended.status, ended.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert!(!page.get("/").body.contains("turn-1"));
}

#[test]
fn without_scripts_a_form_leads_back_to_the_page() {
    let mut page = Page::new();
    let reply = page.send("POST", "/ask", Some("q=count+gene"), &[]);
    assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/#turn-1"));
    assert!(page.get("/").body.contains("id=\"turn-1\""));
}

#[test]
fn a_chosen_reading_is_asked_as_it_is() {
    let mut page = Page::new();
    let form = format!("q={}&query={}", encoded("the second twin"), encoded("list gene where among R_0005"));
    let reply = page.send("POST", "/ask", Some(&form), &[("hx-request", "true")]);
    assert!(reply.body.contains("second twin</h2>"), "{}", reply.body);
    assert!(reply.body.contains("R_0005") && !reply.body.contains("complement"), "{}", reply.body);
    let broken = format!("q=x&query={}", encoded("list gene where <"));
    let reply = page.send("POST", "/ask", Some(&broken), &[("hx-request", "true")]);
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(reply.body.contains("column"), "{}", reply.body);
}

#[test]
fn an_ambiguous_name_is_asked_back_with_buttons() {
    let mut page = Page::new();
    let reply = page.ask("list gene where next_to oldT");
    assert!(reply.body.contains("class=\"readings\""), "{}", reply.body);
    assert!(reply.body.contains("R_0004") && reply.body.contains("R_0005"), "{}", reply.body);
    assert!(reply.body.contains("name=\"query\""), "{}", reply.body);
}

#[test]
fn what_is_too_long_is_refused() {
    let mut page = Page::new();
    let long = "a ".repeat(1_001);
    let reply = page.ask(&long);
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(reply.body.contains("longer than 2,000 characters"), "{}", reply.body);
    let megabyte = "x".repeat(1 << 20);
    assert_eq!(page.ask(&megabyte).status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(page.ask("   ").status, StatusCode::BAD_REQUEST);
    assert_eq!(page.send("POST", "/ask", Some("nothing=here"), &[]).status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(page.ask("'; DROP TABLE features; --\u{0}\u{1b}[31m").status, StatusCode::OK);
    assert!(page.ask("count gene").body.contains('7'));
}

#[test]
fn limits_of_time_and_rows_hold() {
    let limits = RunLimits { rows: 2, ..RunLimits::default() };
    let mut page = Page::with(WebConfig { limits, ..WebConfig::default() });
    let reply = page.ask("list gene");
    assert!(reply.body.contains("2 of 7 rows"), "{}", reply.body);
    assert_eq!(reply.body.matches("<th scope=\"row\">").count(), 2);

    let download = RunLimits { rows: 3, ..RunLimits::default() };
    let mut page = Page::with(WebConfig { download, ..WebConfig::default() });
    let reply = page.get("/download?format=csv&q=list+gene");
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE, "a file that would be cut is not made");
    assert_eq!(page.get("/download?format=csv&q=list+gene+limit+3").status, StatusCode::OK);

    let limits = RunLimits { time: Duration::ZERO, ..RunLimits::default() };
    let mut page = Page::with(WebConfig { limits, ..WebConfig::default() });
    let reply = page.ask("list motif(NNNN) where length > 1");
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.body);
    assert!(reply.body.contains("took longer"), "{}", reply.body);
}

#[test]
fn too_many_at_once_are_told_to_come_later() {
    let config = WebConfig { at_once: 1, waiting: 0, patience: Duration::from_secs(5), ..WebConfig::default() };
    let page = Page::with(config);
    let request = || {
        let request = Request::post("/ask").header("host", "localhost").header("hx-request", "true");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        page.router.clone().oneshot(request.body(Body::from("q=list+motif(NNNNNN)")).unwrap())
    };
    let statuses = page.runtime.block_on(async {
        let all: Vec<_> = (0..20).map(|_| tokio::spawn(request())).collect();
        let mut out = Vec::new();
        for one in all {
            out.push(one.await.unwrap().unwrap());
        }
        out
    });
    let busy: Vec<_> = statuses.iter().filter(|reply| reply.status() == StatusCode::SERVICE_UNAVAILABLE).collect();
    assert_eq!(statuses.len() - busy.len(), 1, "one is answered");
    assert!(busy.iter().all(|reply| reply.headers().contains_key("retry-after")));
}

#[test]
fn dialogues_are_bounded() {
    let mut page = Page::with(WebConfig { dialogues: 2, ..WebConfig::default() });
    page.ask("count gene");
    let first = page.cookie.take();
    for _ in 0..3 {
        page.ask("count gene");
        page.cookie = None;
    }
    page.cookie = first;
    assert!(!page.get("/").body.contains("turn-1"), "the oldest made room");
}

#[test]
fn downloads_are_files() {
    let mut page = Page::new();
    let query = "list protein where named abcA";
    for (format, kind, begins) in [
        ("json", "application/json", "{\"version\":1"),
        ("csv", "text/csv", "id,locus_tag,gene,kind,"),
        ("fasta", "text/x-fasta", ">R_0002 abcA <script>"),
        ("gff3", "text/x-gff3", "##gff-version 3\nRING\tgenome-ask\tCDS\t201\t500\t.\t+\t0\t"),
    ] {
        let address = format!("/download?format={format}&q={}", encoded(query));
        let reply = page.get(&address);
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        assert!(reply.header("content-type").starts_with(kind));
        assert!(
            reply.header("content-disposition").starts_with(&format!("attachment; filename=\"ring-answer.{format}\""))
        );
        assert!(reply.body.starts_with(begins), "{}", reply.body);
        let posted = page.send("POST", "/download", Some(&address["/download?".len()..]), &[]);
        assert_eq!(posted.body, reply.body, "long queries are posted");
    }
    let json = page.get(&format!("/download?format=json&q={}", encoded(query))).body;
    let answer: Answer = serde_json::from_str(&json).unwrap();
    assert_eq!((answer.count, answer.rows[0].line.is_some()), (1, true));
    let groups = page.get(&format!("/download?format=csv&q={}", encoded("count feature group by kind"))).body;
    assert!(
        groups.starts_with("value,label,count,per_thousand,share\n") && groups.contains("\nCDS,,6,,\n"),
        "{groups}"
    );
    let values = page.get(&format!("/download?format=csv&q={}", encoded("median(aa) protein"))).body;
    assert_eq!(values, "name,value,unit\nmedian aa,3,aa\n");
    for (address, status) in [
        ("/download?format=exe&q=list+gene", StatusCode::BAD_REQUEST),
        ("/download?format=csv", StatusCode::BAD_REQUEST),
        ("/download?format=csv&q=nonsense", StatusCode::UNPROCESSABLE_ENTITY),
        ("/download?format=gff3&q=list+rRNA", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(page.get(address).status, status, "{address}");
    }
    let none = page.get("/download?format=gff3&q=list+rRNA").body;
    assert!(none.contains("not annotated"), "{none}");
}

#[test]
fn a_gene_has_a_page() {
    let mut page = Page::new();
    let over = page.get("/at?genome=ring&seq=RING&start=2901&end=100&id=R_0001");
    assert_eq!(over.status, StatusCode::OK, "{}", over.body);
    for part in ["ovrA", "goes over the origin", "R_0001", "<svg class=\"genes\"", "marked", "2,901-100", "line"] {
        assert!(over.body.contains(part), "{part}: {}", over.body);
    }
    let place = page.get("/at?genome=ring&seq=RING&start=510&end=590");
    assert!(place.body.contains("RING:510-590") && place.body.contains("/download"), "{}", place.body);
    for (address, status) in [
        ("/at?genome=ring&seq=RING&start=0&end=5", StatusCode::NOT_FOUND),
        ("/at?genome=ring&seq=RING&start=1&end=18446744073709551615", StatusCode::NOT_FOUND),
        ("/at?genome=ring&seq=elsewhere&start=1&end=5", StatusCode::NOT_FOUND),
        ("/at?genome=ring&seq=RING&start=x&end=5", StatusCode::BAD_REQUEST),
        ("/at?genome=ring&seq=RING&start=1&end=5&flank=18446744073709551615", StatusCode::OK),
        ("/at?genome=ring&seq=RING&start=1&end=5&id=%22%3E%3Cscript%3E", StatusCode::OK),
    ] {
        let reply = page.get(address);
        assert_eq!(reply.status, status, "{address}");
        assert!(!reply.body.contains("<script>"), "{}", reply.body);
    }
    let elsewhere = page.get("/at?genome=nowhere&seq=RING&start=1&end=5");
    assert!(elsewhere.status.is_client_error(), "{}", elsewhere.status);
}

#[test]
fn assets_are_embedded() {
    let mut page = Page::new();
    let body = page.get("/").body;
    let mut found = 0;
    for piece in body.split('"').filter(|piece| piece.starts_with("/assets/")) {
        let reply = page.get(piece);
        assert_eq!(reply.status, StatusCode::OK, "{piece}");
        assert!(reply.header("cache-control").contains("immutable"));
        found += 1;
    }
    assert_eq!(found, 4);
    assert!(page.get("/assets/htmx-LICENSE.txt").body.contains("Zero-Clause BSD"));
    for name in ["..%2F..%2FCargo.toml", "nothing", "%2e%2e%2fmod.rs"] {
        assert_eq!(page.get(&format!("/assets/{name}")).status, StatusCode::NOT_FOUND);
    }
}

#[test]
fn several_genomes_share_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let sources = ["first", "second"].map(|name| {
        let file = folder.path().join(format!("{name}.gb"));
        std::fs::write(&file, genome().replace("RING", &name.to_uppercase())).unwrap();
        Source::new(file)
    });
    let mut page = Page::new();
    let index = Index::open(&sources, &Store::File(folder.path().join("both"))).unwrap();
    page.router = router(index, WebConfig::default()).unwrap();
    let body = page.get("/").body;
    assert!(body.contains("2 genomes") && body.contains("first · GenBank"), "{body}");
    let reply = page.ask("list gene where named abcA");
    for part in [
        "<th scope=\"col\" class=\"text\">Genome</th>",
        "genome=first",
        "genome=second",
        "FIRST, 3,000 bp, circular",
        "SECOND, 3,000 bp",
    ] {
        assert!(reply.body.contains(part), "{part}: {}", reply.body);
    }
    assert!(page.get("/at?genome=second&seq=SECOND&start=201&end=500&id=R_0002").body.contains("second.gb, line"));
}

#[test]
fn an_index_in_memory_answers_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ring.gb");
    std::fs::write(&file, genome()).unwrap();
    let mut page = Page::new();
    let index = Index::open(&[Source::new(&file)], &Store::Memory).unwrap();
    page.router = router(index, WebConfig::default()).unwrap();
    for _ in 0..3 {
        assert!(page.ask("count gene").body.contains('7'));
    }
}
