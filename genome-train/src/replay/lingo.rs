//! What the cases of LINGO's adaptive rank sampling have recorded: the random draws, and the order of a step.

use std::collections::BTreeMap;
use std::fmt;

use peft_adalora::{Order, TopBudget};
use peft_lingo::{Draws, Released, Rule};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::case::{Case, broken};
use crate::Result;

/// The rule by which the case's allocator decided, and when it did.
pub(super) fn rule(case: &Case) -> Result<(Rule, Order)> {
    if !case.tensors.names().iter().any(|name| name.contains(".rand_keep.")) {
        return Ok((Rule::AdaLora(TopBudget), Order::AfterStep));
    }
    let order = if case.text("/name")?.ends_with("before_step") { Order::BeforeStep } else { Order::AfterStep };
    let (paths, mut draws) = (layers(case)?, BTreeMap::<usize, BTreeMap<String, [Vec<f32>; 2]>>::new());
    for step in 0..case.numbers("/losses")?.len() {
        for (j, path) in paths.iter().enumerate() {
            let name = |kind: &str| format!("step{step}.{kind}.{j}");
            if case.tensors.shape(&name("rand_keep")).is_some() {
                let both = [case.tensor(&name("rand_keep"))?, case.tensor(&name("rand_prune"))?];
                draws.entry(step).or_default().insert(path.clone(), both);
            }
        }
    }
    Ok((Rule::Released(Released { share: 0.1, draws: Draws::Recorded(draws) }), order))
}

/// The layers in torch's order, by which the draws are numbered: that of a recorded rank pattern.
fn layers(case: &Case) -> Result<Vec<String>> {
    let path = case.dir.join("trace.json");
    let text = std::fs::read_to_string(&path).map_err(broken(&path))?;
    let trace: Trace = serde_json::from_str(&text).map_err(broken(&path))?;
    let first = trace.per_step.into_iter().find_map(|step| step.rank_pattern);
    let Keys(keys) = first.ok_or("no step has a rank_pattern").map_err(broken(&path))?;
    Ok(keys.into_iter().map(|key| key.trim_end_matches(".lora_E.default").to_owned()).collect())
}

#[derive(Deserialize)]
struct Trace {
    per_step: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    rank_pattern: Option<Keys>,
}

/// The keys of an object in the order in which they are written, which a map of JSON has lost.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Keys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Read)
    }
}
