"""A unigram tokenizer of the `tokenizers` package that has the same pieces in every process.

The package's own trainer orders pieces of one score anew in each process: with other ids a random model says something
else.
"""

import collections
import math

LONGEST = 5  # letters of a piece: a text of one token would be no text


def unigram_tokenizer(texts, special, unknown, size):
    """A tokenizer of the special tokens, of every letter of the texts and of the most frequent parts of their words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    counts = collections.Counter()
    for word, times in collections.Counter(word for text in texts for word in text.split()).items():
        word = "▁" + word
        for begin in range(len(word)):
            ends = range(begin + 1, min(begin + LONGEST, len(word)) + 1)
            counts.update({word[begin:end]: times * (end - begin) for end in ends})
    pieces = sorted(counts, key=lambda piece: (len(piece) > 1, -counts[piece], piece))[: size - len(special)]
    total = sum(counts[piece] for piece in pieces)
    scored = [(token, 0.0) for token in special] + [(piece, math.log(counts[piece] / total)) for piece in pieces]
    it = Tokenizer(models.Unigram(scored, special.index(unknown)))
    it.pre_tokenizer, it.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    it.add_special_tokens(list(special))
    return it
