//! The page in a real browser: ask, go on, download, dark, phone, keyboard, without scripts. Skipped where there is no Chromium.
#![cfg(feature = "web")]

#[path = "common/devtools.rs"]
mod devtools;

use std::path::Path;
use std::time::{Duration, Instant};

use devtools::Browser;
use genome_ask::web::{WebConfig, router};
use genome_ask::{Index, Source, Store};
use serde_json::json;

/// The page of the demo's chloroplast at an address of this machine; it lives as long as the runtime.
fn server(folder: &Path) -> (tokio::runtime::Runtime, String) {
    let file = folder.join("chloroplast.gb");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../genome-cli/assets/NC_000932.gb"), &file).unwrap();
    let index = Index::open(&[Source::new(&file)], &Store::Beside).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let router = router(index, WebConfig::default()).unwrap();
    runtime.spawn(async move { axum::serve(listener, router).await });
    (runtime, address)
}

/// Asks through the question box, as a person types.
fn ask(browser: &Browser, question: &str, turn: u32) {
    browser.eval("document.getElementById('q').focus()");
    browser.write(question);
    browser.press("Enter");
    browser.wait(&format!("document.getElementById('turn-{turn}')"));
    browser.wait("document.getElementById('q').value === ''");
}

/// The contrast of text and ground, by WCAG 2, of what selectors find.
const CONTRAST: &str = r#"
(() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\d.]+/g).map(Number).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const low = [];
  for (const element of document.querySelectorAll("p, h1, h2, td, th, a, button, summary, dt, dd, code, li, figcaption, input")) {
    const shown = element.checkVisibility() && element.innerText !== "" && !element.closest("svg");
    if (!shown) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) low.push(`${element.tagName}.${element.className} ${contrast.toFixed(2)}`);
  }
  return [...new Set(low)].join("; ");
})()
"#;

/// What has neither a text nor a label for those who do not see it.
const NAMELESS: &str = r#"
[...document.querySelectorAll("a, button, input, [role=region], svg[role]")]
  .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length || e.type === "hidden"))
  .map((e) => e.outerHTML.slice(0, 100)).join("\n")
"#;

#[test]
fn a_person_asks_goes_on_downloads_and_looks() {
    let folder = tempfile::tempdir().unwrap();
    let downloads = folder.path().join("downloads");
    std::fs::create_dir(&downloads).unwrap();
    let Some(browser) = Browser::start("a_person_asks_goes_on_downloads_and_looks", &downloads) else { return };
    let (runtime, address) = server(folder.path());

    browser.resize(1280, 900, false);
    browser.light("light");
    browser.open(&address);
    assert_eq!(browser.text("document.querySelector('h1').innerText"), "Arabidopsis thaliana");
    assert!(browser.eval("document.querySelectorAll('.examples button').length").as_u64().unwrap() > 10);
    browser.picture("1-empty");

    // Ask.
    ask(&browser, "Which genes encode ribosomal proteins?", 1);
    assert!(browser.text("document.querySelector('#turn-1 .understood').innerText").starts_with("Understood as"));
    let rows = browser.eval("document.querySelectorAll('#turn-1 tbody tr').length").as_u64().unwrap();
    assert!(rows > 10, "{rows}");
    assert!(browser.text("document.querySelector('#turn-1 table').innerText").contains("rps12"));
    assert_eq!(browser.eval("document.querySelectorAll('#turn-1 svg.map .mark').length"), json!(rows));
    assert_eq!(browser.eval("document.getElementById('welcome').open"), json!(false));
    assert_eq!(browser.text("document.activeElement.id"), "q", "the next question can be typed at once");
    assert!(!browser.text("document.getElementById('status').textContent").is_empty(), "the answer is spoken");
    std::thread::sleep(Duration::from_millis(700)); // smooth scrolling
    browser.picture("2-answer");

    // Go on.
    ask(&browser, "Of these, only those on the minus strand", 2);
    let fewer = browser.eval("document.querySelectorAll('#turn-2 tbody tr').length").as_u64().unwrap();
    assert!((1..rows).contains(&fewer), "{fewer} of {rows}");
    let strands = "[...document.querySelectorAll('#turn-2 tbody tr')].every((row) => row.innerText.includes('−'))";
    assert_eq!(browser.eval(strands), json!(true));

    // A neighbourhood.
    ask(&browser, "What is next to rbcL?", 3);
    assert!(browser.eval("document.querySelectorAll('#turn-3 svg.genes a.feature').length").as_u64().unwrap() >= 3);
    std::thread::sleep(Duration::from_millis(700));
    browser.picture("3-neighbourhood");

    // Earlier questions come back, "/" leads to the box.
    browser.eval("document.activeElement.blur()");
    browser.press("/");
    assert_eq!(browser.text("document.activeElement.id"), "q");
    browser.press("ArrowUp");
    assert_eq!(browser.text("document.getElementById('q').value"), "What is next to rbcL?");
    browser.eval("document.getElementById('q').value = ''");

    // Download.
    browser.click("#turn-2 .downloads button[value=csv]");
    let file = downloads.join("chloroplast-answer.csv");
    let end = Instant::now() + Duration::from_secs(30);
    while !file.is_file() {
        assert!(Instant::now() < end, "nothing was downloaded");
        std::thread::sleep(Duration::from_millis(30));
    }
    let csv = std::fs::read_to_string(&file).unwrap();
    assert_eq!(csv.lines().count() as u64, fewer + 1, "{csv}");
    assert!(csv.starts_with("id,locus_tag,gene,"));

    // How it was computed.
    browser.click("#turn-3 .computed summary");
    assert!(browser.text("document.querySelector('#turn-3 .computed').innerText").contains("SELECT"));
    browser.picture("4-computed");

    // A reload keeps the dialogue.
    browser.open(&address);
    assert_eq!(browser.eval("document.querySelectorAll('.turn').length"), json!(3));

    // Light and dark, readable in both, and by choice.
    assert_eq!(browser.text(CONTRAST), "");
    assert_eq!(browser.text(NAMELESS), "");
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = browser.text(ground);
    browser.light("dark");
    assert_ne!(browser.text(ground), light);
    assert_eq!(browser.text(CONTRAST), "");
    browser.eval("document.getElementById('turn-3').scrollIntoView({ behavior: 'instant' })");
    browser.picture("5-dark");
    browser.click("#theme");
    assert_eq!(browser.text(ground), light, "light was chosen");
    browser.open(&address);
    assert_eq!(browser.text(ground), light, "and is remembered");
    browser.click("#theme");
    assert_ne!(browser.text(ground), light, "dark was chosen");
    browser.click("#theme");

    // The page of a gene, by keyboard.
    browser.light("light");
    browser.eval("document.querySelector('#turn-3 svg a.marked').focus()");
    browser.press("Enter");
    browser.wait("location.pathname === '/at' && document.readyState === 'complete'");
    assert!(browser.text("document.querySelector('.details').innerText").contains("Position"));
    assert_eq!(browser.text(CONTRAST), "");
    assert_eq!(browser.text(NAMELESS), "");
    browser.picture("6-gene");
    browser.light("dark");
    browser.picture("7-gene-dark");

    // A phone.
    browser.light("light");
    browser.resize(390, 844, true);
    let overflow = "document.documentElement.scrollWidth > innerWidth";
    assert_eq!(browser.eval(overflow), json!(false));
    browser.picture("8-phone-gene");
    browser.open(&address);
    assert_eq!(browser.eval(overflow), json!(false));
    browser.eval("document.getElementById('turn-3').scrollIntoView({ behavior: 'instant' })");
    browser.picture("9-phone-answer");
    browser.eval("document.querySelector('.tools form button').click()");
    browser.wait("document.querySelectorAll('.turn').length === 0 && document.readyState === 'complete'");
    assert_eq!(browser.eval(overflow), json!(false));
    let tall = "[...document.querySelectorAll('button')].filter((b) => b.checkVisibility()).every((b) => b.getBoundingClientRect().height >= 24)";
    assert_eq!(browser.eval(tall), json!(true), "buttons are large enough for fingers");
    browser.picture("10-phone-empty");

    assert_eq!(browser.complaints(), Vec::<String>::new());

    // Without scripts.
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&address);
    browser.eval("document.getElementById('q').focus()");
    browser.write("How many tRNA genes are annotated?");
    browser.press("Enter");
    browser.wait("document.getElementById('turn-1')");
    assert!(browser.text("document.getElementById('turn-1').innerText").contains("37"));
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": false }));

    // The server is stopped while the page is open.
    browser.open(&address);
    runtime.shutdown_background();
    browser.eval("document.getElementById('q').focus()");
    browser.write("How many genes?");
    browser.press("Enter");
    browser.wait("document.body.classList.contains('lost')");
    assert!(browser.text("document.getElementById('status').innerText").contains("does not answer"));
    assert_eq!(browser.text("document.getElementById('q').value"), "How many genes?", "the question is not lost");
    browser.picture("11-lost");
}

