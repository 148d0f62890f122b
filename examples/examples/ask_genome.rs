//! How do I ask a genome something, in words and by typed queries, and how do I check the answer?
//!
//! `cargo run --release -p examples --example ask_genome [GENOME "QUESTION"]`; without them, a dialogue about the chloroplast of
//! Arabidopsis that comes with the program `genome`.

use genome_ask::{Dialogue, Index, Query, ReplyKind, Source, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../genome-cli/assets/NC_000932.gb").to_owned();
    let genome = arguments.next().unwrap_or(own);
    let index = Index::open(&[Source::discover(genome)], &Store::Memory)?;

    let mut questions: Vec<String> = arguments.collect();
    if questions.is_empty() {
        questions = [
            "Which genes encode ribosomal proteins?",
            "Of these, only those over 200 aa",
            "And the shortest one?",
            "What is on either side of rbcL?",
            "Where is nifH?",
            "Show me the largest",
        ]
        .map(str::to_owned)
        .to_vec();
    }
    // One dialogue: a question may go on from the answer before.
    let mut dialogue = Dialogue::new(&index);
    for question in &questions {
        let reply = dialogue.ask(question)?;
        println!("> {question}");
        if !reply.understood.is_empty() {
            println!("understood: {}", reply.understood);
        }
        println!("{}", reply.text);
        if let ReplyKind::Answered { query, answer } = &reply.kind {
            println!("query: {query}");
            if let Some(row) = answer.rows.first() {
                println!("the first: {} {}:{}-{} line {:?}", row.id, row.seqid, row.start, row.end, row.line);
            }
        }
        println!();
    }

    // The same without words: the typed query, and the SQL that it becomes.
    let query = Query::parse("share(unknown_function) protein")?;
    let answer = index.run(&query)?;
    println!("{query}: {:.2} {}", answer.values[0].value, answer.values[0].unit);
    println!("{}", answer.sql[0].text);
    Ok(())
}
