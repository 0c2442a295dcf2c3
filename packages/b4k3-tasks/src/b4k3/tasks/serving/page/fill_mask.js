// Tokens for a gap in a text.

import { ask } from "./api.js";
import { bar, make, rounded } from "./dom.js";
import { InputError, Panel } from "./panel.js";
import { onLanguage, t, translate } from "./texts.js";

export function addFillMask(model) {
  const mask = model.mask_token;
  let drawn = null;
  const panel = new Panel("fill-mask", model, async (signal) => {
    const input = panel.text();
    if (!input.includes(mask)) throw new InputError("fill_none", mask);
    panel.showRequest("/fill-mask", { input, top: 5 });
    const { results } = await ask("/fill-mask", { input, top: 5 }, signal);
    drawn = { parts: input.split(mask), masks: results[0] };
    draw(panel, drawn);
  });
  panel.find(".mask-token").textContent = mask;
  const insert = make("button", { type: "button", "data-text": "fill_insert" });
  insert.addEventListener("click", () => {
    panel.input.setRangeText(mask, panel.input.selectionStart, panel.input.selectionEnd, "end");
    panel.input.focus();
  });
  panel.button.after(insert);
  translate(panel.buttons);
  onLanguage(() => drawn && draw(panel, drawn));
}

function draw(panel, { parts, masks }) {
  const gaps = masks.map((tokens) => make("mark", { class: "gap", text: tokens.length ? tokens[0].token : "" }));
  const sentence = make("p", { class: "text" });
  parts.forEach((part, i) => sentence.append(part, ...(gaps[i] ? [gaps[i]] : [])));
  const lists = masks.map((tokens, i) => {
    const list = make("div", { class: "bars", role: "group", "aria-label": t("fill_which", i + 1) });
    if (masks.length > 1) list.append(make("h3", { text: t("fill_which", i + 1) }));
    for (const { token, score } of tokens) {
      const label = make("span", { class: "name", text: token });
      const number = `${rounded(100 * score, 1)} %`;
      const button = make("button", { type: "button", class: "bar-line", title: t("fill_choose", token) }, label);
      button.append(...bar(score, number));
      button.addEventListener("click", () => {
        gaps[i].textContent = token;
        for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
      });
      button.setAttribute("aria-pressed", String(list.querySelector("button") === null));
      list.append(button);
    }
    return list;
  });
  panel.result.replaceChildren(sentence, ...lists);
  panel.result.hidden = false;
}
