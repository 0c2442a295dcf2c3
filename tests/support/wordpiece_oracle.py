"""WordPiece one character at a time, as Google's tokenization.py is described: slow, and meant to be obvious."""

import unicodedata


def is_whitespace(ch):
    return ch in (" ", "\t", "\n", "\r") or unicodedata.category(ch) == "Zs"


def is_control(ch):
    return ch not in ("\t", "\n", "\r") and unicodedata.category(ch) in ("Cc", "Cf")


def is_punctuation(ch):
    code = ord(ch)
    for first, last in ((33, 47), (58, 64), (91, 96), (123, 126)):
        if first <= code <= last:
            return True
    return unicodedata.category(ch).startswith("P")


def is_chinese(ch):
    blocks = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)]
    blocks += [(0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
    return any(first <= ord(ch) <= last for first, last in blocks)


def words(text, lower):
    """Clean, isolate Chinese characters, split, lower-case and strip accents word by word, split off punctuation."""
    cleaned = ""
    for ch in text:
        if ord(ch) in (0, 0xFFFD) or is_control(ch):
            continue
        if is_whitespace(ch):
            cleaned += " "
        elif is_chinese(ch):
            cleaned += " " + ch + " "
        else:
            cleaned += ch
    out = []
    for word in cleaned.split():
        if lower:
            decomposed = unicodedata.normalize("NFD", word.lower())
            word = "".join(ch for ch in decomposed if unicodedata.category(ch) != "Mn")
        current = ""
        for ch in word:
            if is_punctuation(ch):
                out += [current, ch]
                current = ""
            else:
                current += ch
        out.append(current)
    return " ".join(out).split()


def pieces(word, vocab, maxlen=200):
    """The longest pieces from the left; the word itself, which stands for the unknown token, if there are none."""
    if len(word) > maxlen:
        return [word]
    out, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                break
        else:
            return [word]
        out.append(piece)
        start = end
    return out


def tokens(text, vocab, lower, maxlen=200):
    return [piece for word in words(text, lower) for piece in pieces(word, vocab, maxlen)]


def ids(text, vocab, lower, maxlen=200, unknown="[UNK]"):
    return [vocab.get(token, vocab[unknown]) for token in tokens(text, vocab, lower, maxlen)]


def truncated(maxlen, indices, *sequences):
    """Take one element after the other out of the longest sequence."""
    sequences = [list(s) for s in sequences]
    while sum(map(len, sequences)) > maxlen:
        longest = max(range(len(sequences)), key=lambda k: len(sequences[k]))
        sequences[longest].pop(indices)
    return sequences
