//! `genome doctor`: what this build and this machine have.

use crate::args::DoctorArgs;
use crate::output::stdout;
use crate::{Outcome, bases, device, system};
use anyhow::Result;
use model_zoo::Purpose;
use serde_json::json;
use std::io::Write;

pub(crate) fn run(args: &DoctorArgs) -> Result<Outcome> {
    let chosen = args.device.device.open()?;
    let features: Vec<&str> = [("cuda", cfg!(feature = "cuda")), ("wgpu", cfg!(feature = "wgpu"))]
        .into_iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| name)
        .collect();
    let list = |kind: &str, found: Option<Vec<burn::tensor::Device>>| match found {
        None => format!("not in this build (--features {kind})"),
        Some(found) if found.is_empty() => "none found".to_owned(),
        Some(found) => {
            found.iter().enumerate().map(|(i, d)| format!("{kind}:{i} {d:?}")).collect::<Vec<_>>().join("; ")
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let memory = system::machine_memory();
    let base = bases::open(bases::BASE_TINY, Purpose::LanguageModel, &chosen.device)?;
    let parameters = burn::module::Module::num_params(&*base.base);
    let mut out = stdout();
    if args.json {
        let report = json!({
            "format_version": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "features": features,
            "device": chosen.name,
            "cuda": list("cuda", device::cuda()),
            "wgpu": list("wgpu", device::wgpu()),
            "threads": threads,
            "cpu_features": system::cpu_features(),
            "memory_bytes": memory.map(|(all, _)| all),
            "memory_available_bytes": memory.map(|(_, free)| free),
            "base_tiny": { "parameters": parameters, "sha256": base.sha256 },
        });
        writeln!(out, "{report}")?;
    } else {
        let memory = memory.map_or("unknown".to_owned(), |(all, free)| {
            format!("{}, {} available", system::human_bytes(all), system::human_bytes(free))
        });
        let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
        writeln!(out, "genome       {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "features     {features}")?;
        writeln!(out, "device       {} would be used", chosen.name)?;
        writeln!(out, "cpu          {threads} threads, {}", system::cpu_features().join(" "))?;
        writeln!(out, "cuda         {}", list("cuda", device::cuda()))?;
        writeln!(out, "wgpu         {}", list("wgpu", device::wgpu()))?;
        writeln!(out, "memory       {memory}")?;
        writeln!(out, "base-tiny    {} parameters, sha256 {}", crate::ui::thousands(parameters), base.sha256)?;
    }
    out.flush()?;
    Ok(Outcome::Found)
}
