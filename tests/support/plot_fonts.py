"""Fonts that a test makes. fontTools comes with matplotlib."""


def font_with(characters, name, path):
    """Write a font with these characters, each of which is an empty square. Return its path."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    for move, point in ((pen.moveTo, (0, 0)), (pen.lineTo, (0, 500)), (pen.lineTo, (500, 500)), (pen.lineTo, (500, 0))):
        move(point)
    pen.closePath()
    square = pen.glyph()
    glyphs = [".notdef"] + [f"uni{ord(c):04X}" for c in characters]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({ord(c): glyph for c, glyph in zip(characters, glyphs[1:])})
    builder.setupGlyf({glyph: square for glyph in glyphs})
    builder.setupHorizontalMetrics({glyph: (600, 0) for glyph in glyphs})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(str(path))
    return str(path)
