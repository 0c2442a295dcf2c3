"""Find fonts that have the characters of a text, so that a picture does not show Chinese as boxes."""

from __future__ import annotations

import functools
from typing import Any, Iterable, Sequence

from b4k3.models.errors import warn_caller

# Fonts with Chinese that systems and distributions bring. They are asked before all other fonts.
KNOWN = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "STHeiti",
    "Noto Sans CJK TC",
    "Noto Sans CJK JP",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)
LAST_RESORT = "LastResort"  # fonts that have a box for every character
MOST_FONTS = 300  # so many other fonts are opened at most


def families_for(texts: Iterable[str]) -> list[str]:
    """Choose the fonts for texts; warn if no installed font has some of their characters.

    Arguments:
        texts: iterable of str.

    Returns:
        list of the names of fonts: those that matplotlib takes anyway, and behind them those that add characters.
    """
    import matplotlib
    from matplotlib import font_manager

    families = list(matplotlib.rcParams["font.family"])
    wanted = {c for text in texts for c in text if c.isprintable() and not c.isspace()}
    for family in families:
        wanted -= characters_of(font_manager.findfont(font_manager.FontProperties(family=[family])))
    if wanted:
        for name, path in _installed(font_manager.fontManager.ttflist):
            found = wanted & characters_of(path)
            if found:
                families.append(name)
                wanted -= found
            if not wanted:
                break
    if wanted:
        _warn(sorted(wanted))
    return families


def _installed(fonts: Sequence[Any]) -> list[tuple[str, str]]:
    """Return (name, path) of the regular fonts that are installed, those that are known to have Chinese first."""
    paths: dict[str, str] = {}
    for font in sorted(fonts, key=lambda font: (font.style != "normal", font.weight not in (400, "normal", "regular"))):
        if LAST_RESORT not in font.name.replace(" ", ""):
            paths.setdefault(font.name, font.fname)
    known = [name for name in KNOWN if name in paths]
    others = sorted(name for name in paths if name not in KNOWN)
    return [(name, paths[name]) for name in known + others[:MOST_FONTS]]


@functools.lru_cache(maxsize=None)
def characters_of(path: str) -> frozenset[str]:
    """Read which characters a font has.

    Arguments:
        path: str. The file of the font.

    Returns:
        frozenset of str; empty for a font that matplotlib cannot draw, such as one of coloured pictures.
    """
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def _warn(missing: Sequence[str]) -> None:
    """Warn of characters that no font has."""
    shown = " ".join(missing[:5]) + (f" and {len(missing) - 5} more characters" if len(missing) > 5 else "")
    warn_caller(
        f"no installed font has {shown}, so the picture shows boxes there. For Chinese install Noto Sans CJK or "
        "WenQuanYi (fonts-noto-cjk or fonts-wqy-microhei on Debian), and start Python again"
    )
