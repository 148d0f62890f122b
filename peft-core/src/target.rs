//! Which layers to adapt, said as PEFT's `target_modules` says it.

use std::collections::HashSet;
use std::fmt;

use burn::module::Module;
use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::sites::all_sites;
use crate::{Error, Result, Site, SiteKind};

/// PEFT's word for every linear layer but the output head.
const ALL_LINEAR: &str = "all-linear";

/// How many near names an error lists.
const NEAR: usize = 5;

/// Layers by name, in the three ways of PEFT's `target_modules`.
///
/// In JSON a list is [`Targets::Suffixes`], the string `"all-linear"` is [`Targets::AllLinear`], and any other
/// string is [`Targets::Regex`].
///
/// ```
/// use peft_core::Targets;
/// let targets: Targets = serde_json::from_str(r#"["query", "value"]"#)?;
/// assert!(targets.matches("encoder.layer.0.attention.self.query")?);
/// assert!(!targets.matches("encoder.layer.0.attention.self.subquery")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Each layer whose path is an element, or ends with a dot and an element: `query`, `mlp.wo`.
    Suffixes(Vec<String>),
    /// Each layer whose whole path matches (as Python's `re.fullmatch`, but without look-around and
    /// backreferences: such a pattern is an [`Error::BadRegex`]).
    Regex(String),
    /// Each linear layer, except those of the output head that the model names (see [`Selection::heads`]).
    AllLinear,
}

impl Targets {
    /// A list of path endings.
    pub fn suffixes<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Targets::Suffixes(names.into_iter().map(Into::into).collect())
    }

    /// True if the layer at `path` is meant. [`Targets::AllLinear`] means every layer; heads are the affair of
    /// [`Selection`].
    ///
    /// # Errors
    /// [`Error::BadRegex`].
    pub fn matches(&self, path: &str) -> Result<bool> {
        Ok(match self {
            Targets::Suffixes(names) => names.iter().any(|name| ends_with_path(path, name)),
            Targets::Regex(pattern) => full_match(pattern)?.is_match(path),
            Targets::AllLinear => true,
        })
    }

    /// Of each of `sites`, whether it is meant.
    ///
    /// # Errors
    /// [`Error::NoMatch`] where the pattern, or one element of the list, matches none of them.
    fn among(&self, sites: &[Site]) -> Result<Vec<bool>> {
        let no_match = |pattern: &str| Error::NoMatch { pattern: pattern.to_owned(), near: near_names(pattern, sites) };
        match self {
            Targets::AllLinear => {
                let linear: Vec<bool> = sites.iter().map(|s| s.kind == SiteKind::Linear).collect();
                if linear.contains(&true) { Ok(linear) } else { Err(no_match(ALL_LINEAR)) }
            }
            Targets::Regex(pattern) => {
                let regex = full_match(pattern)?;
                let meant: Vec<bool> = sites.iter().map(|s| regex.is_match(&s.path)).collect();
                if meant.contains(&true) { Ok(meant) } else { Err(no_match(pattern)) }
            }
            Targets::Suffixes(names) if names.is_empty() => Err(Error::NoTargets),
            Targets::Suffixes(names) => {
                let mut meant = vec![false; sites.len()];
                for name in names {
                    let mut hit = false;
                    for (meant, site) in meant.iter_mut().zip(sites) {
                        if ends_with_path(&site.path, name) {
                            *meant = true;
                            hit = true;
                        }
                    }
                    if !hit {
                        return Err(no_match(name));
                    }
                }
                Ok(meant)
            }
        }
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Targets::Suffixes(names) => write!(f, "{names:?}"),
            Targets::Regex(pattern) => write!(f, "{pattern:?}"),
            Targets::AllLinear => f.write_str(ALL_LINEAR),
        }
    }
}

impl Serialize for Targets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Targets::Suffixes(names) => names.serialize(serializer),
            Targets::Regex(pattern) => serializer.serialize_str(pattern),
            Targets::AllLinear => serializer.serialize_str(ALL_LINEAR),
        }
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrString;
        impl<'de> de::Visitor<'de> for ListOrString {
            type Value = Targets;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of module names, a regular expression or {ALL_LINEAR:?}")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Targets, E> {
                Ok(match text {
                    ALL_LINEAR => Targets::AllLinear,
                    pattern => Targets::Regex(pattern.to_owned()),
                })
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Targets, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Targets::Suffixes(names))
            }
        }
        deserializer.deserialize_any(ListOrString)
    }
}

