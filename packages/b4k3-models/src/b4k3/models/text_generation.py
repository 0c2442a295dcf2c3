"""The part of `Transformer` that generates text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class TextGeneration:
    """The part of `Transformer` that generates text.

    Attributes:
        generates: bool. Whether the model predicts the next token, as language models do.
        token_input: int. The index of the input with the ids that a language model continues.

    Example:
        >>> from b4k3.models import BERT, GPT
        >>> BERT.generates, GPT.generates
        (False, True)
    """

    generates = False
    token_input = 0
    engine: Any = None  # the `Engine` of `generate`, made by its first call

    def generate(
        self,
        ids: ArrayLike,
        max_new_tokens: int,
        start_id: int | None = None,
        end_id: int | Sequence[int] | None = None,
        segment_ids: ArrayLike | None = None,
        num_beams: int = 1,
        length_penalty: float | None = None,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float = 1.0,
        min_new_tokens: int = 0,
        num_return_sequences: int = 1,
        seed: int | None = None,
        return_scores: bool = False,
        stream: bool = False,
        progress: bool = False,
    ) -> Any:  # a union would make users ask for the type of what they know
        """Generate tokens by greedy decoding, sampling or beam search, with a cache of the keys and values.

        A prompt gives the same output alone and among others. The first call for a batch size, a prompt length and an
        output length compiles; nearby lengths share what is compiled. A model keeps the functions of the 64
        combinations of options and sizes that were used last.

        Arguments:
            ids: int, [batch, n]. The prompts, right-padded with the padding id, which is 0 unless the configuration has
                another; or a list of lists of different lengths. For an encoder-decoder, the ids of the encoder.
            max_new_tokens: int. How many tokens are generated at most.
            start_id: int or None. For an encoder-decoder, the id that decoding starts from; None means its
                `decoder_start_token_id` or, without it, the padding id. For another model, an id that is put after
                each prompt. It is not in the result.
            end_id: int, list of int, or None. The ids that end an output; None generates max_new_tokens tokens.
            segment_ids: int, [batch, n], or None. The segment ids; None means 0. A new token has segment 1 with
                application='unilm', else the segment of its prompt's last token.
            num_beams: int. How many candidates beam search keeps; 1 means greedy decoding or sampling.
            length_penalty: float or None. None searches by the rule of `AutoRegressiveDecoder.beam_search`: the search
                is over when the best candidate ends. A number searches by the rule of transformers: outputs are ranked
                by their summed log-probabilities / length ** length_penalty.
            do_sample: bool. Whether tokens are drawn at random.
            temperature: float. For sampling; the scores are divided by it.
            top_k: int or None. For sampling; only the k best tokens are drawn.
            top_p: float or None. For sampling; only the fewest tokens with this joint probability are drawn:
                nucleus sampling, https://arxiv.org/abs/1904.09751.
            repetition_penalty: float. Above 1 it makes the tokens of prompt and output less probable, as in CTRL,
                https://arxiv.org/abs/1909.05858.
            min_new_tokens: int. An output does not end before it has this many tokens.
            num_return_sequences: int. How many outputs each prompt gets: drawn ones, or the best of beam search.
            seed: int or None. For sampling; the first row draws the same numbers whatever else is in the batch, and so
                do the second one and all others. None draws other numbers in each call.
            return_scores: bool. Whether log-probabilities are returned too.
            stream: bool. Whether an iterator is returned. It is possible with greedy decoding and sampling.
            progress: bool. Whether a bar is shown on a terminal.

        Returns:
            int32, [batch * num_return_sequences, new tokens]. The outputs of a prompt follow each other, the best one
            first; the end id is in them, and after it the padding id. With `return_scores` a pair of them and of
            float32, [batch * num_return_sequences], the summed log-probabilities of the tokens by the model alone.
            With `stream` an iterator of int32, [batch], the next token of each row; after the end id it is the padding
            id.

        Raises:
            ConfigError: the model does not generate, a prompt is too long for it, or an argument is wrong: an id that
                the vocabulary does not have, for example. The message names the argument and the place.

        Example:
            >>> from b4k3.models import GPT
            >>> gpt = GPT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
            ...           intermediate_size=16, max_position=64, segment_vocab_size=0, hidden_act="gelu")
            >>> gpt.build()
            >>> tokens = gpt.generate([[5, 6, 7], [8, 9, 0]], max_new_tokens=4)  # [2, 4]
            >>> tokens = gpt.generate([[5, 6, 7]], 4, do_sample=True, top_k=5, num_return_sequences=3)  # [3, 4]
        """
        given = dict(locals())  # these are the arguments, as this is the first line
        from .generation import generate

        return generate(given.pop("self"), given)
