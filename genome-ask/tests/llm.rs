//! Language models that help, honest and hostile: what they give is a query, or it is refused.

#![cfg(feature = "llm")]

use std::path::PathBuf;

use genome_ask::dialogue::Method;
use genome_ask::llm::{ChatModel, Chooser, LanguageModel, Likelihood, Secret, Task, Transport};
use genome_ask::{Dialogue, Index, Reply, ReplyKind, Result, Source, Store};
use serde_json::{Value, json};

/// Three genes on one sequence.
const GENOME: &str = "LOCUS       DEMO 120 bp DNA circular SYN 01-JAN-2026
FEATURES             Location/Qualifiers
     gene            4..33
                     /gene=\"dnaK\"
                     /locus_tag=\"D_1\"
     CDS             4..33
                     /gene=\"dnaK\"
                     /locus_tag=\"D_1\"
                     /product=\"chaperone protein DnaK\"
                     /translation=\"MKKKKKKKK\"
     gene            complement(40..60)
                     /gene=\"lacZ\"
                     /locus_tag=\"D_2\"
     CDS             complement(40..60)
                     /gene=\"lacZ\"
                     /locus_tag=\"D_2\"
                     /product=\"beta-galactosidase\"
                     /translation=\"MLLLLL\"
     gene            70..80
                     /gene=\"trnA\"
                     /locus_tag=\"D_3\"
     tRNA            70..80
                     /gene=\"trnA\"
                     /locus_tag=\"D_3\"
                     /product=\"tRNA-Ala\"
ORIGIN
        1 cccatgaaga aaaagaaaaa gaaaaagaaa taacccccct taaagaagaa gaagaagcat
       61 cccccccccg ggctagcctt cccccccccc cccccccccc cccccccccc cccccccccc
//
";

/// What no rule of the grammar reads.
const STRANGE: &str = "prithee, wherefore hath dnaK thy chaperone 7";

fn index() -> Index {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("demo.gb");
    std::fs::write(&file, GENOME).unwrap();
    Index::open(&[Source::new(&file)], &Store::Memory).unwrap()
}

/// Gives its lines one after the other.
#[derive(Debug)]
struct Script {
    lines: Vec<&'static str>,
    prose: Option<&'static str>,
    told: Vec<String>,
    asked: usize,
}

impl Script {
    fn new(lines: &[&'static str]) -> Self {
        Self { lines: lines.to_vec(), prose: None, told: Vec::new(), asked: 0 }
    }
}

impl LanguageModel for Script {
    fn name(&self) -> String {
        "script".into()
    }

    fn query(&mut self, task: &Task<'_>) -> Result<String> {
        self.told.extend(task.before.map(|before| before.reason.clone()));
        self.asked += 1;
        Ok(self.lines.get(self.asked - 1).or(self.lines.last()).copied().unwrap_or_default().to_owned())
    }

