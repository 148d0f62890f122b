//! An OpenAI-compatible endpoint, through a connection of the caller.

use std::fmt::Debug;

use serde_json::{Value, json};

use super::{LanguageModel, Task, prompt};
use crate::error::{Error, Result};

/// Bytes of a reply that are read at most.
pub const MAX_REPLY_BYTES: usize = 256 << 10;

/// A connection to one endpoint: it adds the address and the key, bounds time and size, and follows no redirect to another host.
pub trait Transport: Debug {
    /// Where it goes, for people: the host, without key and password.
    fn host(&self) -> String;

    /// Posts a JSON body to `/chat/completions`, and gives the body of a reply with the status 200.
    ///
    /// # Errors
    ///
    /// What went wrong, without the key.
    fn post(&mut self, body: &str) -> Result<Vec<u8>, String>;

    /// A text of the endpoint without the key, should it be echoed.
    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// A model of an OpenAI-compatible endpoint. What it is sent: the question and the description of the query language, and with
/// prose the answer's text and first rows. Nothing else of the genome.
#[derive(Debug)]
pub struct ChatModel<T> {
    transport: T,
    model: String,
}

impl<T: Transport> ChatModel<T> {
    /// A model by its name there.
    pub fn new(transport: T, model: impl Into<String>) -> Self {
        Self { transport, model: model.into() }
    }

    /// Messages of roles and texts, and the text that follows them.
    fn complete(&mut self, messages: &[(&str, &str)], max_tokens: u32) -> Result<String> {
        let messages: Vec<Value> =
            messages.iter().map(|(role, content)| json!({ "role": role, "content": content })).collect();
        let body = json!({
            "model": self.model, "messages": messages, "temperature": 0, "max_tokens": max_tokens, "stream": false,
        });
        let posted = self.transport.post(&body.to_string());
        let content = posted.and_then(|bytes| content(&bytes));
        // The key may be written in escapes of JSON: it is looked for after reading them.
        let problem = |problem: String| Error::Model { model: self.name(), problem: self.transport.redact(&problem) };
        content.map(|text| self.transport.redact(&text)).map_err(problem)
    }
}

impl<T: Transport> LanguageModel for ChatModel<T> {
    fn name(&self) -> String {
        format!("{} at {}", self.model, self.transport.host())
    }

    fn query(&mut self, task: &Task<'_>) -> Result<String> {
        let question = prompt::question(task.question);
        let mut messages = vec![("system", prompt::SYNTAX), ("user", question.as_str())];
        let wrong;
        if let Some(before) = task.before {
            wrong = prompt::wrong(&before.reason);
            messages.extend([("assistant", before.line.as_str()), ("user", wrong.as_str())]);
        }
        self.complete(&messages, 1024)
    }

    fn prose(&mut self, question: &str, answer: &str) -> Result<Option<String>> {
        let text = format!("Question: {question}\n\nResult:\n{answer}");
        self.complete(&[("system", prompt::PROSE), ("user", &text)], 512).map(Some)
    }
}

/// The text of the first choice of a chat completion.
fn content(bytes: &[u8]) -> Result<String, String> {
    if bytes.len() > MAX_REPLY_BYTES {
        return Err(format!("its reply is longer than {MAX_REPLY_BYTES} bytes"));
    }
    let reply: Value = serde_json::from_slice(bytes).map_err(|error| {
        // What serde says names line and column, never the text.
        format!("its reply is no JSON: {error}")
    })?;
    match reply.pointer("/choices/0/message/content") {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err("its reply has no text at choices[0].message.content".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read() {
        let check = |bytes: &[u8], expected: Result<&str, &str>| match (content(bytes), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        };
        check(br#"{"choices":[{"message":{"role":"assistant","content":"count gene"}}]}"#, Ok("count gene"));
        check(br#"{"choices":[]}"#, Err("no text"));
        check(br#"{"choices":[{"message":{"content":null,"tool_calls":[]}}]}"#, Err("no text"));
        check(br#"{"choices":[{"message":{"content":7}}]}"#, Err("no text"));
        check(b"<html>", Err("no JSON"));
        check(b"", Err("no JSON"));
        check(b"{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}", Err("no JSON"));
        check("[".repeat(100_000).as_bytes(), Err("no JSON"));
        check(&vec![b' '; MAX_REPLY_BYTES + 1], Err("longer than"));
    }
}
