//! A web page to ask a genome: one router, without a socket of its own.
//!
//! ```
//! use genome_ask::web::{WebConfig, router};
//! use genome_ask::{Index, Source, Store};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let file = folder.path().join("demo.gff3");
//! # std::fs::write(&file, "##gff-version 3\nchr1\t.\tgene\t5\t40\t.\t+\t.\tID=g1;Name=demA\n").unwrap();
//! let index = Index::open(&[Source::new(&file)], &Store::Beside)?;
//! let router = router(index, WebConfig::default())?;
//! // A binary gives it a socket: `axum::serve(TcpListener::bind(("127.0.0.1", 0)).await?, router)`.
//! # drop(router);
//! # Ok::<(), genome_ask::Error>(())
//! ```
//!
//! | address | what |
//! |---|---|
//! | `GET /` | the dialogue of this browser, examples, the question box; `?q=` fills it in |
//! | `POST /ask` | `q`: a question, `query`: the typed query of a reading that was chosen |
//! | `POST /new` | begins a new dialogue |
//! | `GET /at` | a gene or another place: `genome`, `seq`, `start`, `end`, `id`, `flank` |
//! | `GET /download`, `POST /download` | `q`: a typed query, `format`: `json`, `csv`, `fasta`, `gff3` |
//! | `GET /assets/NAME` | script, style, icon |
//!
//! The page is HTML made here; [htmx](https://htmx.org) adds answers without loading it anew, and without scripts it works as well.
//! Pictures are SVG made here. Nothing is loaded from elsewhere.
//!
//! # What it is safe against
//!
//! - Names and products from the file, and questions, are escaped; the Content-Security-Policy forbids inline scripts and styles and
//!   everything from elsewhere.
//! - Requests with a foreign `Host` (DNS rebinding) or `Origin`, or that the browser says come from another site, are refused.
//! - The index is open for reading alone; queries have limits of time, rows and letters; questions have a longest length; a fixed
//!   number of them runs at once, a fixed number waits, and others are told to come later; the number and size of dialogues is fixed.
//! - The cookie that names a dialogue is random, `HttpOnly` and `SameSite=Strict`; only `POST` changes something.
//!
//! Everybody on this machine who can open a connection to the port can ask: it has no password.

mod assets;
mod download;
mod format;
mod guard;
mod locus;
mod map;
mod page;
mod picture;
mod pool;
mod scene;
mod session;
mod table;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::dialogue::{Dialogue, Examples, Reply};
use crate::error::{Error, Result};
use crate::execute::RunLimits;
use crate::index::{GenomeInfo, Index};
use crate::query::Query;
use pool::{Pool, Refusal};
use session::Sessions;

/// What the page takes and gives at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfig {
    /// Limits of an answer on the page; 200 rows and five seconds by default.
    pub limits: RunLimits,
    /// Limits of a download; 200,000 rows and thirty seconds by default. A file that would be cut is not made.
    pub download: RunLimits,
    /// Characters of a question; 2,000 by default.
    pub question_chars: usize,
    /// Bytes of a form, thus of a typed query; 64 KiB by default.
    pub form_bytes: usize,
    /// Dialogues that are kept; 64 by default. The one not used for longest makes room.
    pub dialogues: usize,
    /// Questions that are answered at the same time; 4 by default.
    pub at_once: usize,
    /// Questions that wait; 16 by default. Those beyond are refused.
    pub waiting: usize,
    /// How long a question waits; ten seconds by default.
    pub patience: Duration,
}

impl Default for WebConfig {
    fn default() -> Self {
        let limits = RunLimits { rows: 200, time: Duration::from_secs(5), ..RunLimits::default() };
        Self {
            limits,
            download: RunLimits { rows: 200_000, time: Duration::from_secs(30), ..RunLimits::default() },
            question_chars: 2_000,
            form_bytes: 64 << 10,
            dialogues: 64,
            at_once: 4,
            waiting: 16,
            patience: Duration::from_secs(10),
        }
    }
}

/// What all requests share.
#[derive(Debug)]
struct App {
    config: WebConfig,
    pool: Arc<Pool>,
    sessions: Sessions,
    genomes: Vec<GenomeInfo>,
    examples: Vec<Examples>,
    addresses: assets::Addresses,
}

/// The page for an index. It needs a Tokio runtime with a clock when it is served.
///
/// # Errors
///
/// The index is damaged, or cannot be opened several times.
pub fn router(index: Index, config: WebConfig) -> Result<Router> {
    let genomes = index.genomes()?;
    let examples = Dialogue::new(&index).examples();
    let pool = Arc::new(Pool::new(index, config.at_once, config.waiting, config.patience)?);
    let sessions = Sessions::new(config.dialogues);
    let form_bytes = config.form_bytes;
    let app = Arc::new(App { config, pool, sessions, genomes, examples, addresses: assets::Addresses::new() });
    Ok(Router::new()
        .route("/", get(home))
        .route("/ask", post(ask))
        .route("/new", post(forget))
        .route("/at", get(at))
        .route("/download", get(download).post(download))
        .route("/assets/{name}", get(assets::get))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(form_bytes))
        .layer(axum::middleware::from_fn(guard::guard))
        .with_state(app))
}

type Shared = State<Arc<App>>;

async fn nothing_here(State(app): Shared) -> Response {
    page::problem(&app, StatusCode::NOT_FOUND, "There is no such page.")
}

#[derive(Debug, Default, Deserialize)]
struct Prefilled {
    #[serde(default)]
    q: String,
}