    fn prose(&mut self, _: &str, answer: &str) -> Result<Option<String>> {
        self.told.push(answer.to_owned());
        Ok(self.prose.map(str::to_owned))
    }
}

fn ask(model: &mut dyn LanguageModel, question: &str, prose: bool) -> Reply {
    Dialogue::new(&index()).ask_with(question, model, prose).unwrap()
}

#[test]
fn a_query_of_a_model_is_run_and_told() {
    let mut model = Script::new(&["list gene where named dnaK"]);
    let reply = ask(&mut model, STRANGE, false);
    assert_eq!(reply.method, Method::LanguageModel);
    assert_eq!(reply.query().unwrap().to_string(), "list gene where named dnaK");
    assert_eq!(reply.answer().unwrap().rows[0].id, "D_1");
    assert_eq!(reply.help.as_ref().unwrap().model, "script");
    let document = serde_json::to_value(reply.document()).unwrap();
    assert_eq!((&document["method"], &document["help"]["model"]), (&json!("language_model"), &json!("script")));

    // The next question goes on from it.
    let index = index();
    let mut dialogue = Dialogue::new(&index);
    dialogue.ask_with(STRANGE, &mut model, false).unwrap();
    let next = dialogue.ask("its protein sequence").unwrap();
    assert_eq!(next.answer().unwrap().rows[0].sequence.as_deref(), Some("MKKKKKKKK"));

    // What the grammar reads, and what no data can tell, is never given to a model.
    for question in ["How many genes are there?", "which gene is expressed most?", "count gene"] {
        let mut model = Script::new(&["count tRNA"]);
        let reply = ask(&mut model, question, false);
        assert_eq!((model.asked, reply.help), (0, None), "{question}");
    }
}

#[test]
fn what_is_no_query_is_refused_with_the_reason() {
    let check = |line: &'static str, reason: &str| {
        let mut model = Script::new(&[line]);
        let reply = ask(&mut model, STRANGE, false);
        let ReplyKind::Declined { .. } = &reply.kind else { panic!("{line}: {:?}", reply.kind) };
        let refused = reply.help.unwrap().refused.unwrap();
        assert!(refused.contains(reason), "{line}: {refused}");
        assert_eq!(reply.method, Method::Grammar);
    };
    check("SELECT * FROM features; DROP TABLE features", "query, column");
    check("count gene; DROP TABLE features", "query, column");
    check("list gene where product has \"x\" OR 1=1 --", "query, column");
    check("count gene\nSELECT 1", "2 lines");
    check("Sure! Here is your query: count gene", "query, column");
    check("{\"tell\":\"count\",\"select\":\"gene\"}", "query, column");
    check("", "nothing");
    check("\u{1b}[31mcount gene", "control");
    check("DECLINE", "no query for this question either");
    check("decline.", "no query for this question either");
    check("list gene where named recA", "names recA, which the question does not");
    check("list gene where gene is \"recA\"", "names recA");
    check("list gene where near thrL within 7", "names thrL");
    check("list gene where among D_2", "names D_2");
    check("count motif(GAATTC)", "names GAATTC");
    check("from other count gene", "names other");
    check("list gene where any(aa > 7, all(strand +, next_to each(gene, named recA) by 1))", "names recA");
    check("count genes", "no features of the kind genes");
    check("list gene where not not not unfinished(", "query, column");
    let deep: &'static str = Box::leak(format!("count gene where {}pseudo", "not ".repeat(1000)).into_boxed_str());
    check(deep, "query");
    let long: &'static str = Box::leak("x".repeat(1 << 20).into_boxed_str());
    check(long, "1048576 bytes");
}

#[test]
fn a_model_may_correct_itself_once() {
    let mut model = Script::new(&["SELECT 1", "count gene where named dnaK"]);
    let reply = ask(&mut model, STRANGE, false);
    assert_eq!((reply.facts().count, model.asked), (Some(1), 2));
    assert!(model.told[0].contains("query, column 1"), "{:?}", model.told);
    assert_eq!(reply.help.unwrap().refused, None);
    let mut model = Script::new(&["SELECT 1"]);
    ask(&mut model, STRANGE, false);
    assert_eq!(model.asked, 2);
}

#[test]
fn what_a_model_adds_is_told() {
    let notes = |line: &'static str| {
        let reply = ask(&mut Script::new(&[line]), STRANGE, false);
        reply.answer().unwrap_or_else(|| panic!("{line}: {reply:?}")).caveats.join("\n")
    };
    let added = notes("count protein where aa > 8 and product has \"foldase\"|\"chaperone\"");
    assert!(
        added.contains("numbers of the query that are not in the question, chosen by the language model: 8"),
        "{added}"
    );
    assert!(
        added.contains("words of the query that are not in the question, chosen by the language model: foldase"),
        "{added}"
    );
    assert!(!notes("count protein where aa > 7 and product has \"chaperone\"").contains("chosen by"));
}

