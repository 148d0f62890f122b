//! Models that help a dialogue: none unless the command line names them.

use crate::ask_args::AskArgs;
use anyhow::Result;
use genome_ask::{Dialogue, Index, Reply};

/// What answers questions: the grammar, then similarity, then a language model, each only where it is asked for.
#[derive(Debug)]
pub(crate) struct Helpers {
    #[cfg(feature = "llm")]
    model: Option<Box<dyn genome_ask::llm::LanguageModel>>,
    #[cfg(feature = "llm")]
    prose: bool,
    #[cfg(feature = "semantic")]
    search: crate::ask_similar::Search,
}

impl Helpers {
    /// Checks what the command line says. Language models are read now; those of similarity when a question needs them.
    #[cfg_attr(
        not(any(feature = "llm", feature = "semantic")),
        allow(unused_variables, reason = "a build without models needs nothing")
    )]
    pub(crate) fn open(args: &AskArgs, index: &Index) -> Result<Self> {
        Ok(Self {
            #[cfg(feature = "llm")]
            model: args.llm.open(&args.device)?,
            #[cfg(feature = "llm")]
            prose: args.llm.prose(),
            #[cfg(feature = "semantic")]
            search: crate::ask_similar::Search::new(
                &args.similar.models,
                args.similar.similar,
                &args.device,
                &args.index,
                index,
            )?,
        })
    }

    /// The next turn of a dialogue.
    pub(crate) fn ask(&mut self, dialogue: &mut Dialogue<&Index>, question: &str) -> Result<Reply> {
        #[cfg(feature = "semantic")]
        if let Some(reply) = self.search.ask(dialogue, question)? {
            return Ok(reply);
        }
        #[cfg(feature = "llm")]
        if let Some(model) = &mut self.model {
            return Ok(dialogue.ask_with(question, model.as_mut(), self.prose)?);
        }
        Ok(dialogue.ask(question)?)
    }

    /// The reply of `--similar-to`.
    #[cfg(feature = "semantic")]
    pub(crate) fn similar_to(&mut self, dialogue: &mut Dialogue<&Index>, gene: &str) -> Result<Reply> {
        self.search.of_gene(dialogue, gene)
    }
}
