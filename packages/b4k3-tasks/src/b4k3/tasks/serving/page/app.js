// Ask the server what its model can do, and show the parts of the page that belong to it.

import { ask, setKey } from "./api.js";
import { addAttention } from "./attention.js";
import { addClassify } from "./classify.js";
import { make } from "./dom.js";
import { addFillMask } from "./fill_mask.js";
import { addGenerate } from "./generate.js";
import { addSimilarity } from "./similarity.js";
import { addTags } from "./tags.js";
import { currentLanguage, onLanguage, setLanguage, t, translate } from "./texts.js";

const PARTS = {
  encode: addSimilarity,
  "fill-mask": addFillMask,
  tag: addTags,
  classify: addClassify,
  generate: addGenerate,
  attention: addAttention,
};

const loading = document.getElementById("loading");
const keyForm = document.getElementById("key-form");

// Show what the first model of the server can do.
async function start() {
  const { data } = await ask("/v1/models");
  const model = data[0];
  loading.hidden = keyForm.hidden = true;
  document.title = `${model.id} · b4k3`;
  document.getElementById("model-name").textContent = model.id;
  const tasks = new Set(model.tasks);
  if (!model.mask_token) tasks.delete("fill-mask");
  if (model.attention) tasks.add("attention");
  const sections = [...document.querySelectorAll("section[data-task]")].filter((s) => tasks.has(s.dataset.task));
  sections.forEach((section) => PARTS[section.dataset.task](model));
  const contents = document.getElementById("contents");
  for (const section of sections) {
    const name = section.querySelector("h2").dataset.text.replace("_title", "_nav");
    contents.append(make("a", { href: `#${section.id}`, "data-text": name }));
  }
  contents.hidden = sections.length < 2;
  translate(contents);
  if (!sections.length) {
    loading.hidden = false;
    loading.dataset.text = "no_tasks";
    translate(loading.parentElement);
  }
  const facts = () => (document.getElementById("facts").textContent = t("facts", model));
  facts();
  onLanguage(facts);
}

// Start, and say in the page what went wrong; a server with a key asks for it.
async function begin() {
  try {
    await start();
  } catch (error) {
    const line = keyForm.querySelector(".error");
    if (error.status === 401) {
      line.hidden = keyForm.hidden; // the first time nobody has given a wrong one
      line.textContent = t("key_wrong");
      loading.hidden = true;
      keyForm.hidden = false;
      keyForm.querySelector("input").focus();
    } else {
      delete loading.dataset.text;
      loading.className = "error";
      loading.textContent = error.text ? error.text() : String(error);
      throw error;
    }
  }
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => setLanguage(button.dataset.language));
}
keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  setKey(document.getElementById("key").value);
  begin();
});
setLanguage(currentLanguage(), false);
begin();