#[test]
fn sentences_may_only_repeat_the_answer() {
    let said = |prose: &'static str| {
        let mut model = Script { prose: Some(prose), ..Script::new(&["list gene where named dnaK"]) };
        let reply = ask(&mut model, STRANGE, true);
        assert!(model.told.iter().any(|told| told.contains("D_1")), "the model sees the answer");
        // Whatever it says, the answer is there.
        assert_eq!(reply.answer().unwrap().rows[0].id, "D_1");
        let help = reply.help.unwrap();
        match (help.prose, help.refused) {
            (Some(prose), None) => Ok(prose),
            (None, Some(reason)) => Err(reason),
            other => panic!("{prose}: {other:?}"),
        }
    };
    for good in [
        "The gene dnaK (D_1) lies at 4-33 on the plus strand.",
        "There is 1 gene: dnaK, with the product chaperone protein DnaK.",
        "One gene, D_1, is found from 4 to 33; it has 30 bp.",
        "DnaK stands at DEMO:4-33.",
    ] {
        assert_eq!(said(good).as_deref(), Ok(good));
    }
    for (bad, reason) in [
        ("There are 2 genes.", "no number 2"),
        ("There are two genes: dnaK.", "no number two"),
        ("It is 1,234 bp long.", "no number 1,234"),
        ("It is 30.5 bp long.", "no number 30.5"),
        ("It has 99% identity.", "no number 99%"),
        ("It lies at 4-34.", "no number 34"),
        ("It has ٣ exons.", "the number"),
        ("It has ½ of the genes.", "the number"),
        ("The gene lacZ is beside it.", "no lacZ"),
        ("Salmonella has dnaK.", "no Salmonella"),
        ("The gene is found in Salmonella.", "no Salmonella"),
        ("The gene trna is beside it.", ""),
        ("The gene lacz is beside it.", "no lacz"),
        ("It is like b0014.", "no b0014"),
        ("It is absent from the plasmid.", "absent"),
        ("No gene was found.", "\"No\""),
        ("A dozen genes.", "no number dozen"),
        ("Half of them.", "\"Half\""),
        ("See https://example.org for dnaK.", "address"),
        ("<script>alert()</script>", "the sign"),
        ("dnaK\u{202e}", "the sign"),
        ("", "there are none"),
    ] {
        match said(bad) {
            Err(found) => assert!(found.contains(reason), "{bad}: {found}"),
            // `trna` is a word of questions.
            Ok(found) => assert!(reason.is_empty(), "{found}"),
        }
    }
    let long: &'static str = Box::leak("dnaK ".repeat(1000).into_boxed_str());
    assert!(said(long).unwrap_err().contains("letters"));
}

/// Answers what it was told to, and echoes the key.
#[derive(Debug)]
struct Wire {
    reply: Result<Vec<u8>, String>,
    key: Secret,
}

impl Transport for Wire {
    fn host(&self) -> String {
        "example.org".into()
    }

    fn post(&mut self, body: &str) -> Result<Vec<u8>, String> {
        serde_json::from_str::<Value>(body).unwrap();
        self.reply.clone()
    }

    fn redact(&self, text: &str) -> String {
        self.key.redact(text)
    }
}

const KEY: &str = "sk-very-secret-0123456789";

fn over_the_wire(reply: Result<Vec<u8>, String>) -> Reply {
    let wire = Wire { reply, key: Secret::new(KEY).unwrap() };
    let reply = ask(&mut ChatModel::new(wire, "some-model"), STRANGE, false);
    let debug = format!("{reply:?} {}", serde_json::to_string(&reply.document()).unwrap());
    assert!(!debug.contains("very-secret") && !debug.contains("0123456789"), "{debug}");
    reply
}

fn completion(content: &str) -> Vec<u8> {
    json!({ "choices": [{ "message": { "role": "assistant", "content": content } }] }).to_string().into_bytes()
}

