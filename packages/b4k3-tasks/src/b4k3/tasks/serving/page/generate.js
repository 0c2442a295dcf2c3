// A text that goes on, shown while it is written.

import { askStream } from "./api.js";
import { make, rounded } from "./dom.js";
import { Panel } from "./panel.js";
import { t } from "./texts.js";

export function addGenerate(model) {
  const panel = new Panel("generate", model, (signal) => write(panel, signal), "generate_run");
}

async function write(panel, signal) {
  const prompt = panel.text();
  const body = {
    prompt,
    max_tokens: panel.find(".max-tokens").valueAsNumber || 64,
    temperature: panel.find(".temperature").valueAsNumber || 0,
  };
  panel.showRequest("/v1/completions", { ...body, stream: true });
  const piece = make("span", { class: "new" });
  const cursor = make("span", { class: "cursor", "aria-hidden": "true" });
  const written = panel.find(".written");
  written.setAttribute("aria-live", "off"); // it is read as a whole at the end
  written.replaceChildren(make("span", { class: "prompt", text: prompt }), piece, cursor);
  panel.result.hidden = false;
  let usage = null;
  let reason = null;
  const begin = performance.now();
  try {
    for await (const event of askStream("/v1/completions", { ...body, stream_options: { include_usage: true } }, signal)) {
      usage = event.usage || usage;
      for (const choice of event.choices) {
        piece.append(choice.text);
        reason = choice.finish_reason || reason;
      }
    }
  } finally {
    cursor.remove();
    written.setAttribute("aria-live", "polite");
  }
  const seconds = (performance.now() - begin) / 1000;
  const tokens = usage ? usage.completion_tokens : null;
  return () =>
    [
      tokens === null ? "" : t("generate_end", tokens, rounded(tokens / Math.max(seconds, 1e-3), 1)),
      reason === "length" ? t("generate_length") : "",
    ].filter(Boolean).join(" · ");
}
