//! `genome serve`: a web page on this machine that answers questions about annotated genomes.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use genome_ask::Index;
use genome_ask::web::{WebConfig, router};
use tokio::net::TcpListener;

use crate::ask_args::IndexArgs;
use crate::ui::thousands;
use crate::{Outcome, ask_open};

/// The port where none is asked for and this one is free.
const PORT: u16 = 8417;

/// Genomes that a server answers about.
#[derive(Debug, Clone, Args)]
pub(crate) struct GenomeArgs {
    /// Genomes: GenBank, EMBL, GFF3, GTF, FASTA; plain or compressed
    #[arg(value_name = "FILE", required_unless_present = "demo", conflicts_with = "demo")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) index: IndexArgs,
}

impl GenomeArgs {
    /// Opens the index; makes it first where there is none or a file has changed.
    pub(crate) fn open(&self) -> Result<Index> {
        ask_open::open(&self.files, &self.index)
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "The page is reached from this machine alone, at 127.0.0.1. To see one that runs on another machine, forward its port:\n  \
    ssh -L 8417:127.0.0.1:8417 HOST\n\n\
    Examples:\n  genome serve --demo\n  genome serve ecoli.gbff.gz"
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) genomes: GenomeArgs,
    /// The port; default 8417, or any free one if that is taken. 0: any free one
    #[arg(long)]
    pub(crate) port: Option<u16>,
}

pub(crate) fn run(args: &ServeArgs) -> Result<Outcome> {
    let index = args.genomes.open()?;
    for genome in index.genomes()? {
        let organism = genome.organism.map(|organism| format!("{organism}, ")).unwrap_or_default();
        let (bases, features) = (thousands(genome.bases as usize), thousands(genome.features as usize));
        eprintln!("{}: {organism}{bases} bp, {features} features", genome.name);
    }
    let router = router(index, WebConfig::default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = listen(args.port).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "http://{}/", listener.local_addr()?)?;
        out.flush()?;
        drop(out);
        eprintln!("open this address in a browser; Ctrl-C ends it");
        tokio::select! {
            served = async { axum::serve(listener, router).await } => served?,
            stopped = tokio::signal::ctrl_c() => stopped?,
        }
        anyhow::Ok(())
    })?;
    // A query that still runs has nobody to answer to.
    runtime.shutdown_background();
    Ok(Outcome::Found)
}

async fn listen(port: Option<u16>) -> Result<TcpListener> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(at(port.unwrap_or(PORT))).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse && port.is_none() => {
            eprintln!("port {PORT} is taken, another one is used");
            Ok(TcpListener::bind(at(0)).await?)
        }
        bound => bound.with_context(|| at(port.unwrap_or(PORT)).to_string()),
    }
}
