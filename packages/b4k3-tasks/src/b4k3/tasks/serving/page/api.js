// Requests to the server of this page, and its errors in the words of the page.

import { t } from "./texts.js";

const STORE = "b4k3-key";

let key = read();

function read() {
  try {
    return sessionStorage.getItem(STORE) || "";
  } catch {
    return "";
  }
}

// What curl sends so that a server with a key answers.
export function keyOption() {
  return key ? " -H \"Authorization: Bearer $KEY\"" : "";
}

// Use this API key from now on.
export function setKey(value) {
  key = value;
  try {
    sessionStorage.setItem(STORE, value);
  } catch {
    // the key lasts as long as the page
  }
}

// An answer of the server that is no result. `text()` says it in the current language.
export class ServerError extends Error {
  constructor(status, message = "", retryAfter = null) {
    super(message || `status ${status}`);
    this.status = status;
    this.said = message;
    this.retryAfter = retryAfter;
  }

  text() {
    const first = this.sentence();
    return this.said ? `${first} ${t("said", this.said)}` : first;
  }

  sentence() {
    if (this.status === 0) return t("error_network");
    if (this.status === 401) return t("key_wrong");
    if (this.status === 429) return t("error_busy", this.retryAfter);
    if (this.status === 503) return t("error_draining");
    if (this.status === 504 || this.status === 408) return t("error_time");
    if (this.status === -1) return t("error_cut");
    return this.status >= 500 ? t("error_server") : t("error_request");
  }
}

// Send a request; give the response if its status is good, and otherwise throw a ServerError.
async function send(path, body, signal) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const options = { headers, signal, cache: "no-store" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0);
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  const message = answer.error && typeof answer.error.message === "string" ? answer.error.message : "";
  throw new ServerError(response.status, message, response.headers.get("Retry-After"));
}

// The answer to a request: POST with a body, GET without.
export async function ask(path, body, signal) {
  const response = await send(path, body, signal);
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(-1);
  }
}

// The events of an answer that comes as server-sent events, each of them parsed.
export async function* askStream(path, body, signal) {
  const response = await send(path, { ...body, stream: true }, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServerError(-1);
    }
    if (part.done) throw new ServerError(-1); // a whole answer ends with [DONE]
    rest += part.value;
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (!lines.length) continue;
      const data = lines.map((line) => line.slice(5).trimStart()).join("\n");
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new ServerError(-1, event.error.message);
      yield event;
    }
  }
}
