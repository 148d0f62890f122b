//! Whole pages: the frame, the first page with its examples, what went wrong.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::App;
use super::format::thousands;
use crate::index::GenomeInfo;

/// htmx without what the Content-Security-Policy forbids, and without a copy of the pages in the browser's storage.
const HTMX_CONFIG: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyEnabled":false,"historyCacheSize":0,"responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}"#;

/// A page as a response.
pub(super) fn response(status: StatusCode, markup: Markup) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string()).into_response()
}

fn frame(app: &App, title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX_CONFIG);
                title { (title) }
                link rel="icon" type="image/svg+xml" href=(app.addresses.icon);
                link rel="stylesheet" href=(app.addresses.style);
                // In front of the body, so that the page does not flash in the other colours.
                script src=(app.addresses.script) {}
                script src=(app.addresses.htmx) defer {}
            }
            (body)
        }
    }
}

/// What the genomes are called.
pub(super) fn name(genomes: &[GenomeInfo]) -> String {
    match genomes {
        [genome] => genome.organism.clone().unwrap_or_else(|| genome.name.clone()),
        genomes => format!("{} genomes", genomes.len()),
    }
}

fn genome_facts(genome: &GenomeInfo, with_name: bool) -> Markup {
    let plural = |n: u64, one: &str| format!("{} {one}{}", thousands(n), if n == 1 { "" } else { "s" });
    let mut facts = Vec::new();
    if with_name || genome.organism.is_some() {
        facts.push(genome.name.clone());
    }
    facts.push(genome.format.clone());
    facts.push(plural(genome.sequences, "sequence"));
    if genome.bases > 0 {
        facts.push(format!("{} bp", thousands(genome.bases)));
    }
    facts.push(plural(genome.features, "feature"));
    if !genome.has_residues {
        facts.push("no sequence letters".to_owned());
    }
    html! {
        @if with_name { @if let Some(organism) = &genome.organism { i { (organism) } " · " } }
        (facts.join(" · "))
    }
}

/// The line above every page.
fn banner(app: &App, first_page: bool) -> Markup {
    let title = name(&app.genomes);
    html! {
        a class="skip" href=(if first_page { "#q" } else { "#content" }) { "Skip to " (if first_page { "the question box" } else { "the content" }) }
        header class="banner" {
            div class="bar" {
                div class="who" {
                    @if first_page {
                        h1 { (title) }
                    } @else {
                        p class="title" { a href="/" { (title) } }
                    }
                    @if let [genome] = &app.genomes[..] {
                        p class="facts" { (genome_facts(genome, false)) }
                    } @else {
                        details class="facts" {
                            summary { "Which genomes" }
                            ul { @for genome in &app.genomes { li { (genome_facts(genome, true)) } } }
                        }
                    }
                }
                div class="tools" {
                    @if first_page {
                        form method="post" action="/new" { button class="quiet" { "New dialogue" } }
                    }
                    button class="quiet" type="button" id="theme" hidden { "Theme" }
                }
            }
        }
    }
}

/// The first page: the dialogue so far, examples, and the question box.
pub(super) fn home(app: &App, turns: &[String], question: &str) -> Markup {
    let body = html! {
        body class="asking" {
            (banner(app, true))
            main id="content" hx-target="#turns" hx-swap="beforeend" hx-sync="this:drop" {
                (examples(app, turns.is_empty()))
                ol id="turns" aria-label="Questions and answers" {
                    @for turn in turns { (PreEscaped(turn)) }
                }
                p id="status" class="unseen" role="status" {}
                form id="ask" class="composer" method="post" action="/ask" hx-post="/ask" hx-disabled-elt="find button" {
                    div class="bar" {
                        label for="q" class="unseen" { "Question" }
                        input id="q" name="q" type="text" value=(question) required maxlength=(app.config.question_chars)
                            autocomplete="off" autocapitalize="off" spellcheck="false" enterkeyhint="send" autofocus
                            placeholder="Ask about genes, functions, neighbours, sequences, counts";
                        button class="go" { "Ask" }
                    }
                }
            }
        }
    };
    frame(app, &format!("{} – genome", name(&app.genomes)), body)
}

/// Questions that only make sense after another one.
pub(super) const GOING_ON: &str = "Going on";

fn examples(app: &App, open: bool) -> Markup {
    html! {
        details id="welcome" open[open] {
            summary { "What can be asked" }
            p class="lead" {
                "Questions in plain English, or typed queries. Every number is computed from the file, and every row names the line "
                "on which it stands. What is not annotated is not thereby absent."
            }
            form class="examples" method="post" action="/ask" hx-post="/ask" {
                @for sort in app.examples.iter().filter(|sort| sort.category != GOING_ON) {
                    section {
                        h2 { (sort.category) }
                        ul { @for question in &sort.questions { li { button name="q" value=(question) { (question) } } } }
                    }
                }
            }
            @if let Some(sort) = app.examples.iter().find(|sort| sort.category == GOING_ON) {
                p class="lead" {
                    "A question may go on from the last answer: "
                    @for (i, question) in sort.questions.iter().enumerate() {
                        @if i > 0 { ", " } "“" (question) "”"
                    }
                    "."
                }
            }
        }
    }
}

/// A page that is not the first one.
pub(super) fn other(app: &App, title: &str, content: Markup) -> Markup {
    let body = html! {
        body {
            (banner(app, false))
            main id="content" { (content) }
        }
    };
    frame(app, &format!("{title} – {}", name(&app.genomes)), body)
}

/// A page that says what went wrong.
pub(super) fn problem(app: &App, status: StatusCode, text: &str) -> Response {
    let content = html! {
        section class="turn problem" {
            h1 { "This did not work" }
            p class="answer" { (text) }
            p { a href="/" { "Back to the questions" } }
        }
    };
    response(status, other(app, "Problem", content))
}
