//! Dialogues of the browsers that ask, each with what was said so far.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

use crate::dialogue::Memory;

/// HTML of earlier turns that a session keeps; older turns are forgotten.
const KEPT_BYTES: usize = 1 << 20;
/// Earlier turns that a session keeps.
const KEPT_TURNS: usize = 50;

/// A dialogue.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// What the next question may refer to.
    pub(super) memory: Memory,
    /// Turns as HTML, the oldest first: what a reload shows.
    turns: Vec<String>,
    /// How many turns there were.
    pub(super) count: u64,
}

impl Session {
    /// Keeps a turn.
    pub(super) fn keep(&mut self, turn: String) {
        self.turns.push(turn);
        let mut bytes: usize = self.turns.iter().map(String::len).sum();
        while self.turns.len() > 1 && (bytes > KEPT_BYTES || self.turns.len() > KEPT_TURNS) {
            bytes -= self.turns.remove(0).len();
        }
    }

    /// The turns that are kept.
    pub(super) fn turns(&self) -> &[String] {
        &self.turns
    }
}

/// A session that several requests may hold.
pub(super) type Shared = Arc<tokio::sync::Mutex<Session>>;

/// All sessions, up to a number of them; the one that was not used for longest makes room.
#[derive(Debug)]
pub(super) struct Sessions {
    most: usize,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    clock: u64,
    by_id: HashMap<String, (u64, Shared)>,
}

impl Sessions {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), all: Mutex::default() }
    }

    /// The session of this name, if it is still there.
    pub(super) fn get(&self, id: &str) -> Option<Shared> {
        let all = &mut *self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let (used, session) = all.by_id.get_mut(id)?;
        all.clock += 1;
        *used = all.clock;
        Some(session.clone())
    }

    /// A new session, with a name that cannot be guessed.
    pub(super) fn make(&self) -> Result<(String, Shared), getrandom::Error> {
        let mut secret = [0u8; 16];
        getrandom::fill(&mut secret)?;
        let id: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let all = &mut *self.all.lock().unwrap_or_else(PoisonError::into_inner);
        while all.by_id.len() >= self.most {
            let oldest = all.by_id.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| id.clone());
            oldest.and_then(|id| all.by_id.remove(&id));
        }
        all.clock += 1;
        let session = Shared::default();
        all.by_id.insert(id.clone(), (all.clock, session.clone()));
        Ok((id, session))
    }

    /// Ends a session.
    pub(super) fn end(&self, id: &str) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).by_id.remove(id);
    }
}

/// The name of the cookie: cookies do not know ports, so that two servers on one machine would share it otherwise.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(axum::http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port: String = host.rsplit(':').next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    format!("genome-dialogue-{port}")
}

/// The session that a request names.
pub(super) fn named(headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(headers);
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|cookie| {
        let (key, value) = cookie.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

/// The cookie of a session: until the browser is closed, for this server alone, out of the reach of scripts.
pub(super) fn cookie(headers: &HeaderMap, id: &str) -> String {
    format!("{}={id}; Path=/; HttpOnly; SameSite=Strict", cookie_name(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_not_used_for_longest_makes_room() {
        let sessions = Sessions::new(2);
        let (first, _) = sessions.make().unwrap();
        let (second, _) = sessions.make().unwrap();
        assert_ne!(first, second);
        assert_eq!(first.len(), 32);
        assert!(sessions.get(&first).is_some());
        let (third, _) = sessions.make().unwrap();
        assert!(sessions.get(&second).is_none());
        assert!(sessions.get(&first).is_some() && sessions.get(&third).is_some());
    }

    #[test]
    fn a_session_keeps_the_last_turns() {
        let mut session = Session::default();
        for i in 0..100 {
            session.keep(format!("turn {i}"));
        }
        assert_eq!(session.turns().len(), KEPT_TURNS);
        assert_eq!(session.turns()[0], "turn 50");
        session.keep("x".repeat(KEPT_BYTES + 1));
        assert_eq!(session.turns().len(), 1);
    }
}
