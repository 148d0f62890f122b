//! Questions about annotated genomes, answered from the file and cited.
//!
//! A genome file becomes an [`Index`], one SQLite file. A [`Query`] is the only thing that touches it: which rows, what must hold
//! of them, what is told. A [`Dialogue`] turns questions in plain English into queries, by a fixed grammar. An [`Answer`] has the rows with coordinates, file and line, the numbers, the SQL that was run, and what
//! should be known before it is used: what is *not annotated* is never told as absent.
//!
//! ```
//! use genome_ask::{Dialogue, Index, Query, Source, Store};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let file = folder.path().join("demo.gb");
//! # std::fs::write(&file, "LOCUS       DEMO 60 bp DNA circular SYN 01-JAN-2026\nFEATURES             Location/Qualifiers
//! #      gene            4..12\n                     /gene=\"demA\"\n                     /locus_tag=\"D_1\"
//! #      CDS             4..12\n                     /gene=\"demA\"\n                     /locus_tag=\"D_1\"
//! #                      /product=\"ABC transporter\"\n                     /translation=\"MK\"
//! # ORIGIN
//! #         1 cccatgaaat aacccccccc cccccccccc cccccccccc cccccccccc gaattccccc\n//\n").unwrap();
//! let index = Index::open(&[Source::new(&file)], &Store::Memory)?;
//! let answer = index.run(&Query::parse("list protein where product has \"abc transporter\"")?)?;
//! let row = &answer.rows[0];
//! assert_eq!((&*row.id, row.start, row.end, &*row.strand, row.aa), ("D_1", 4, 12, "+", Some(2)));
//! assert_eq!(row.line, Some(6)); // of the file
//!
//! let mut dialogue = Dialogue::new(&index);
//! let reply = dialogue.ask("Which genes encode ABC transporters?")?;
//! assert_eq!(reply.understood, "proteins with the words \u{201c}ABC transporter\u{201d} in the product");
//! assert_eq!(dialogue.ask("And how many are on the minus strand?")?.facts().count, Some(0));
//!
//! let sites = index.run(&Query::parse("count motif(EcoRI)")?)?;
//! assert_eq!(sites.count, 1);
//!
//! let nothing = index.run(&Query::parse("count CRISPR")?)?;
//! assert!(!nothing.status.is_ok()); // "not annotated: ...; that is not to say that the genome has none"
//! # Ok::<(), genome_ask::Error>(())
//! ```
//!
//! # Modules
//!
//! | item | what |
//! |---|---|
//! | [`Index`], [`Source`], [`Store`], [`IndexLimits`], [`GenomeInfo`] | genome files as one SQLite file, made again when they change |
//! | [`dialogue`]: [`Dialogue`], [`Reply`], [`examples`] | questions in plain English, one after the other |
//! | [`query`]: [`Query`] | the typed query, its text and its JSON |
//! | [`Index::run`], [`RunLimits`] | a query on an index, within limits of time and size |
//! | [`answer`]: [`Answer`] | what was found, and where it stands |
//! | [`mod@write`] | answers as JSON, CSV, TSV, FASTA and GFF3 |
//! | [`Index::compare`], [`Comparison`] | two genomes by gene name or product |
//! | [`biology`] | weight and isoelectric point of proteins, restriction enzymes |
//! | `llm` (feature) | a language model that is given turns what the grammar does not understand into a query |
//! | `semantic` (feature) | genes like a text, a gene or a sequence, by vectors of a model that is given |
//! | `web` (feature) | a web page: dialogue, pictures, downloads |
//! | `mcp` (feature) | a server for the Model Context Protocol |
//! | [`Error`] | what went wrong |

pub mod answer;
pub mod biology;
mod compare;
pub mod dialogue;
mod error;
mod execute;
pub mod index;
#[cfg(feature = "llm")]
pub mod llm;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod query;
mod say;
#[cfg(feature = "semantic")]
pub mod semantic;
mod understand;
#[cfg(feature = "web")]
pub mod web;
pub mod write;

pub use answer::Answer;
pub use compare::Comparison;
pub use dialogue::{Dialogue, Reply, ReplyKind, examples};
pub use error::{Error, Result};
pub use execute::RunLimits;
pub use index::{GenomeInfo, Index, IndexLimits, Source, Store};
pub use query::Query;
