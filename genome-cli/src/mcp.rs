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
}

pub(crate) fn run(args: &McpArgs) -> Result<Outcome> {
    let index = args.genomes.open()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(genome_ask::mcp::serve(index, tokio::io::stdin(), tokio::io::stdout()));
    // Reading stdin cannot be interrupted; there is nothing left to wait for.
    runtime.shutdown_background();
    served?;
    Ok(Outcome::Found)
}
