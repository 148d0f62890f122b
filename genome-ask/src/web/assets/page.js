// What the page does beside htmx: colours, focus, scrolling. Without scripts the page works as well.
"use strict";

(() => {
  const themes = ["auto", "light", "dark"];
  const stored = () => {
    try {
      const theme = localStorage.getItem("theme");
      return themes.includes(theme) ? theme : "auto";
    } catch {
      return "auto";
    }
  };
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.hidden = false;
      button.textContent = `Theme: ${theme}`;
    }
  };
  show(stored()); // before the body is there

  // Where a picture is wider than the window, what was asked for comes into view.
  const centre = (within) => {
    for (const box of within.querySelectorAll(".picture .scroll")) {
      const marked = [...box.querySelectorAll(".marked")].map((element) => element.getBoundingClientRect());
      if (marked.length === 0 || box.scrollWidth <= box.clientWidth) continue;
      const middle = (Math.min(...marked.map((a) => a.left)) + Math.max(...marked.map((a) => a.right))) / 2;
      const window = box.getBoundingClientRect();
      box.scrollLeft += middle - (window.x + window.width / 2);
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    show(stored());
    centre(document);
    document.getElementById("theme").addEventListener("click", () => {
      const next = themes[(themes.indexOf(stored()) + 1) % themes.length];
      try {
        localStorage.setItem("theme", next);
      } catch {
        // stays for this page alone
      }
      show(next);
    });

    const box = document.getElementById("q");
    if (!box) return;
    const asked = [];
    let shown = 0;

    // "/" goes to the question box, arrows bring back earlier questions.
    document.addEventListener("keydown", (event) => {
      const typing = event.target.matches("input, textarea, select");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        box.focus();
      }
    });
    box.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step || asked.length === 0) return;
      event.preventDefault();
      shown = Math.min(Math.max(shown + step, 0), asked.length);
      box.value = asked[shown] ?? "";
    });

    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-edit]");
      if (!link) return;
      event.preventDefault();
      box.value = link.dataset.edit;
      box.focus();
    });

    document.body.addEventListener("htmx:afterRequest", (event) => {
      if (!event.detail.successful) return;
      const question = event.detail.requestConfig.parameters.q;
      if (question) asked.push(question);
      shown = asked.length;
      if (event.detail.elt.id === "ask") box.value = "";
    });
    document.body.addEventListener("htmx:afterSettle", (event) => {
      if (event.detail.target.id !== "turns") return;
      document.getElementById("welcome").open = false;
      const turn = document.querySelector("#turns > .turn:last-child");
      centre(turn);
      turn.scrollIntoView({ block: "start" });
      if (matchMedia("(hover: hover)").matches) box.focus({ preventScroll: true });
    });
    document.body.addEventListener("htmx:sendError", () => {
      document.getElementById("status").textContent = "The server does not answer; is it still running?";
      document.body.classList.add("lost");
    });
    document.body.addEventListener("htmx:beforeRequest", () => document.body.classList.remove("lost"));
  });
})();