#[test]
fn chat_completions_are_read() {
    let reply = over_the_wire(Ok(completion("list gene where named dnaK")));
    assert_eq!(reply.answer().unwrap().count, 1);
    assert_eq!(reply.help.unwrap().model, "some-model at example.org");
    let refused = |reply: Result<Vec<u8>, String>| {
        let reply = over_the_wire(reply);
        assert!(matches!(reply.kind, ReplyKind::Declined { .. }));
        reply.help.unwrap().refused.unwrap()
    };
    assert!(refused(Err(format!("status 500: your key {KEY} is bad"))).contains("your key [key] is bad"));
    assert!(refused(Ok(completion(&format!("the key is {KEY}")))).contains("query, column"));
    // Written in escapes of JSON, so that nobody finds it in the bytes.
    let escaped: String = KEY.bytes().map(|b| format!("\\u{b:04x}")).collect();
    let body = format!("{{\"choices\":[{{\"message\":{{\"content\":\"list gene where named {escaped}\"}}}}]}}");
    assert!(!refused(Ok(body.into_bytes())).contains("secret"));
    assert!(refused(Ok(vec![0xff, 0xfe])).contains("no JSON"));
    assert!(refused(Ok(b"{".to_vec())).contains("no JSON"));
    assert!(refused(Ok(vec![b' '; 1 << 20])).contains("longer than"));
}

#[test]
fn only_the_question_leaves() {
    #[derive(Debug)]
    struct Spy(std::sync::Arc<std::sync::Mutex<String>>);
    impl Transport for Spy {
        fn host(&self) -> String {
            "example.org".into()
        }
        fn post(&mut self, body: &str) -> Result<Vec<u8>, String> {
            self.0.lock().unwrap().push_str(body);
            Ok(completion("SELECT 1"))
        }
    }
    let sent = std::sync::Arc::default();
    ask(&mut ChatModel::new(Spy(std::sync::Arc::clone(&sent)), "m"), STRANGE, false);
    let sent = sent.lock().unwrap();
    assert!(sent.contains("prithee") && sent.contains("DECLINE"));
    for of_the_genome in ["D_1", "DnaK", "galactosidase\\\"\\n", "DEMO", "tRNA-Ala", "cccatg"] {
        assert!(!sent.contains(of_the_genome), "{of_the_genome} left: {sent}");
    }
}

/// Likes contexts with this word.
#[derive(Debug)]
struct Likes(&'static str);

impl Likelihood for Likes {
    fn name(&self) -> String {
        "likes".into()
    }

    fn log_likelihood(&mut self, contexts: &[String], text: &str) -> Result<Vec<f64>, String> {
        assert!(text.contains("dnaK"));
        Ok(contexts.iter().map(|context| if context.contains(self.0) { -1.0 } else { -2.0 }).collect())
    }
}

#[test]
fn a_likelihood_chooses_among_queries() {
    let chosen = |word| ask(&mut Chooser::new(Likes(word)), STRANGE, false);
    assert_eq!(chosen("called dnaK").query().unwrap().to_string(), "list gene where named dnaK");
    assert_eq!(chosen("GC content").query().unwrap().to_string(), "gc sequence");
    let declined = chosen("does not tell");
    assert!(declined.help.unwrap().refused.unwrap().contains("no query"));
}

#[test]
fn a_broken_likelihood_is_told() {
    #[derive(Debug)]
    struct Broken(fn(usize) -> Result<Vec<f64>, String>);
    impl Likelihood for Broken {
        fn name(&self) -> String {
            "broken".into()
        }
        fn log_likelihood(&mut self, contexts: &[String], _: &str) -> Result<Vec<f64>, String> {
            (self.0)(contexts.len())
        }
    }
    for (answer, reason) in [
        ((|_| Err("no memory".to_owned())) as fn(usize) -> Result<Vec<f64>, String>, "broken: no memory"),
        (|_| Ok(vec![0.0]), "a likelihood for each choice"),
        (|n| Ok(vec![f64::NAN; n]), "no number"),
    ] {
        let reply = ask(&mut Chooser::new(Broken(answer)), STRANGE, false);
        assert!(reply.help.unwrap().refused.unwrap().contains(reason));
    }
}