#[test]
fn a_reading_is_chosen_with_a_button() {
    let folder = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::start("a_reading_is_chosen_with_a_button", folder.path()) else { return };
    let (_runtime, address) = server(folder.path());
    browser.resize(1280, 900, false);
    browser.open(&address);
    ask(&browser, "Show me the largest", 1);
    let readings = browser.eval("document.querySelectorAll('#turn-1 .readings button').length").as_u64().unwrap();
    assert!(readings >= 2, "{}", browser.text("document.getElementById('turn-1').innerText"));
    browser.picture("12-ambiguous");
    browser.click("#turn-1 .readings button");
    browser.wait("document.querySelector('#turn-2 table')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn every_kind_of_answer_fits_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::start("every_kind_of_answer_fits_the_window", folder.path()) else { return };
    let (_runtime, address) = server(folder.path());
    browser.resize(1280, 900, false);
    browser.open(&address);
    let questions = [
        "How many tRNA genes are annotated?",
        "What is the GC content of the genome?",
        "count feature group by kind",
        "codon_usage cds where named rbcL",
        "list cluster(protein, gap 2000, min 3) where product has \"ribosomal protein\"",
        "list motif(EcoRI) limit 20",
        "Show the protein sequence of rbcL",
        "list intergenic where length > 1000",
        "Where is rps12?",
        "What is the meaning of life?",
        "What is near it?",
        "Which of these genes has a signal peptide prediction?",
        "How many rRNA genes on the moon?",
        "list orf(min 100) where unannotated",
        "list gene where among ArthCp001|ArthCp047 show note, db_xref, location",
        "<b>&lt;&amp;\"'`${1}\u{202e}",
    ];
    for (i, question) in questions.iter().enumerate() {
        ask(&browser, question, i as u32 + 1);
        std::thread::sleep(Duration::from_millis(700));
        browser.picture(&format!("kind-{:02}", i + 1));
        for width in [390, 1280] {
            browser.resize(width, 844, width == 390);
            let wide = "[...document.querySelectorAll('.turn:last-child *')].filter((e) => !e.closest('.scroll, .unseen') && \
                 e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80)).join()";
            assert_eq!(browser.text(wide), "", "{question} at {width}");
            assert_eq!(browser.eval("document.documentElement.scrollWidth > innerWidth"), json!(false), "{question}");
        }
    }
    assert_eq!(browser.text(CONTRAST), "");
    assert_eq!(browser.text(NAMELESS), "");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
