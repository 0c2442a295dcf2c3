// The heat map of similarities.

import { ask } from "./api.js";
import { onDark, paint } from "./colours.js";
import { make, moveWithArrows, rounded } from "./dom.js";
import { InputError, Panel } from "./panel.js";
import { onLanguage, t } from "./texts.js";

const MOST = 50; // sentences that a table can show

export function addSimilarity(model) {
  let drawn = null;
  const panel = new Panel("similarity", model, async (signal) => {
    const input = panel.input.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (input.length < 2) throw new InputError("similarity_few");
    if (input.length > MOST) throw new InputError("similarity_many", MOST);
    panel.showRequest("/similarity", { input });
    const { similarities } = await ask("/similarity", { input }, signal);
    drawn = { input, similarities };
    draw(panel, drawn);
    const [i, j] = best(similarities);
    return () => t("similarity_best", i + 1, j + 1, rounded(similarities[i][j]));
  });
  const again = () => drawn && draw(panel, drawn);
  onLanguage(again);
  onDark(again);
}

// The two different sentences that are most alike.
function best(similarities) {
  let [row, column] = [0, 1];
  similarities.forEach((values, i) => {
    for (let j = i + 1; j < values.length; j++) if (values[j] > similarities[row][column]) [row, column] = [i, j];
  });
  return [row, column];
}

function draw(panel, { input, similarities }) {
  const all = similarities.flat();
  const low = Math.min(...all) < 0.3 ? Math.min(0, ...all) : Math.min(...all);
  const high = Math.max(...all);
  const share = (value) => (high > low ? (value - low) / (high - low) : 1);
  const table = panel.find(".heat");
  table.setAttribute("role", "grid"); // the arrow keys move within it
  const pair = panel.find(".pair");
  const head = make("tr", {}, make("td"), ...input.map((text, i) => make("th", { scope: "col", title: text, text: i + 1 })));
  const rows = similarities.map((values, i) =>
    values.map((value, j) => {
      const cell = make("td", { "aria-label": t("similarity_cell", i + 1, j + 1, rounded(value)), text: rounded(value) });
      paint(cell, share(value));
      return cell;
    }),
  );
  const headers = input.map((text, i) =>
    make("th", { scope: "row", title: text }, make("span", { class: "index", text: i + 1 }), make("span", { class: "sentence", text })),
  );
  const point = (i, j) => {
    table.querySelectorAll(".at").forEach((element) => element.classList.remove("at"));
    [headers[i], head.cells[j + 1], rows[i][j]].forEach((element) => element.classList.add("at"));
    const number = make("strong", { text: rounded(similarities[i][j], 4) });
    pair.replaceChildren(number, make("span", { text: input[i] }), make("span", { text: input[j] }));
  };
  moveWithArrows(rows, point);
  rows.forEach((cells, i) => cells.forEach((cell, j) => cell.addEventListener("pointerenter", () => point(i, j))));
  const caption = make("caption", { class: "quiet", text: t("similarity_caption") });
  const body = make("tbody", {}, ...rows.map((cells, i) => make("tr", {}, headers[i], ...cells)));
  table.replaceChildren(caption, make("thead", {}, head), body);
  const scale = panel.find(".legend .bar");
  scale.replaceChildren(...Array.from({ length: 24 }, () => make("i")));
  [...scale.children].forEach((step, i) => paint(step, i / 23));
  panel.find(".legend .low").textContent = rounded(low);
  panel.find(".legend .high").textContent = rounded(high);
  panel.result.hidden = false;
  point(...best(similarities));
}
