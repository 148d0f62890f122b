//! The prompt of `genome ask`: one dialogue, with history and completion.

use crate::Outcome;
use crate::ask_help::Helpers;
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
use std::ops::ControlFlow;

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

pub(crate) fn run(
    dialogue: &mut Dialogue<&Index>,
    helpers: &mut Helpers,
    form: Option<Output>,
    style: Style,
) -> Result<Outcome> {
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
    let mut editor: Editor<Names<'_>, FileHistory> = editor()?;
    // An index of the same file: the dialogue has the first one.
    let own = Index::open_file(index.path()).ok();
    if let Some(own) = &own {
        editor.set_helper(Some(Names(own)));
    }
    let history = cache().ok().map(|folder| folder.join(HISTORY));
    if let Some(history) = &history {
        let _ = editor.load_history(history); // There is none the first time.
    }
    let mut prompt = Prompt { dialogue, helpers, form, style, outcome: Outcome::NothingFound };
    loop {
        let line = match editor.readline("> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        let mut out = stdout();
        if prompt.line(&line, &mut out)?.is_break() {
            break;
        }
        out.flush()?;
    }
    let outcome = prompt.outcome;
    if let Some(history) = &history {
        let _ = editor.save_history(history); // A prompt without a history is one all the same.
    }
    Ok(outcome)
}

/// The history's name in the cache folder.
const HISTORY: &str = "ask-history.txt";

/// An editor that keeps what is typed; one line, one entry, and none twice in a row.
fn editor<'a>() -> Result<Editor<Names<'a>, FileHistory>> {
    let config = Config::builder().auto_add_history(true).max_history_size(1000)?.build();
    Ok(Editor::with_config(config)?)
}

/// What a line of the prompt does.
struct Prompt<'p, 'i> {
    dialogue: &'p mut Dialogue<&'i Index>,
    helpers: &'p mut Helpers,
    form: Option<Output>,
    style: Style,
    outcome: Outcome,
}

impl Prompt<'_, '_> {
    /// A command of the prompt, or a question.
    fn line(&mut self, line: &str, out: &mut dyn Write) -> Result<ControlFlow<()>> {
        match line.trim() {
            "" => {}
            "quit" | "exit" | "q" => return Ok(ControlFlow::Break(())),
            "help" | "?" => writeln!(out, "{HELP}")?,
            "examples" => {
                for examples in self.dialogue.examples() {
                    writeln!(out, "{}", examples.category)?;
                    for question in examples.questions {
                        writeln!(out, "  {question}")?;
                    }
                }
            }
            "explain" => {
                self.style.explain = !self.style.explain;
                let now = if self.style.explain { "answers are explained" } else { "answers are not explained" };
                writeln!(out, "{now}")?;
            }
            "forget" => {
                self.dialogue.forget();
                writeln!(out, "forgotten: the next question stands alone")?;
            }
            question => match self.helpers.ask(self.dialogue, question) {
                Ok(reply) => {
                    if crate::ask::show(&reply, self.form, self.style, out)? == Outcome::Found {
                        self.outcome = Outcome::Found;
                    }
                }
                // The next question may be answered.
                Err(error) => writeln!(out, "error: {}", crate::ui::error_line(&error))?,
            },
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Command, parse};
    use genome_ask::{Source, Store};

    fn index() -> Index {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/NC_000932.gb");
        Index::open(&[Source::new(file)], &Store::Memory).unwrap()
    }

    #[test]
    fn tab_completes_names_and_words() {
        let index = index();
        let history = FileHistory::new();
        let names = Names(&index);
        let check = |line: &str, at: usize, start: usize, first: &[&str]| {
            let (found, candidates) = names.complete(line, at, &Context::new(&history)).unwrap();
            assert_eq!(found, start, "{line}");
            for expected in first {
                assert!(candidates.iter().any(|name| name == expected), "{line}: {expected} not in {candidates:?}");
            }
            assert!(candidates.len() <= 40, "{line}: {}", candidates.len());
            let typed = line[start..at].to_lowercase();
            assert!(candidates.iter().all(|name| name.to_lowercase().starts_with(&typed)), "{line}: {candidates:?}");
        };
        check("where is rb", 11, 9, &["rbcL"]);
        check("where is RBC", 12, 9, &["rbcL"]);
        check("between psbA and ps", 12, 8, &["psbA"]); // in the middle of a line
        check("near \"ArthCp00", 14, 6, &["ArthCp002"]); // behind a quote
        check("riboso", 6, 0, &["ribosomal"]);
        check("gène é rbc", 12, 9, &["rbcL"]); // places are bytes
        check("", 0, 0, &[]);
        check("zzzz", 4, 0, &[]);
        check("x' OR '1'='1", 12, 6, &[]);
    }

    #[test]
    fn history_is_kept_between_prompts() {
        let folder = std::env::temp_dir().join(format!("genome-history-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(HISTORY);
        let mut first = editor().unwrap();
        assert!(first.load_history(&file).is_err(), "there is none yet");
        for line in ["where is rbcL?", "where is rbcL?", "and its protein?"] {
            first.add_history_entry(line).unwrap();
        }
        first.save_history(&file).unwrap();
        let mut second = editor().unwrap();
        second.load_history(&file).unwrap();
        let lines: Vec<&str> = second.history().iter().map(String::as_str).collect();
        assert_eq!(lines, ["where is rbcL?", "and its protein?"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn lines_are_commands_or_questions() {
        let index = index();
        let mut dialogue = Dialogue::new(&index);
        let words = ["genome", "ask", "--demo", "--index", "memory"].map(Into::into);
        let Command::Ask(args) = parse(words).unwrap().command else { panic!("no ask") };
        let mut helpers = Helpers::open(&args, &index).unwrap();
        let mut prompt = Prompt {
            dialogue: &mut dialogue,
            helpers: &mut helpers,
            form: None,
            style: Style { rows: 5, explain: false, width: None },
            outcome: Outcome::NothingFound,
        };
        let mut said = |line: &str| {
            let mut out = Vec::new();
            let flow = prompt.line(line, &mut out).unwrap();
            (String::from_utf8(out).unwrap(), flow.is_break(), prompt.outcome)
        };
        assert_eq!(said("  "), (String::new(), false, Outcome::NothingFound));
        assert!(said("help").0.contains("Tab completes"));
        assert!(said("examples").0.contains("rbcL"));
        let (answer, _, outcome) = said("How many proteins are longer than 1000 aa?");
        assert!(answer.starts_with("I read this as: number of proteins"), "{answer}");
        assert_eq!(outcome, Outcome::Found);
        assert!(said("of these, only those on the minus strand").0.contains("minus strand"));
        assert!(said("explain").0.contains("are explained"));
        assert!(said("how many tRNAs?").0.contains("sql: "));
        assert!(said("forget").0.contains("stands alone"));
        assert!(said("of these, only those on the minus strand").0.contains("Nothing was asked before"));
        assert!(said("quit").1);
    }
}
