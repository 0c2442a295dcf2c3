// The attention weights of a head: lines between the tokens, or a matrix.

import { ask } from "./api.js";
import { onDark, paint } from "./colours.js";
import { bar, make, makeSvg, moveWithArrows, rounded } from "./dom.js";
import { InputError, Panel } from "./panel.js";
import { onLanguage, t } from "./texts.js";

const MOST = 128; // tokens that a picture can show
const FAINT = 0.02; // lines of smaller weights are left out

export function addAttention(model) {
  let drawn = null;
  const state = { row: null }; // the token that was chosen
  const panel = new Panel("attention", model, async (signal) => {
    const body = { input: panel.text(), layer: Number(layer.value), head: Number(head.value) };
    panel.showRequest("/attention", body);
    const answer = await ask("/attention", body, signal);
    if (answer.tokens.length > MOST) throw new InputError("attention_long", answer.tokens.length, MOST);
    if (!drawn || drawn.tokens.join("\n") !== answer.tokens.join("\n")) state.row = null;
    drawn = answer;
    return draw(panel, drawn, state);
  });
  const [layer, head] = [panel.find(".layer"), panel.find(".head")];
  for (const [select, count] of [[layer, model.attention.layers], [head, model.attention.heads]]) {
    for (let i = 0; i < count; i++) select.append(make("option", { value: i, text: i + 1 }));
    select.addEventListener("change", () => panel.run());
  }
  layer.value = model.attention.layers - 1;
  const again = () => {
    if (!drawn) return;
    const say = draw(panel, drawn, state);
    panel.show(say, null);
  };
  for (const view of panel.section.querySelectorAll("[name=view]")) view.addEventListener("change", again);
  onLanguage(again);
  onDark(again);
}

// Draw the chosen view; return what is said about it.
function draw(panel, answer, state) {
  const view = panel.find("[name=view]:checked").value;
  const place = panel.find(".view");
  place.replaceChildren((view === "lines" ? drawLines : drawMatrix)(panel, answer, state));
  panel.result.hidden = false;
  return () => (state.row === null ? "" : sentence(answer, state.row));
}

// For instance: “it” looks most at “cat” (0.42), “street” (0.20).
function sentence({ tokens, weights }, i) {
  const order = tokens.map((_, j) => j).sort((a, b) => weights[i][b] - weights[i][a]);
  const best = order.slice(0, 3).map((j) => t("attention_best", tokens[j], rounded(weights[i][j])));
  return t("attention_says", tokens[i], best.join(t("list_comma")));
}

function drawLines(panel, answer, state) {
  const { tokens, weights } = answer;
  const n = tokens.length;
  const paths = weights.map((row, i) => row.map((weight, j) => (weight < FAINT ? null : line(i, j, weight))));
  const attributes = { viewBox: `0 0 100 ${n}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  const lines = makeSvg("svg", attributes, ...paths.flat().filter(Boolean));
  const left = tokens.map((token) => make("button", { type: "button", class: "token", text: token }));
  const right = tokens.map((token) => make("li", {}, make("span", { class: "token", text: token })));
  const point = (chosen) => {
    left.forEach((button, i) => button.setAttribute("aria-pressed", String(i === chosen)));
    paths.forEach((row, i) =>
      row.forEach((path, j) => {
        if (path) path.style.strokeOpacity = chosen === null || i === chosen ? Math.sqrt(weights[i][j]) : 0.04;
      }),
    );
    right.forEach((item, j) => {
      while (item.children.length > 1) item.lastChild.remove();
      if (chosen !== null) item.append(...bar(weights[chosen][j], rounded(weights[chosen][j])));
    });
    panel.show(() => (chosen === null ? "" : sentence(answer, chosen)), null);
  };
  const select = (i) => {
    state.row = i;
    point(i);
  };
  moveWithArrows(left.map((button) => [button]), select);
  left.forEach((button, i) => {
    button.addEventListener("pointerenter", () => point(i));
    button.addEventListener("click", () => select(i));
  });
  const from = make("div", { class: "from", role: "group", "aria-label": t("attention_from") }, ...left);
  from.addEventListener("pointerleave", () => point(state.row));
  point(state.row);
  const to = make("ol", { class: "to", "aria-label": t("attention_to") }, ...right);
  const picture = make("div", { class: "lines" }, from, lines, to);
  picture.style.setProperty("--tokens", n);
  return picture;
}

function line(i, j, weight) {
  const path = makeSvg("path", { d: `M0 ${i + 0.5}C45 ${i + 0.5} 55 ${j + 0.5} 100 ${j + 0.5}` });
  path.style.strokeWidth = `${0.8 + 4.5 * weight}px`;
  return path;
}

function drawMatrix(panel, answer, state) {
  const { tokens, weights, layer, head } = answer;
  const largest = Math.max(...weights.flat());
  const top = make("tr", {}, make("td"), ...tokens.map((token) => make("th", { scope: "col" }, make("span", { text: token }))));
  const headers = tokens.map((token) => make("th", { scope: "row", text: token }));
  const rows = weights.map((row, i) =>
    row.map((weight, j) => {
      const label = `${tokens[i]} → ${tokens[j]}: ${rounded(weight)}`;
      const cell = make("td", { "aria-label": label, title: label });
      if (tokens.length <= 16) cell.textContent = rounded(weight).replace(/^0\./, ".");
      paint(cell, weight / largest);
      return cell;
    }),
  );
  const point = (i, j) => {
    state.row = i;
    table.querySelectorAll(".at").forEach((element) => element.classList.remove("at"));
    [headers[i], top.cells[j + 1], rows[i][j]].forEach((element) => element.classList.add("at"));
    panel.show(() => sentence(answer, i), null);
  };
  moveWithArrows(rows, point);
  const caption = make("caption", { class: "quiet", text: t("attention_matrix", layer + 1, head + 1, rounded(largest)) });
  const body = make("tbody", {}, ...rows.map((cells, i) => make("tr", {}, headers[i], ...cells)));
  const table = make("table", { class: "matrix", role: "grid" }, caption, make("thead", {}, top), body);
  return table;
}
