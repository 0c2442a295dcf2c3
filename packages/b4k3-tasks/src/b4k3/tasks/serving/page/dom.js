// Elements. Whatever a user or a model wrote becomes text by `textContent`, never HTML.

// Make an element: its attributes by name, `text` for its text; null leaves an attribute out.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  fill(element, attributes);
  element.append(...children);
  return element;
}

// Make an element of SVG.
export function makeSvg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  fill(element, attributes);
  element.append(...children);
  return element;
}

function fill(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
}

export function rounded(value, digits = 2) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

// A bar of this share of its place, with a text beside it.
export function bar(share, text) {
  const inner = make("span", { class: "inner" });
  inner.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
  return [make("span", { class: "bar", "aria-hidden": "true" }, inner), make("span", { class: "number", text })];
}

// Let the arrow keys, Home and End move within cells that stand in rows; one of them is reached by Tab.
export function moveWithArrows(rows, onFocus) {
  const place = new Map();
  rows.forEach((row, i) => row.forEach((cell, j) => place.set(cell, [i, j])));
  for (const [cell, [i, j]] of place) {
    cell.tabIndex = i + j ? -1 : 0;
    cell.addEventListener("focus", () => {
      for (const other of place.keys()) if (other.tabIndex === 0) other.tabIndex = -1;
      cell.tabIndex = 0;
      onFocus(i, j);
    });
    cell.addEventListener("keydown", (event) => {
      const last = rows[i].length - 1;
      const moved = {
        ArrowUp: [i - 1, j],
        ArrowDown: [i + 1, j],
        ArrowLeft: [i, j - 1],
        ArrowRight: [i, j + 1],
        Home: event.ctrlKey || !last ? [0, 0] : [i, 0],
        End: event.ctrlKey || !last ? [rows.length - 1, last] : [i, last],
      }[event.key];
      if (!moved || event.altKey || event.metaKey) return;
      event.preventDefault();
      const next = rows[moved[0]] && rows[moved[0]][moved[1]];
      if (next) next.focus();
    });
  }
}