async fn home(State(app): Shared, headers: HeaderMap, form: Result<Form<Prefilled>, FormRejection>) -> Response {
    let question = form.map(|Form(prefilled)| prefilled.q).unwrap_or_default();
    let question: String = question.chars().take(app.config.question_chars).collect();
    let session = session::named(&headers).and_then(|id| app.sessions.get(&id));
    let markup = match session {
        Some(session) => page::home(&app, session.lock().await.turns(), &question),
        None => page::home(&app, &[], &question),
    };
    page::response(StatusCode::OK, markup)
}

/// A question, or a reading of one that was chosen.
#[derive(Debug, Deserialize)]
struct Asked {
    q: String,
    query: Option<String>,
}

async fn ask(State(app): Shared, headers: HeaderMap, form: Result<Form<Asked>, FormRejection>) -> Response {
    let by_script = headers.contains_key("hx-request");
    let refused = |status: StatusCode, text: &str| {
        if by_script { page::response(status, turn::problem(0, "", text)) } else { page::problem(&app, status, text) }
    };
    let Form(Asked { q: question, query }) = match form {
        Ok(form) => form,
        Err(rejection) => return refused(rejection.status(), "The form is too large or not one of this page."),
    };
    let question = question.trim().to_owned();
    if question.is_empty() {
        return refused(StatusCode::BAD_REQUEST, "The question is empty.");
    }
    if question.chars().count() > app.config.question_chars {
        let text =
            format!("The question is longer than {} characters.", format::thousands(app.config.question_chars as u64));
        return refused(StatusCode::PAYLOAD_TOO_LARGE, &text);
    }
    let known = session::named(&headers).and_then(|id| app.sessions.get(&id));
    let (session, cookie) = match known {
        Some(session) => (session, None),
        None => match app.sessions.make() {
            Ok((id, session)) => (session, Some(session::cookie(&headers, &id))),
            Err(_) => return refused(StatusCode::INTERNAL_SERVER_ERROR, "This system has no random numbers."),
        },
    };
    // One question of a dialogue after the other.
    let mut session = session.lock().await;
    let memory = session.memory.clone();
    let config = app.config.clone();
    let asked = question.clone();
    let worked = app.pool.with(move |index| answer(index, &config, memory, &asked, query.as_deref())).await;
    let number = session.count + 1;
    let (status, turn, spoken) = match worked {
        Ok(Ok((reply, memory, picture))) => {
            session.memory = memory;
            (StatusCode::OK, turn::turn(&app, number, &reply, picture), reply.text)
        }
        Ok(Err(error)) => (status_of(&error), turn::problem(number, &question, &error.to_string()), error.to_string()),
        Err(refusal) => {
            let (status, text) = sent_away(&refusal);
            let mut response = refused(status, text);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
            return response;
        }
    };
    session.count = number;
    let turn = turn.into_string();
    session.keep(turn.clone());
    let mut response = if by_script {
        let markup = turn + &turn::spoken(&spoken).into_string();
        page::response(status, maud::PreEscaped(markup))
    } else {
        (StatusCode::SEE_OTHER, [(LOCATION, format!("/#turn-{number}"))]).into_response()
    };
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

type Answered = (Reply, crate::dialogue::Memory, Option<maud::Markup>);

/// Answers a question and draws the answer.
fn answer(
    index: &Index,
    config: &WebConfig,
    memory: crate::dialogue::Memory,
    question: &str,
    query: Option<&str>,
) -> Result<Answered> {
    let mut dialogue = Dialogue::resume(index, memory).with_limits(config.limits);
    let reply = match query {
        Some(query) => dialogue.run(question, Query::parse(query)?)?,
        None => dialogue.ask(question)?,
    };
    // An answer without its picture is an answer.
    let picture = turn::drawn(index, config, &reply).unwrap_or_default();
    Ok((reply, dialogue.into_memory(), picture))
}

/// The status of a response for what went wrong.
fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Syntax { .. } | Error::Query { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Error::TooMuch { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Time { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn sent_away(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many questions at once; please ask again in a moment."),
        Refusal::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "This question broke the program; please report it."),
    }
}

async fn forget(State(app): Shared, headers: HeaderMap) -> Response {
    if let Some(id) = session::named(&headers) {
        app.sessions.end(&id);
    }
    (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response()
}

async fn at(State(app): Shared, form: Result<Form<locus::Wanted>, FormRejection>) -> Response {
    let Ok(Form(wanted)) = form else {
        return page::problem(&app, StatusCode::BAD_REQUEST, "A place needs genome, seq, start and end.");
    };
    let config = app.config.clone();
    let found = app.pool.with(move |index| locus::find(index, &config, wanted)).await;
    match found {
        Ok(Ok(Some(found))) => page::response(StatusCode::OK, page::other(&app, &found.title(), found.page())),
        Ok(Ok(None)) => page::problem(&app, StatusCode::NOT_FOUND, "There is no such place in the file."),
        Ok(Err(error)) => page::problem(&app, status_of(&error), &error.to_string()),
        Err(refusal) => {
            let (status, text) = sent_away(&refusal);
            page::problem(&app, status, text)
        }
    }
}

async fn download(State(app): Shared, form: Result<Form<download::Wanted>, FormRejection>) -> Response {
    let wanted = match form {
        Ok(Form(wanted)) => Arc::new(wanted),
        Err(rejection) => return page::problem(&app, rejection.status(), "A download needs a query q and a format."),
    };
    let config = app.config.clone();
    let asked = wanted.clone();
    match app.pool.with(move |index| download::make(index, &config, &asked)).await {
        Ok(made) => download::response(&app, &wanted, made),
        Err(refusal) => {
            let (status, text) = sent_away(&refusal);
            page::problem(&app, status, text)
        }
    }
}
