//! Chromium without a head, driven over the DevTools protocol: messages of JSON, each with a zero byte behind it, on pipes.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long something may take that always happens.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: RefCell<ChildStdin>,
    from: Receiver<Value>,
    next: Cell<u64>,
    session: String,
    events: RefCell<Vec<Value>>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The browser's program, if there is one.
fn program() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}

impl Browser {
    /// Starts it; `None`, with a line on stderr, where it is missing.
    pub(crate) fn start(test: &str, downloads: &Path) -> Option<Self> {
        let Some(program) = program() else {
            eprintln!("skipped: {test}: no Chromium on this machine");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // The protocol is on descriptors 3 and 4, which the shell makes of the pipes that a child has anyway.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"]).arg(program).args([
            "--headless",
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let to = RefCell::new(child.stdin.take().unwrap());
        let mut read = BufReader::new(child.stdout.take().unwrap());
        let (send, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while read.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if send.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let session = String::new();
        let mut browser =
            Self { child, to, from, next: Cell::new(0), session, events: RefCell::default(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        let behaviour = json!({ "behavior": "allow", "downloadPath": downloads });
        browser.call("Browser.setDownloadBehavior", behaviour);
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        Some(browser)
    }

    /// Calls a method and waits for its result.
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let id = self.next.get() + 1;
        self.next.set(id);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let mut to = self.to.borrow_mut();
        to.write_all(&bytes).and_then(|()| to.flush()).expect("the browser runs");
        drop(to);
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.from.recv_timeout(left) {
                Ok(reply) if reply["id"] == id => {
                    assert!(reply["error"].is_null(), "{method}: {}", reply["error"]);
                    return reply["result"].clone();
                }
                Ok(event) => self.events.borrow_mut().push(event),
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: the browser ended"),
            }
        }
    }

    /// The value of an expression in the page; a promise is awaited.
    pub(crate) fn eval(&self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let reply = self.call("Runtime.evaluate", params);
        assert!(reply["exceptionDetails"].is_null(), "{expression}: {}", reply["exceptionDetails"]);
        reply["result"]["value"].clone()
    }

    /// The text that an expression gives.
    pub(crate) fn text(&self, expression: &str) -> String {
        self.eval(expression).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.eval(&format!("!!({expression})")) != json!(true) {
            assert!(Instant::now() < end, "never became true: {expression}\n{}", self.text("document.body.innerText"));
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Opens an address.
    pub(crate) fn open(&self, address: &str) {
        let reply = self.call("Page.navigate", json!({ "url": address }));
        assert!(reply["errorText"].is_null(), "{address}: {reply}");
        self.wait(&format!("location.href.startsWith({}) && document.readyState === 'complete'", json!(address)));
    }

    /// Types into what has the focus.
    pub(crate) fn write(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses a key: `Enter`, `Tab`, `/`.
    pub(crate) fn press(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "ArrowUp" => (38, ""),
            key => (u32::from(key.as_bytes()[0]), key),
        };
        let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        let press = json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", press);
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code }));
    }

    /// Clicks what a selector finds, as a mouse does.
    pub(crate) fn click(&self, selector: &str) {
        let expression = format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()",
            json!(selector)
        );
        let at = self.eval(&expression);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// The size of the window, and whether it is a phone.
    pub(crate) fn resize(&self, width: u32, height: u32, phone: bool) {
        let scale = if phone { 2 } else { 1 };
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Whether the system is `light` or `dark`.
    pub(crate) fn light(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// A picture of the page, in the folder for temporary files of the build.
    pub(crate) fn picture(&self, name: &str) {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), decoded(picture["data"].as_str().unwrap())).unwrap();
    }

    /// What the page complained of: errors of scripts, and what the Content-Security-Policy forbade.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.eval("1"); // events that are under way
        let events = self.events.borrow();
        let told = events.iter().filter_map(|event| match event["method"].as_str()? {
            "Log.entryAdded" if event["params"]["entry"]["level"] == "error" => {
                Some(event["params"]["entry"].to_string())
            }
            "Runtime.exceptionThrown" => Some(event["params"].to_string()),
            _ => None,
        });
        told.collect()
    }
}

/// Base64 without line ends.
fn decoded(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = text.bytes().filter_map(|b| alphabet.iter().position(|a| *a == b));
    let (mut out, mut buffer, mut bits) = (Vec::new(), 0usize, 0);
    for sextet in sextets {
        buffer = (buffer << 6 | sextet) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits) as u8);
        }
    }
    out
}
