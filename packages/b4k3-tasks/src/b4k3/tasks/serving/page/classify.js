// The scores of the classes, as bars.

import { ask } from "./api.js";
import { bar, make, rounded } from "./dom.js";
import { Panel } from "./panel.js";
import { t } from "./texts.js";

export function addClassify(model) {
  const panel = new Panel("classify", model, async (signal) => {
    const second = panel.find(".second").value.trim();
    const input = second ? [[panel.text(), second]] : panel.text();
    panel.showRequest("/classify", { input });
    const { results } = await ask("/classify", { input }, signal);
    draw(panel, results[0]);
    return () => t("classify_answer", answer(results[0].label));
  });
}

function answer(label) {
  if (typeof label === "number") return rounded(label, 4);
  return Array.isArray(label) ? label.join(", ") || t("classify_nothing") : label;
}

function draw(panel, { label, scores }) {
  const chosen = new Set([label].flat());
  const sorted = Object.entries(scores).sort((a, b) => b[1] - a[1]);
  const largest = Math.max(1, ...sorted.map(([, score]) => Math.abs(score)));
  const probable = sorted.every(([, score]) => score >= 0 && score <= 1);
  const list = make("ul", { class: "bars" });
  for (const [name, score] of sorted) {
    const line = make("li", { class: "bar-line" }, make("span", { class: "name", text: name }));
    if (chosen.has(name)) line.classList.add("chosen");
    line.append(...bar(probable ? score : Math.abs(score) / largest, probable ? `${rounded(100 * score, 1)} %` : rounded(score, 4)));
    list.append(line);
  }
  panel.result.replaceChildren(list);
  panel.result.hidden = false;
}
