"""The page of the server in headless Chromium, before a server of made-up numbers."""

import importlib.util
import json
import os
import pathlib
import re
import types

import pytest
from playwright.sync_api import expect, sync_playwright

from b4k3.models import build_transformer_model
from support import servers
from support.page_stub import NEXT, PAGE, Stub
from support.small_models import CONFIG, spread

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
OPTIONS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
HOSTILE = (
    "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script> & <b>bold</b>"
)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """A function that opens the page of a stub; at the end no error may have been in the browser's console."""
    contexts, said = [], []

    def open_page(stub, locale="en-US", **options):
        contexts.append(browser.new_context(locale=locale, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(stub.address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in said if "Failed to load resource" not in text] == []  # what the browser says of a 401


@pytest.fixture(scope="module")
def stub():
    with Stub() as stub:
        yield stub


def compute(page, part, text=None):
    """Send the form of a part of the page, and wait for what it shows."""
    section = page.locator(f"#{part}")
    if text is not None:
        section.locator("textarea").fill(text)
    section.locator("button.main").click()
    expect(section).to_have_attribute("aria-busy", "false", timeout=60_000)
    return section


def test_similarities(opened, stub):
    page = opened(stub)
    section = compute(page, "similarity", "a red fox\n\n  a red box \nthe sea")
    assert stub.bodies[-1] == ("/similarity", {"input": ["a red fox", "a red box", "the sea"]})
    cells = section.locator("tbody td")
    assert cells.all_text_contents()[:3] == ["1.00", "0.75", "0.00"] and cells.count() == 9
    expect(section.locator(".status")).to_contain_text("Most alike: 1 and 2 (0.75)")
    cells.nth(0).focus()
    for key, label in (("ArrowRight", "1 and 2: 0.75"), ("ArrowDown", "2 and 2: 1.00"), ("End", "2 and 3: 0.00")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.ariaLabel") == label
    assert section.locator(".pair span").all_text_contents() == ["a red box", "the sea"]
    assert section.locator("tbody td[tabindex='0']").count() == 1  # Tab leaves the table
    for text, said in (("one", "Write at least two sentences, each on a line of its own."), ("a\n" * 51, "at most 50")):
        expect(compute(page, "similarity", text).locator(".error")).to_contain_text(said)


def test_contrast(opened, stub):
    """The numbers in the cells can be read, and darkness rises with the number (falls on a dark page)."""
    script = """cells => cells.map(cell => {
        const part = name => getComputedStyle(cell)[name].match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        const light = name => part(name).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0.05);
        const [a, b] = [light("backgroundColor"), light("color")];
        return [Number(cell.textContent), a, Math.max(a, b) / Math.min(a, b)];
    })"""
    words = "abcd abce abcdefg bcdef abc fgh defgh cdefgh bcdefgh abcdefgh".split()
    for scheme, sign in (("light", -1), ("dark", 1)):
        page = opened(stub, color_scheme=scheme)
        section = compute(page, "similarity", "\n".join(words))
        found = section.locator("tbody td").evaluate_all(script)
        lights = [light for _, light in sorted((value, light * sign) for value, light, _ in found)]
        assert min(ratio for _, _, ratio in found) >= 4.5 and lights == sorted(lights) and len(set(lights)) > 9


def test_filling_masks(opened, stub):
    page = opened(stub)
    section = compute(page, "fill-mask", "[MASK] is in [MASK].")
    assert section.locator(".gap").all_text_contents() == ["paris", "paris"]
    section.locator(".bars").nth(1).get_by_text("<b>rome</b>").click()
    assert section.locator(".text").text_content() == "paris is in <b>rome</b>."
    assert section.locator(".bars").first.locator(".number").first.text_content() == "60.0 %"
    section = compute(page, "fill-mask", "nothing is missing")
    expect(section.locator(".error")).to_have_text("Put [MASK] where something is missing.")
    section.get_by_text("Insert the mask").click()
    assert section.locator("textarea").input_value().count("[MASK]") == 1


def test_marked_spans(opened, stub):
    """Offsets count code points, and a span may stand within another one."""
    page = opened(stub)
    section = compute(page, "tag", "😀 Marie Curie, 王小明 & Warsaw")
    assert section.locator(".text > mark").all_text_contents() == ["Marie CuriePERPER", "王小明PER", "WarsawLOC"]
    assert section.locator(".text mark mark").text_content() == "CuriePER"
    rows = section.locator("tbody tr")
    assert rows.count() == 4 and rows.first.locator("td").all_text_contents() == ["Curie", "PER", "0.90", "8–13"]
    section = compute(page, "tag", "nobody")
    expect(section.locator(".status")).to_contain_text("Nothing was found")


def test_classes(opened, stub):
    page = opened(stub)
    section = compute(page, "classify", "good")
    names = section.locator(".name").all_text_contents()
    assert names == ["positive", "neutral", "negative"] and section.locator(".chosen").count() == 1
    section.locator(".second").fill("bad")
    compute(page, "classify")
    assert stub.bodies[-1] == ("/classify", {"input": [["good", "bad"]]})


def test_a_stream(opened, stub):
    page = opened(stub)
    section = compute(page, "generate", "Once")
    assert section.locator(".written").text_content() == "Once" + NEXT
    expect(section.locator(".status")).to_contain_text("15 tokens")
    section = compute(page, "generate", "cut off")
    expect(section.locator(".error")).to_contain_text("stopped in the middle")
    assert section.locator(".written").is_visible()


def test_a_stream_is_shown_while_it_comes_and_can_be_stopped(opened):
    with Stub(pause=0.1) as slow:
        page = opened(slow)
        section = page.locator("#generate")
        section.locator("button.main").click()
        expect(section.locator(".new")).to_have_text(re.compile(" there"))
        section.get_by_text("Stop", exact=True).click()
        expect(section.locator(".status")).to_contain_text("Stopped.")
        assert len(section.locator(".new").text_content()) < len(NEXT)
        expect(section.locator("button.main")).to_be_visible()


def test_attention(opened, stub):
    page = opened(stub)
    section = compute(page, "attention", "it was too tired")
    assert stub.bodies[-1] == ("/attention", {"input": "it was too tired", "layer": 5, "head": 0})
    assert section.locator(".from button").all_text_contents() == ["[CLS]", "it", "was", "too", "tired", "[SEP]"]
    section.locator(".from button").first.focus()
    page.keyboard.press("ArrowDown")
    expect(section.locator(".status")).to_contain_text("“it” looks most at “[CLS]” (0.")
    total = sum(float(x) for x in section.locator(".to .number").all_text_contents())
    assert abs(total - 1) < 0.04 and section.locator("path").count() > 6
    section.locator(".head").select_option(index=4)
    expect(section.locator(".status")).to_contain_text("“it” looks most at “was”")  # the token stays chosen
    section.get_by_text("Matrix").click()
    assert section.locator("tbody td").count() == 36
    section.locator("tbody td").nth(20).focus()
    expect(section.locator(".status")).to_contain_text("“too” looks most at")
    expect(compute(page, "attention", "x " * 200).locator(".error")).to_contain_text("202 tokens, and the picture")


def test_only_what_the_model_can_do_is_shown(opened):
    for change, parts in (
        ({"tasks": ["encode"]}, ["similarity", "attention"]),
        ({"tasks": ["fill-mask", "tag"], "mask_token": None, "attention": None}, ["tag"]),
        ({"tasks": [], "attention": None}, []),
    ):
        with Stub(change) as stub:
            page = opened(stub)
            expect(page.locator("#model-name")).to_have_text("stub")
            shown = page.locator("section:not([hidden])").evaluate_all("found => found.map(x => x.id)")
            assert shown == parts and page.locator("nav").is_visible() == (len(parts) > 1)
            assert page.get_by_text("has no task that this page can show").is_visible() == (not parts)


def test_languages(opened, stub):
    page = opened(stub, locale="zh-CN")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    section = compute(page, "similarity")
    assert section.locator("h2").text_content() == "这些句子有多相似？" and "第 3 句与第 4 句" in section.text_content()
    page.get_by_text("English").first.click()
    assert "How alike" in section.text_content() and "3 and 4" in section.text_content()
    assert page.locator("#tag textarea").input_value().startswith("Marie")  # an example follows the language
    page.reload()
    expect(page.locator("#similarity h2")).to_have_text("How alike are these sentences?")
    assert page.locator("html").get_attribute("lang") == "en"
    empty = "[...document.querySelectorAll('[data-text]')].filter(x => !x.textContent || x.textContent == 'undefined')"
    for name in ("中文", "English"):
        page.get_by_text(name, exact=True).first.click()
        assert page.evaluate(f"{empty}.map(x => x.dataset.text)") == []


def test_both_languages_have_the_same_texts():
    text = (PAGE / "texts.js").read_text(encoding="utf-8")
    english, chinese = (
        re.findall(r"^  (\w+):", half, re.M) for half in text.split("const LANGUAGES")[0].split("const CHINESE")
    )
    assert english == chinese and len(set(english)) == len(english) > 60
    used = set()
    for path in PAGE.iterdir():
        if path.name != "texts.js":
            used |= set(
                re.findall(
                    r"""(?:\bt\(|data-(?:text|label)=|"data-text": |Error\()"(\w+)["]""",
                    path.read_text(encoding="utf-8"),
                )
            )
    assert used <= set(english)


def test_errors_are_said_in_the_page(opened, stub):
    page = opened(stub)
    for word, said in (
        ("too-many", "too much to do. Try again in 7 s. It says: <b>too-many</b>"),
        ("broken", "The model failed."),
        ("too-slow", "took too long"),
        ("too-long", "refused the request"),
    ):
        expect(compute(page, "classify", word).locator(".error")).to_contain_text(said)
    expect(compute(page, "classify", " ").locator(".error")).to_have_text("Write a text first.")
    page.get_by_text("中文").first.click()
    expect(page.locator("#classify .error")).to_have_text("请先输入文本。")
    page.context.set_offline(True)
    expect(compute(page, "classify", "good").locator(".error")).to_contain_text("服务器没有应答")
    page.context.set_offline(False)
    expect(compute(page, "classify", "good").locator(".error")).to_be_hidden()


def test_a_key_is_asked_for(opened):
    with Stub(key="secret") as stub:
        page = opened(stub)
        form = page.locator("#key-form")
        for key in ("wrong", "secret"):
            form.locator("input").fill(key)
            form.locator("button").click()
            if key == "wrong":
                expect(form.locator(".error")).to_have_text("The server does not know this key.")
        expect(page.locator("#similarity")).to_be_visible()
        expect(form).to_be_hidden()
        compute(page, "classify", "good")
        assert "$KEY" in page.locator("#classify pre").text_content() and "secret" not in page.content()


def test_hostile_text_stays_text(opened):
    """In fields, answers, names of labels and models, and errors."""
    labels = {"classify": [HOSTILE], "tag": [HOSTILE]}
    with Stub({"id": HOSTILE, "labels": labels}) as stub:
        page = opened(stub)
        compute(page, "similarity", HOSTILE + "\n" + HOSTILE)
        compute(page, "fill-mask", HOSTILE + "[MASK]")
        compute(page, "tag", HOSTILE + " Warsaw")
        compute(page, "classify", HOSTILE)
        compute(page, "generate", HOSTILE)
        compute(page, "attention", HOSTILE)
        page.locator("#attention .from button").nth(1).click()
        page.get_by_text("Matrix").click()
        assert page.locator("#tag .text").text_content().startswith(HOSTILE)
        assert page.locator("#generate .prompt").text_content() == HOSTILE
        assert page.locator("main img, main b, main script").count() == 0
        assert page.title() == HOSTILE + " · b4k3"
        compute(page, "tag", HOSTILE + " broken")
        assert page.locator("main img, main b, main script").count() == 0


def test_a_phone(opened, stub):
    page = opened(stub, viewport={"width": 320, "height": 640}, color_scheme="dark")
    for part in ("similarity", "fill-mask", "tag", "classify", "generate", "attention"):
        compute(page, part)
    assert page.evaluate("document.documentElement.scrollWidth") == 320  # tables move within themselves
    small = "[...document.querySelectorAll('button')].filter(b => b.offsetHeight && b.offsetHeight < 24)"
    assert page.evaluate(f"{small}.length") == 0
    back, ink = page.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    assert sum(map(int, re.findall(r"\d+", back))) < 120 < 600 < sum(map(int, re.findall(r"\d+", ink)))


def test_the_files_need_nothing_else():
    """No script or style within the HTML, and nothing from another host."""
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)", html)
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            path
        )
        links = set(re.findall(r"https?://[\w./-]+", text)) - {
            "https://github.com/b4k3/b4k3",
            "http://www.w3.org/2000/svg",
        }
        assert not links and not re.search(r"@import|url\(", text), path
    for name in re.findall(r'from "\./([^"]+)"', "".join(p.read_text(encoding="utf-8") for p in PAGE.glob("*.js"))):
        assert (PAGE / name).is_file()


def test_the_request_on_the_command_line(opened, stub):
    page = opened(stub)
    section = compute(page, "tag", "it's “$HOME”")
    command = section.locator("pre").text_content()
    body = re.search(r"-d '(.*)'$", command).group(1).replace("'\\''", "'")
    assert json.loads(body) == {"input": "it's “$HOME”"} and f"{stub.address}/tag" in command


def test_the_wheel_has_the_page():
    spec = importlib.util.find_spec("b4k3.tasks")
    folder = pathlib.Path(spec.origin).parent / "serving" / "page"
    assert {path.name for path in folder.iterdir()} >= {"index.html", "page.css", "app.js", "icon.svg"}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where `b4k3 serve` serves a small BERT."""
    folder = tmp_path_factory.mktemp("bert")
    bert = build_transformer_model(CONFIG, with_mlm=True, return_keras_model=False)
    spread(bert).save_weights_as_checkpoint(str(folder / "bert_model.ckpt"))
    (folder / "bert_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a cat sleeps the dog runs here and there 我 们 he she it is".split()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tasks = [f"--task={name}" for name in ("encode", "fill-mask", "generate")]
    with servers.running(folder, "--pooling=mean", "--application=lm", *tasks) as server:
        yield server.url


def test_the_real_server(opened, address):
    page = opened(types.SimpleNamespace(address=address))
    page.set_default_timeout(60_000)
    expect(page.locator("#attention")).to_be_visible()
    section = compute(page, "similarity", "a cat\nthe dog runs\n<b>a cat</b>")
    assert section.locator("tbody td").count() == 9, section.locator(".error").text_content()
    assert compute(page, "fill-mask", "[MASK] cat sleeps").locator(".bars button").count() == 5
    page.locator(".max-tokens").fill("3")
    section = compute(page, "generate", "the dog")
    expect(section.locator(".status")).to_contain_text("tokens")
    assert section.locator(".written").text_content().startswith("the dog")
    section = compute(page, "attention", "the cat sleeps")
    assert section.locator(".from button").all_text_contents() == ["[CLS]", "the", "cat", "sleeps", "[SEP]"]
    section = compute(page, "attention", "cat " * 40)
    expect(section.locator(".error")).to_contain_text("refused the request. It says: ")