/// Targets, less what is excluded: the layers that get an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// PEFT's `target_modules`.
    pub targets: Targets,
    /// PEFT's `exclude_modules`; wins over `targets`.
    pub exclude: Option<Targets>,
    /// Paths of modules that are never adapted, with all that is under them, because they are trained as they
    /// are: the model's output head, `modules_to_save`. Endings of paths, as in [`Targets::Suffixes`]; one that
    /// the model does not have is no error.
    pub heads: Vec<String>,
    /// PEFT's `layers_to_transform` and `layers_pattern`.
    pub layers: Option<Layers>,
}

/// Blocks of a model by number: PEFT's `layers_to_transform`, and `layers_pattern`, which says what comes before the
/// number. As in PEFT it narrows lists of targets, and leaves alone a regular expression, `all-linear`, and an
/// element that is a layer's whole path.
///
/// ```
/// use peft_core::Layers;
/// let layers = Layers::new([0, 2]);
/// assert!(layers.mean("bert.encoder.layer.2.attention.self.query")?);
/// assert!(!layers.mean("bert.encoder.layer.1.attention.self.query")?);
/// # Ok::<(), peft_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// The numbers.
    pub indexes: Vec<usize>,
    /// Regular expressions for the segment before the number, `layer` or `h`; without any, the first number that
    /// stands between two dots counts.
    pub patterns: Vec<String>,
}

impl Layers {
    /// Blocks by number, whatever the segment before it is called.
    pub fn new(indexes: impl IntoIterator<Item = usize>) -> Self {
        Layers { indexes: indexes.into_iter().collect(), patterns: Vec::new() }
    }

    /// True if `path` is in one of the blocks.
    ///
    /// # Errors
    /// [`Error::BadRegex`].
    pub fn mean(&self, path: &str) -> Result<bool> {
        let any = [r"^.*?\.[^.]*\.(?<idx>\d+)\.".to_owned()];
        let named: Vec<String> = self.patterns.iter().map(|p| format!(r"^(?:|.*?\.)(?:{p})\.(?<idx>\d+)\.")).collect();
        for (i, pattern) in if named.is_empty() { any.iter() } else { named.iter() }.enumerate() {
            let regex = Regex::new(pattern).map_err(|e| Error::BadRegex {
                pattern: self.patterns.get(i).unwrap_or(pattern).clone(),
                source: Box::new(e),
            })?;
            if let Some(found) = regex.captures(path) {
                return Ok(found["idx"].parse().is_ok_and(|index| self.indexes.contains(&index)));
            }
        }
        Ok(false)
    }
}

impl From<Targets> for Selection {
    fn from(targets: Targets) -> Self {
        Selection { targets, exclude: None, heads: Vec::new(), layers: None }
    }
}

impl Selection {
    /// Those of `sites` that get an adapter, in their order.
    ///
    /// # Errors
    /// [`Error::NoMatch`] where a target or an exclusion, or one element of their lists, matches no layer;
    /// [`Error::AllExcluded`], [`Error::NoTargets`], [`Error::BadRegex`].
    pub fn select(&self, sites: &[Site]) -> Result<Vec<Site>> {
        let wanted = self.targets.among(sites)?;
        let excluded = match &self.exclude {
            None => vec![false; sites.len()],
            Some(Targets::Suffixes(names)) if names.is_empty() => vec![false; sites.len()],
            Some(exclude) => exclude.among(sites)?,
        };
        let mut selected: Vec<Site> = (sites.iter().zip(&wanted).zip(&excluded))
            .filter(|((site, wanted), excluded)| **wanted && !**excluded && !self.in_head(&site.path))
            .map(|((site, _), _)| site.clone())
            .collect();
        if let (Some(layers), Targets::Suffixes(names)) = (&self.layers, &self.targets) {
            let mut kept = Vec::with_capacity(selected.len());
            for site in selected {
                if names.contains(&site.path) || layers.mean(&site.path)? {
                    kept.push(site);
                }
            }
            selected = kept;
        }
        if selected.is_empty() {
            return Err(Error::AllExcluded {
                targets: self.targets.to_string(),
                matched: wanted.iter().filter(|w| **w).count(),
            });
        }
        Ok(selected)
    }

