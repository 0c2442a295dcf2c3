// Colours that people with every kind of colour vision can tell apart.

// ColorBrewer's YlGnBu, whose lightness falls from step to step. On a dark page it runs the other way: the larger a
// number, the more its colour stands out from the page.
const STOPS = ["#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#253494", "#081d58"].map(
  (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)),
);

const dark = matchMedia("(prefers-color-scheme: dark)");

// Call a function whenever the page becomes dark or light.
export function onDark(listener) {
  dark.addEventListener("change", listener);
}

// Colour an element for a share from 0 to 1, and its text so that it can be read.
export function paint(element, share) {
  const place = Math.min(Math.max(dark.matches ? 1 - share : share, 0), 1) * (STOPS.length - 1);
  const i = Math.min(Math.floor(place), STOPS.length - 2);
  const rgb = STOPS[i].map((value, c) => Math.round(value + (place - i) * (STOPS[i + 1][c] - value)));
  element.style.backgroundColor = `rgb(${rgb.join(" ")})`;
  element.style.color = contrast(rgb, 1) > contrast(rgb, 0) ? "#fff" : "#000";
}

// The contrast of a colour with white (1) or black (0), as WCAG defines it.
function contrast(rgb, other) {
  const linear = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return (Math.max(light, other) + 0.05) / (Math.min(light, other) + 0.05);
}

// The class of a label: one of eight colours of Okabe and Ito, in the order in which the labels come.
export function labelClass(labels, label) {
  return `label-${labels.indexOf(label) % 8}`;
}
