// Parts of a text, marked by colour and by the name of their label.

import { ask } from "./api.js";
import { labelClass } from "./colours.js";
import { make, rounded } from "./dom.js";
import { Panel } from "./panel.js";
import { onLanguage, t } from "./texts.js";

export function addTags(model) {
  let drawn = null;
  const panel = new Panel("tag", model, async (signal) => {
    const input = panel.text();
    panel.showRequest("/tag", { input });
    const { results } = await ask("/tag", { input }, signal);
    drawn = { letters: Array.from(input), spans: results[0] };
    draw(panel, drawn, model.labels.tag || []);
    const count = results[0].length;
    return () => (count ? t("tag_count", count) : t("tag_none"));
  });
  onLanguage(() => drawn && draw(panel, drawn, model.labels.tag || []));
}

function draw(panel, { letters, spans }, known) {
  const labels = [...new Set([...known, ...spans.map((span) => span.label)])];
  const text = make("p", { class: "text" }, ...marked(letters, spans, labels));
  panel.result.replaceChildren(text);
  if (spans.length) panel.result.append(list(spans, labels));
  panel.result.hidden = false;
}

// The text with its marks. A span within another one is marked in it; of two that cross, the later one is cut.
function marked(letters, spans, labels) {
  const order = [...spans].sort((a, b) => a.start - b.start || b.end - a.end);
  const within = (start, end) => {
    const nodes = [];
    let at = start;
    while (order.length && order[0].start < end) {
      const span = order.shift();
      const from = Math.max(span.start, at);
      const to = Math.min(span.end, end);
      if (from >= to) continue;
      nodes.push(letters.slice(at, from).join(""));
      const mark = make("mark", { class: `span ${labelClass(labels, span.label)}` });
      mark.append(...within(from, to), make("span", { class: "label", text: span.label }));
      nodes.push(mark);
      at = to;
    }
    nodes.push(letters.slice(at, end).join(""));
    return nodes;
  };
  return within(0, letters.length);
}

function list(spans, labels) {
  const head = make("tr");
  for (const [name, kind] of [["text"], ["label"], ["score", "number"], ["place", "number"]]) {
    head.append(make("th", { scope: "col", class: kind, text: t(`column_${name}`) }));
  }
  const rows = spans.map(({ start, end, label, score, text }) =>
    make(
      "tr",
      {},
      make("td", { text }),
      make("td", {}, make("span", { class: `chip ${labelClass(labels, label)}`, text: label })),
      make("td", { class: "number", text: rounded(score) }),
      make("td", { class: "number", text: `${start}–${end}` }),
    ),
  );
  const caption = make("caption", { class: "unseen", text: t("tag_list") });
  const table = make("table", { class: "list" }, caption, make("thead", {}, head), make("tbody", {}, ...rows));
  return make("div", { class: "scroll" }, table);
}