    /// The selection with which a saved adapter is attached: elements of its lists that name no layer of `base` are left
    /// out, as PEFT passes over them. If no element names one, all stay, and [`Selection::select`] says so.
    pub fn lenient<M: Module>(mut self, base: &M) -> Self {
        let sites = all_sites(base);
        let named = |name: &String| sites.iter().any(|site| ends_with_path(&site.path, name));
        if let Targets::Suffixes(names) = &mut self.targets
            && names.iter().any(named)
        {
            names.retain(named);
        }
        if let Some(Targets::Suffixes(names)) = &mut self.exclude {
            names.retain(named);
        }
        self
    }

    fn in_head(&self, path: &str) -> bool {
        self.heads.iter().any(|head| owns(head, path))
    }
}

/// True if `path` is a module that `name` means, or lies inside one: `classifier` owns `m.classifier.dense`.
pub(crate) fn owns(name: &str, path: &str) -> bool {
    let ends = path.match_indices('.').map(|(dot, _)| dot).chain([path.len()]);
    ends.into_iter().any(|end| ends_with_path(&path[..end], name))
}

/// PEFT's rule for one element of a list: the whole path, or its end behind a dot.
fn ends_with_path(path: &str, name: &str) -> bool {
    match path.strip_suffix(name) {
        Some(before) => before.is_empty() || (before.ends_with('.') && !name.is_empty()),
        None => false,
    }
}

fn full_match(pattern: &str) -> Result<Regex> {
    Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|e| Error::BadRegex { pattern: pattern.to_owned(), source: Box::new(e) })
}

/// The endings of paths that look most like `pattern`, best first; as many segments as the pattern has.
fn near_names(pattern: &str, sites: &[Site]) -> Vec<String> {
    let plain = pattern.replace(r"\.", ".").replace(".*", "");
    let plain = plain.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let segments = plain.split('.').count();
    let mut seen = HashSet::new();
    let mut names: Vec<(f64, &str)> = (sites.iter())
        .map(|site| last_segments(&site.path, segments))
        .filter(|name| seen.insert(*name))
        .map(|name| (strsim::jaro_winkler(&plain, &name.to_lowercase()), name))
        .collect();
    names.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    names.into_iter().take(NEAR).map(|(_, name)| name.to_owned()).collect()
}

