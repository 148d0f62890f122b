//! Text prompts as data: which words stand before and behind the sequences of a data set.

use std::path::Path;

use rand::RngExt;
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::start::stream;
use crate::{Error, Result};

/// Templates, and the domain and task of data sets.
///
/// ```
/// use peft_lingo::PromptLibrary;
/// let library = PromptLibrary::built_in();
/// let text = library.text("released", "gue_prom_core_tata")?;
/// assert_eq!(text.prefix, "Domain: DNA Promoter\nSequence:");
/// assert_eq!((text.before_sequence.as_str(), text.suffix.as_str()), (" ", "\nAnnotation:"));
/// assert_ne!(library.text("default", "gue_emp_H3K4me3")?, text); // histone marks are no promoters
/// # Ok::<(), peft_lingo::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptLibrary {
    templates: BTreeMap<String, String>,
    prompts: Vec<DataPrompt>,
}

/// What is said of some data sets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPrompt {
    /// Names of data sets, or their beginnings with a `*` behind.
    pub data: Vec<String>,
    /// The field: `DNA Promoter`.
    pub domain: String,
    /// The question.
    pub task: String,
}

/// A template whose domain and task are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPrompt {
    /// What stands before the sequence, without the blanks at its end.
    pub prefix: String,
    /// Those blanks: tokenizers of natural language make one token of a blank and the letters behind it, so that the text
    /// is cut here without changing a token.
    pub before_sequence: String,
    /// What stands behind the sequence.
    pub suffix: String,
}

impl PromptLibrary {
    /// Templates and prompts that come with the crate, among them those for all tasks of GUE.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn built_in() -> Self {
        Self::parse(Path::new("prompts.toml"), include_str!("../prompts.toml")).expect("the crate's own prompts")
    }

    /// Reads the text of such a file; `file` is what errors name.
    ///
    /// # Errors
    /// [`Error::Prompts`].
    pub fn parse(file: &Path, text: &str) -> Result<Self> {
        let wrong = |reason: String| Error::Prompts { file: file.to_owned(), reason };
        let library: Self = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
        for (name, template) in &library.templates {
            filled(template, "", "").map_err(|e| wrong(format!("template {name}: {e}")))?;
        }
        Ok(library)
    }

    /// Names of the templates.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(String::as_str)
    }

    /// What is said of the data set `name`: by its name, or else by the longest beginning.
    ///
    /// # Errors
    /// [`Error::NoPrompt`].
    pub fn of(&self, name: &str) -> Result<&DataPrompt> {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning).then_some(beginning.len()),
            None => (pattern == name).then_some(usize::MAX),
        };
        let all = self.prompts.iter().filter_map(|p| Some((p.data.iter().filter_map(fits).max()?, p)));
        let best = all.max_by_key(|(length, _)| *length).map(|(_, p)| p);
        best.ok_or_else(|| Error::NoPrompt { name: name.to_owned(), known: self.names("data set") })
    }

    /// The prompt of a data set in a template.
    ///
    /// # Errors
    /// [`Error::NoPrompt`] about the data set or the template.
    pub fn text(&self, template: &str, data_set: &str) -> Result<TextPrompt> {
        self.filled(template, self.of(data_set)?)
    }

    /// A prompt for another domain than the data set's, drawn by `seed`: for ablation.
    ///
    /// # Errors
    /// [`Error::NoPrompt`], also if there is no other domain.
    pub fn wrong_text(&self, template: &str, data_set: &str, seed: u64) -> Result<TextPrompt> {
        let right = self.of(data_set)?;
        let others: Vec<&DataPrompt> = self.prompts.iter().filter(|p| p.domain != right.domain).collect();
        if others.is_empty() {
            return Err(Error::NoPrompt { name: format!("not {}", right.domain), known: self.names("data set") });
        }
        let drawn = stream(seed, &format!("wrong prompt {data_set}")).random_range(0..others.len());
        self.filled(template, others[drawn])
    }

    fn filled(&self, template: &str, prompt: &DataPrompt) -> Result<TextPrompt> {
        let found = self.templates.get(template);
        let text = found.ok_or_else(|| Error::NoPrompt { name: template.to_owned(), known: self.names("template") })?;
        filled(text, &prompt.domain, &prompt.task).map_err(|reason| Error::Prompts { file: template.into(), reason })
    }

    fn names(&self, of: &str) -> Vec<String> {
        match of {
            "template" => self.templates.keys().cloned().collect(),
            _ => self.prompts.iter().flat_map(|p| p.data.clone()).collect(),
        }
    }
}

/// `template` with its words.
fn filled(template: &str, domain: &str, task: &str) -> Result<TextPrompt, String> {
    let Some((before, behind)) = template.split_once("{sequence}") else {
        return Err("expected {sequence} once, found none".into());
    };
    if behind.contains("{sequence}") {
        return Err("expected {sequence} once, found it more often".into());
    }
    let fill = |text: &str| -> Result<String, String> {
        let mut done = String::new();
        let mut left = text;
        while let Some((plain, rest)) = left.split_once('{') {
            done.push_str(plain);
            let (name, rest) = rest.split_once('}').ok_or("a { without its }")?;
            done.push_str(match name {
                "domain" => domain,
                "task" => task,
                other => return Err(format!("expected {{domain}}, {{task}} or {{sequence}}, found {{{other}}}")),
            });
            left = rest;
        }
        Ok(done + left)
    };
    let before = fill(before)?;
    let prefix = before.trim_end_matches(' ');
    Ok(TextPrompt {
        prefix: prefix.to_owned(),
        before_sequence: before[prefix.len()..].to_owned(),
        suffix: fill(behind)?,
    })
}

impl TextPrompt {
    /// A sequence as it is written behind the prefix; what its tokens are made of.
    pub fn sequence_text(&self, sequence: &str) -> String {
        format!("{}{sequence}", self.before_sequence)
    }
}
