//! The prompt of `genome ask`: one dialogue, with history and completion.

use crate::Outcome;
use crate::ask_open::cache;
use crate::ask_table::Style;
use crate::output::stdout;
use anyhow::Result;
use genome_ask::query::Output;
use genome_ask::{Dialogue, Index};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use std::io::Write;

/// Completes names of the genome and words of questions.
struct Names<'a>(&'a Index);

impl Completer for Names<'_> {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let start = line[..at].rfind([' ', '"', '(']).map_or(0, |blank| blank + 1);
        // A damaged index completes nothing; the question will tell.
        Ok((start, self.0.completions(&line[start..at], 40).unwrap_or_default()))
    }
}

impl Hinter for Names<'_> {
    type Hint = String;
}
impl Highlighter for Names<'_> {}
impl Validator for Names<'_> {}
impl Helper for Names<'_> {}

const HELP: &str = "Ask in plain English; the next question may go on from the answer. Tab completes names and words.\n\
    help      this\n\
    examples  questions to begin with\n\
    explain   show query, SQL and lines of the file with each answer, or no longer\n\
    forget    begin a new dialogue\n\
    quit      end";

pub(crate) fn run(dialogue: &mut Dialogue<&Index>, form: Option<Output>, mut style: Style) -> Result<Outcome> {
    let index: &Index = dialogue.index();
    let genomes = index.genomes()?;
    for genome in &genomes {
        let organism = genome.organism.as_deref().unwrap_or("organism not told");
        println!(
            "{}: {organism}; {} sequences, {} bp, {} features",
            genome.name, genome.sequences, genome.bases, genome.features
        );
    }
    println!("Ask a question, or: help, examples, quit");
    let config = Config::builder().auto_add_history(true).max_history_size(1000)?.build();
    let mut editor: Editor<Names<'_>, FileHistory> = Editor::with_config(config)?;
    // An index of the same file: the dialogue has the first one.
    let own = Index::open_file(index.path()).ok();
    if let Some(own) = &own {
        editor.set_helper(Some(Names(own)));
    }
    let history = cache().ok().map(|folder| folder.join("ask-history.txt"));
    if let Some(history) = &history {
        let _ = editor.load_history(history); // There is none the first time.
    }
    let mut outcome = Outcome::NothingFound;
    loop {
        let line = match editor.readline("> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        match line.trim() {
            "" => {}
            "quit" | "exit" | "q" => break,
            "help" | "?" => println!("{HELP}"),
            "examples" => {
                for examples in dialogue.examples() {
                    println!("{}", examples.category);
                    for question in examples.questions {
                        println!("  {question}");
                    }
                }
            }
            "explain" => {
                style.explain = !style.explain;
                println!("{}", if style.explain { "answers are explained" } else { "answers are not explained" });
            }
            "forget" => dialogue.forget(),
            question => match dialogue.ask(question) {
                Ok(reply) => {
                    if crate::ask::show(&reply, form, style, &mut stdout())? == Outcome::Found {
                        outcome = Outcome::Found;
                    }
                }
                // The next question may be answered.
                Err(error) => println!("error: {}", crate::ui::error_line(&error.into())),
            },
        }
        std::io::stdout().flush()?;
    }
    if let Some(history) = &history {
        let _ = editor.save_history(history); // A prompt without a history is one all the same.
    }
    Ok(outcome)
}
