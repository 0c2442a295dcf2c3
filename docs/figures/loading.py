"""Draw the figure of the READMEs, loading.svg and loading.zh-CN.svg, from the measurements in loading.json.

    python docs/figures/loading.py

The colours are readable on light and on dark pages, and the text uses the fonts of the reader.
"""

from __future__ import annotations

import json
import pathlib
from html import escape
from typing import Any

FOLDER = pathlib.Path(__file__).parent
TEXT, OURS, OTHERS = "#768390", "#2f81f7", "#909aa5"
WIDTH, TOP, ROW = 760, 52, 28
NAMES = 150  # where the names end
PANELS = {"seconds": (NAMES + 12, 240), "memory": (470, 230)}  # key -> (left edge, width of the longest bar)
WORDS = {
    "loading.svg": {
        "title": "Loading a BERT-base from its TensorFlow 1 checkpoint",
        "seconds": "Seconds to a model",
        "memory": "Peak memory, in sizes of the model",
        "note": "* transformers does not read this file: it maps a safetensors file and reads a weight at first use.",
    },
    "loading.zh-CN.svg": {
        "title": "从 TensorFlow 1 的 checkpoint 加载 BERT-base",
        "seconds": "得到模型所需的秒数",
        "memory": "内存峰值（模型大小的倍数）",
        "note": "* transformers 不能读取这个文件：它把 safetensors 文件映射到内存，第一次用到某个权重时才读取。",
    },
}


def text(x: float, y: float, content: str, size: int = 13, anchor: str = "start", weight: str = "normal") -> str:
    """Return an SVG element with a text on one line, which starts, ends or has its middle at x."""
    place = f'x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text {place} fill="{TEXT}">{escape(content)}</text>'


def bars(key: str, measured: list[dict[str, Any]], unit: str) -> list[str]:
    """Return the SVG elements of one panel: a bar and a figure for each measurement."""
    left, width = PANELS[key]
    longest = max(run[key] for run in measured)
    found = []
    for i, run in enumerate(measured):
        y, length = TOP + i * ROW, max(1.5, width * run[key] / longest)
        colour = OURS if run["ours"] else OTHERS
        found.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="18" rx="2" fill="{colour}"/>')
        weight = "bold" if run["ours"] else "normal"
        found.append(text(left + length + 6, y + 13.5, f"{run[key]:.2f}{unit}", weight=weight))
    return found


def draw(measured: list[dict[str, Any]], words: dict[str, str]) -> str:
    """Return the figure as an SVG file, with the words of one language."""
    height = TOP + ROW * len(measured) + 26
    family = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="{family}" role="img">',
        f"<title>{escape(words['title'])}</title>",
        text(0, 14, words["title"], 14, weight="bold"),
    ]
    lines += [text(PANELS[key][0], 40, words[key]) for key in PANELS]
    for i, run in enumerate(measured):
        weight = "bold" if run["ours"] else "normal"
        lines.append(text(NAMES, TOP + i * ROW + 13.5, run["name"], anchor="end", weight=weight))
    lines += bars("seconds", measured, " s") + bars("memory", measured, " ×")
    lines += [text(0, height - 8, words["note"], 12), "</svg>"]
    return "\n".join(lines) + "\n"


def main(target: pathlib.Path = FOLDER) -> None:
    """Write the figure in all languages to a folder."""
    measured = json.loads((FOLDER / "loading.json").read_text(encoding="utf-8"))["measured"]
    for name, words in WORDS.items():
        (target / name).write_bytes(draw(measured, words).encode("utf-8"))


if __name__ == "__main__":
    main()
