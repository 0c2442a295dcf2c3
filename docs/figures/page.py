"""Take the pictures of the page of `b4k3 serve` in docs/serving.md: page.png, page-attention.png, page.zh-CN.png.

    hatch run serve:python docs/figures/page.py

Two real models are served, MiniLM and multilingual-e5-small, as `hatch run demo --page` does. Needs Debian's chromium,
playwright and Pillow, and fonts for Chinese.
"""

from __future__ import annotations

import io
import pathlib
import re
import subprocess
import sys

from PIL import Image
from playwright.sync_api import sync_playwright

FIGURES = pathlib.Path(__file__).resolve().parent
DEMO = FIGURES.parents[1] / "demo" / "demo.py"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
SENTENCES = """大熊猫几乎只吃竹子。
What do pandas eat?
从上海坐高铁到杭州大约需要一个小时。
How long is the train ride from Shanghai to Hangzhou?
布洛芬常用来缓解头痛。
Which medicine helps against a headache?"""


def save(png: bytes, name: str) -> None:
    """Write a picture with few colours, so that it is small."""
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    image.save(FIGURES / name, optimize=True)
    print(f"{name}: {image.width} x {image.height}, {(FIGURES / name).stat().st_size / 1000:.0f} kB")


def compute(page, part: str) -> None:
    """Send the form of a part of the page, and wait for what it shows."""
    page.click(f"#{part} button.main")
    page.wait_for_selector(f"#{part}[aria-busy=false] .result:not([hidden])")
    page.click(f"#{part} button.main")  # the first time the model was compiled, which took seconds
    page.wait_for_selector(f"#{part}[aria-busy=false]")


def show_english(page) -> None:
    """Similarities, and the attention of one head."""
    compute(page, "similarity")
    page.set_viewport_size({"width": 900, "height": 860})
    save(page.screenshot(), "page.png")
    page.select_option("#attention .layer", index=2)
    compute(page, "attention")
    page.select_option("#attention .head", index=5)
    page.wait_for_selector("#attention[aria-busy=false]")
    page.click("#attention .from button:text-is('it')")
    page.evaluate("document.querySelector('.top').hidden = true")  # it would cover a part of the picture
    page.set_viewport_size({"width": 900, "height": 1000})
    page.mouse.move(1, 1)
    save(page.locator("#attention").screenshot(), "page-attention.png")


def show_chinese(page) -> None:
    """Sentences in two languages, on a dark page."""
    page.fill("#similarity textarea", SENTENCES)
    page.evaluate("document.querySelector('#similarity textarea').rows = 6")
    compute(page, "similarity")
    page.set_viewport_size({"width": 900, "height": 930})
    save(page.screenshot(), "page.zh-CN.png")


def main() -> None:
    """Serve both models one after the other, and take the pictures."""
    dark = {"locale": "zh-CN", "color_scheme": "dark"}
    for arguments, options, show in (([], {"locale": "en-US"}, show_english), (["--chinese"], dark, show_chinese)):
        command = [sys.executable, str(DEMO), "--page", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
            try:
                address = next(re.search(r"http://\S+", line) for line in server.stdout if "http://" in line).group()
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=OPTIONS)
                page = browser.new_page(device_scale_factor=1.5, viewport={"width": 900, "height": 800}, **options)
                page.set_default_timeout(60_000)
                page.goto(address)
                show(page)
                browser.close()
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
