// What all parts of the page share: the form, its examples, what is said while and after it works, and errors.

import { keyOption, ServerError } from "./api.js";
import { make, rounded } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { currentLanguage, onLanguage, t, translate } from "./texts.js";

export class Panel {
  // A part of the page. `compute(signal)` does the work when the form is sent, and returns what the status line says
  // then: a function, because the language may change.
  constructor(id, model, compute, runText = "run") {
    this.section = document.getElementById(id);
    this.id = id;
    this.model = model;
    this.compute = compute;
    this.form = this.find("form");
    this.input = this.find("textarea");
    this.result = this.find(".result");
    this.status = this.find(".status");
    this.error = this.find(".error");
    this.say = () => "";
    this.failure = null;
    this.running = null;
    this.addButtons(runText);
    this.addExample();
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
    onLanguage(() => this.showTexts());
    this.section.hidden = false;
  }

  find(selector) {
    return this.section.querySelector(selector);
  }

  addButtons(runText) {
    this.button = make("button", { type: "submit", class: "main", "data-text": runText });
    this.stopButton = make("button", { type: "button", "data-text": "stop", hidden: "" });
    this.stopButton.addEventListener("click", () => this.running && this.running.abort());
    const examples = make("span", { class: "examples" }, make("span", { "data-text": "example" }));
    for (const [language, name] of [["en", "English"], ["zh", "中文"]]) {
      const button = make("button", { type: "button", class: "link", lang: language, text: name });
      button.addEventListener("click", () => this.putExample(language));
      examples.append(button);
    }
    this.buttons = this.find(".buttons");
    this.buttons.append(this.button, this.stopButton, examples);
    translate(this.buttons);
  }

  example(language) {
    const example = EXAMPLES[this.id][language];
    return typeof example === "function" ? example(this.model.mask_token) : example;
  }

  putExample(language) {
    this.input.value = this.example(language);
    this.input.dispatchEvent(new Event("input"));
    this.input.focus();
  }

  // The example follows the language until somebody writes something else.
  addExample() {
    let shown = null;
    const follow = () => {
      if (shown !== null && this.input.value !== shown) return;
      shown = this.input.value = this.example(currentLanguage());
    };
    follow();
    onLanguage(follow);
  }

  // Do the work of the form; what was begun before is given up.
  async run() {
    if (this.running) this.running.abort();
    const running = (this.running = new AbortController());
    const begin = performance.now();
    this.setBusy(true);
    this.show(() => t("busy"), null);
    try {
      const said = (await this.compute(running.signal)) || (() => "");
      if (this.running !== running) return;
      const seconds = rounded((performance.now() - begin) / 1000);
      this.show(() => [said(), t("took", seconds)].filter(Boolean).join(" · "), null);
    } catch (error) {
      if (this.running !== running) return;
      if (error.name === "AbortError") this.show(() => t("generate_stopped"), null);
      else this.fail(error);
    }
    this.running = null;
    this.setBusy(false);
  }

  fail(error) {
    this.result.hidden = !(error instanceof ServerError && error.status === -1);
    this.show(() => "", error);
    if (!error.text) console.error(error); // nobody foresaw it
  }

  setBusy(busy) {
    this.section.setAttribute("aria-busy", String(busy));
    this.stopButton.hidden = !busy;
    this.button.hidden = busy;
  }

  show(say, failure) {
    this.say = say;
    this.failure = failure;
    this.showTexts();
  }

  showTexts() {
    this.status.textContent = this.say();
    this.error.hidden = !this.failure;
    this.error.textContent = this.failure ? (this.failure.text ? this.failure.text() : String(this.failure)) : "";
  }

  // The text of the field; an error if there is none.
  text() {
    if (!this.input.value.trim()) throw new InputError("empty");
    return this.input.value;
  }

  // Show how a program sends the same request.
  showRequest(path, body) {
    const data = JSON.stringify(body).replaceAll("'", "'\\''");
    const command = `curl ${location.origin}${path} -H 'Content-Type: application/json'${keyOption()} -d '${data}'`;
    const copy = make("button", { type: "button", "data-text": "copy" });
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command);
      copy.textContent = t("copied");
    });
    const details = this.find(".request");
    details.replaceChildren(
      make("summary", { "data-text": "request" }),
      make("pre", { tabindex: "0", text: command }),
      copy,
    );
    if (!navigator.clipboard) copy.remove();
    translate(details);
  }
}

// Something that the form lacks, by the name of its text.
export class InputError extends Error {
  constructor(name, ...values) {
    super(name);
    this.text = () => t(name, ...values);
  }
}