fn last_segments(path: &str, n: usize) -> &str {
    match path.rmatch_indices('.').nth(n.saturating_sub(1)) {
        Some((dot, _)) => &path[dot + 1..],
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;

    use super::*;

    fn site(path: &str) -> Site {
        Site {
            path: path.into(),
            id: ParamId::new(),
            shape: [2, 2],
            kind: SiteKind::Linear,
            device: Default::default(),
        }
    }

    fn model() -> Vec<Site> {
        let paths = ["encoder.layer.0.self.query", "encoder.layer.0.self.key", "encoder.layer.0.mlp.wo"];
        paths.into_iter().chain(["encoder.layer.1.self.query", "pooler.dense", "classifier.dense"]).map(site).collect()
    }

    fn paths(selection: &Selection) -> Vec<String> {
        selection.select(&model()).unwrap().into_iter().map(|s| s.path).collect()
    }

    #[test]
    fn a_list_matches_whole_segments_at_the_end() {
        let cases = [
            ("query", "a.query", true),
            ("query", "query", true),
            ("query", "a.subquery", false),
            ("mlp.wo", "layer.0.mlp.wo", true),
            ("mlp.wo", "layer.0.bigmlp.wo", false),
            ("a.query", "query", false),
            ("", "a.", false),
        ];
        for (name, path, expected) in cases {
            assert_eq!(Targets::suffixes([name]).matches(path).unwrap(), expected, "{name} {path}");
        }
    }

    #[test]
    fn a_regex_must_match_the_whole_path() {
        let matches = |pattern: &str, path| Targets::Regex(pattern.into()).matches(path).unwrap();
        assert!(matches(r".*\.(query|key)", "encoder.layer.0.self.key"));
        assert!(!matches("query|key", "encoder.layer.0.self.key"));
        assert!(!matches("query", "a.query"));
        assert!(matches!(Targets::Regex("(".into()).matches("x"), Err(Error::BadRegex { .. })));
    }

    #[test]
    fn exclusions_and_heads_win() {
        let all = Selection { heads: vec!["classifier".into()], ..Targets::AllLinear.into() };
        assert_eq!(paths(&all).len(), 5);
        let some = Selection { exclude: Some(Targets::suffixes(["self.query"])), ..all };
        assert_eq!(paths(&some), ["encoder.layer.0.self.key", "encoder.layer.0.mlp.wo", "pooler.dense"]);
        let none = Selection { exclude: Some(Targets::AllLinear), ..some };
        assert!(matches!(none.select(&model()), Err(Error::AllExcluded { matched: 6, .. })));
    }

    #[test]
    fn blocks_by_number_narrow_a_list() {
        let of = |indexes: &[usize], patterns: &[&str], targets: Targets| Selection {
            layers: Some(Layers {
                indexes: indexes.to_vec(),
                patterns: patterns.iter().map(|p| (*p).to_owned()).collect(),
            }),
            ..targets.into()
        };
        let query = || Targets::suffixes(["query", "dense"]);
        assert_eq!(paths(&of(&[1], &[], query())), ["encoder.layer.1.self.query"]);
        assert_eq!(paths(&of(&[1], &["layer", "h"], query())), ["encoder.layer.1.self.query"]);
        assert!(matches!(of(&[1], &["h"], query()).select(&model()), Err(Error::AllExcluded { .. })));
        assert!(matches!(of(&[7], &[], query()).select(&model()), Err(Error::AllExcluded { .. })));
        // A whole path, a regular expression and all-linear are not narrowed; PEFT does the same.
        let whole = Targets::suffixes(["pooler.dense", "query"]);
        assert_eq!(paths(&of(&[0], &[], whole)), ["encoder.layer.0.self.query", "pooler.dense"]);
        assert_eq!(paths(&of(&[0], &[], Targets::Regex(r".*\.query".into()))).len(), 2);
        // The first number counts, not one of an expert inside.
        assert!(Layers::new([1]).mean("model.layers.1.experts.0.up").unwrap());
        assert!(!Layers::new([0]).mean("model.layers.1.experts.0.up").unwrap());
        assert!(matches!(of(&[0], &["("], query()).select(&model()), Err(Error::BadRegex { .. })));
    }

    #[test]
    fn every_element_of_a_list_must_match_something() {
        let error = Selection::from(Targets::suffixes(["query", "Dense", "mlp.w0"])).select(&model()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "target \"Dense\" matches no linear layer of the model; near it: dense, key, query, wo"
        );
        let error = Selection::from(Targets::suffixes(["mlp.w0"])).select(&model()).unwrap_err();
        assert!(error.to_string().contains("near it: mlp.wo"), "{error}");
        let error = Selection::from(Targets::Regex(r".*\.quary".into())).select(&model()).unwrap_err();
        assert!(error.to_string().contains("near it: query"), "{error}");
        let typo = Selection { exclude: Some(Targets::suffixes(["kee"])), ..Targets::AllLinear.into() };
        assert!(matches!(typo.select(&model()), Err(Error::NoMatch { pattern, .. }) if pattern == "kee"));
        assert!(matches!(Selection::from(Targets::Suffixes(vec![])).select(&model()), Err(Error::NoTargets)));
    }

    #[test]
    fn json_is_as_in_peft() {
        for (json, targets) in [
            (r#"["Wqkv","mlp.wo"]"#, Targets::suffixes(["Wqkv", "mlp.wo"])),
            (r#"".*\\.query""#, Targets::Regex(r".*\.query".into())),
            (r#""all-linear""#, Targets::AllLinear),
        ] {
            assert_eq!(serde_json::from_str::<Targets>(json).unwrap(), targets);
            assert_eq!(serde_json::to_string(&targets).unwrap(), json);
        }
        assert!(serde_json::from_str::<Targets>("3").is_err());
    }

    #[test]
    fn a_head_owns_what_is_under_it() {
        assert!(owns("classifier", "classifier.dense"));
        assert!(owns("classifier", "m.classifier.dense.weight"));
        assert!(owns("score", "score"));
        assert!(!owns("score", "score_scale.dense"));
    }
}
