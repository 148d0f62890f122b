//! `genome mcp`: annotated genomes for programs that speak the Model Context Protocol.

use anyhow::Result;
use clap::Args;

use crate::Outcome;
use crate::serve::GenomeArgs;

#[derive(Debug, Args)]
#[command(after_help = "A client starts this program itself. Its configuration, for most of them:\n\n\
    {\n  \"mcpServers\": {\n    \"genome\": { \"command\": \"genome\", \"args\": [\"mcp\", \"/data/ecoli.gbff.gz\"] }\n  }\n}")]
pub(crate) struct McpArgs {
    #[command(flatten)]
    pub(crate) genomes: GenomeArgs,
    /// With a model, the tool similar_genes is there
    #[cfg(feature = "semantic")]
    #[command(flatten)]
    similar: crate::ask_similar::SimilarModels,
    #[cfg(feature = "semantic")]
    #[command(flatten, next_help_heading = "Device of models")]
    device: crate::args::DeviceArgs,
}

/// Genes that `similar_genes` gives where a request does not say.
#[cfg(feature = "semantic")]
const SIMILAR: u64 = 20;

pub(crate) fn run(args: &McpArgs) -> Result<Outcome> {
    let index = args.genomes.open()?;
    #[cfg(not(feature = "semantic"))]
    let similar = None;
    #[cfg(feature = "semantic")]
    let similar: Option<Box<dyn genome_ask::mcp::FindSimilar>> = if args.similar.is_none() {
        None
    } else {
        let place = &args.genomes.index;
        Some(Box::new(crate::ask_similar::Search::new(&args.similar, SIMILAR, &args.device, place, &index)?))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(genome_ask::mcp::serve_with(index, similar, tokio::io::stdin(), tokio::io::stdout()));
    // Reading stdin cannot be interrupted; there is nothing left to wait for.
    runtime.shutdown_background();
    served?;
    Ok(Outcome::Found)
}
