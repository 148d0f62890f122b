//! `genome peft plan`: what a run will need.

use crate::adapter_args::{PlanArgs, PlannedMethod};
use crate::method::{ia3, initial_rank, targets};
use crate::system::human_bytes;
use crate::{Outcome, bases, ui};
use anyhow::Result;
use burn::module::Module;
use burn::tensor::Device;
use genome_train::classifier::HEAD_MODULES;
use genome_train::plan::{BatchShape, Plan, PlanInput};
use peft_core::{Adapters, LinearAdapter, Method, Selection, sites};
use peft_lora::LoraConfig;

pub(crate) fn run(args: &PlanArgs) -> Result<Outcome> {
    let config = bases::config(&args.base)?;
    let device = Device::flex();
    let base = config.init(false, true, &device); // no weight is made before it is asked for
    let layers = sites(&base);
    let linear = layers.iter().map(|site| site.shape.iter().product::<usize>()).sum();
    let targets = targets(args.targets.as_deref(), &config);
    let lora = LoraConfig { r: args.rank, ..LoraConfig::for_targets(targets) };
    let count = |selection: Selection| -> Result<Vec<[usize; 2]>> {
        Ok(selection.select(&layers)?.iter().map(|site| site.shape).collect())
    };
    let low_rank = |r: usize| -> Result<usize> {
        Ok(count(lora.selection(HEAD_MODULES))?.iter().map(|[d_in, d_out]| r * (d_in + d_out)).sum())
    };
    let all = base.num_params();
    let trained = match args.method {
        PlannedMethod::Full => all,
        PlannedMethod::Lora => attached(&lora, &lora.selection(HEAD_MODULES), &base, &device)?,
        PlannedMethod::Dora => {
            let lengths: usize = count(lora.selection(HEAD_MODULES))?.iter().map(|[_, d_out]| d_out).sum();
            low_rank(args.rank)? + lengths
        }
        PlannedMethod::Ia3 => {
            let ia3 = ia3(args.targets.as_deref(), &config);
            attached(&ia3, &ia3.selection(HEAD_MODULES), &base, &device)?
        }
        PlannedMethod::Adalora => {
            let start = initial_rank(args.rank);
            low_rank(start)? + start * count(lora.selection(HEAD_MODULES))?.len()
        }
    };
    let bits = args.bits.base_bits.map(Into::into);
    let batch = BatchShape { rows: args.batch_size, tokens: args.tokens };
    let full = args.method == PlannedMethod::Full;
    let plan = Plan::new(
        &config,
        &PlanInput { trained, base: all, linear, full, bits, checkpointing: args.gradient_checkpointing, batch },
    );
    if args.json {
        println!("{}", serde_json::to_string(&plan)?);
        return Ok(Outcome::Found);
    }
    println!("{} {}, {} weights", config.family(), args.base, ui::thousands(all));
    println!("trained       {} ({:.3} %), without the head", ui::thousands(trained), 100.0 * plan.trained_share);
    println!("base          {}", human_bytes(plan.base_bytes));
    println!("adapters      {}", human_bytes(plan.adapter_bytes));
    println!("optimizer     {}", human_bytes(plan.optimizer_bytes));
    println!("activations   {} for {} x {} tokens", human_bytes(plan.activation_bytes), args.batch_size, args.tokens);
    println!("all of it     {}", human_bytes(plan.total_bytes));
    println!("cost          {:.2} of a step of full fine-tuning", plan.step_cost);
    Ok(Outcome::Found)
}

/// Trainable weights of a method on a base.
fn attached<M: Method>(method: &M, selection: &Selection, base: &model_zoo::Base, device: &Device) -> Result<usize>
where
    M::Adapter: LinearAdapter,
{
    Ok(Adapters::attach(base, selection, method, 0, device)?.num_params())
}
