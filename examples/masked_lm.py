"""Guess masked characters, and train a BERT further in this way, for example on the texts of a domain.

    python examples/masked_lm.py
    python examples/masked_lm.py --model chinese_L-12_H-768_A-12 --data texts.txt

Each line of texts.txt is a text.
"""

import common
import numpy as np

from b4k3.backend import K, keras
from b4k3.layers import Loss
from b4k3.models import Predictor, build_transformer_model
from b4k3.snippets import DataGenerator, sequence_padding
from b4k3.tokenizers import Tokenizer


class data_generator(DataGenerator):
    """Make batches of texts in which 15% of the tokens are to be guessed.

    80% of these tokens are masked, 10% are replaced by random tokens, and 10% stay.
    """

    def __init__(self, data, batch_size, tokenizer, maxlen):
        super().__init__(data, batch_size)
        self.tokenizer, self.maxlen = tokenizer, maxlen

    def corrupt(self, token_ids):
        """Return (token ids with masks, 1 for each token that is to be guessed and 0 elsewhere)."""
        token_ids, to_guess = np.array(token_ids), np.random.random(len(token_ids)) < 0.15
        to_guess[[0, -1]] = False
        if not to_guess.any():
            to_guess[np.random.randint(1, len(token_ids) - 1)] = True
        how = np.random.random(len(token_ids))
        token_ids[to_guess & (how < 0.8)] = self.tokenizer.token_to_id("[MASK]")
        random_ids = np.random.randint(5, len(self.tokenizer.token_dict), len(token_ids))
        return np.where(to_guess & (how > 0.9), random_ids, token_ids), to_guess.astype("int32")

    def __iter__(self, random=False):
        batch_token_ids, batch_segment_ids, batch_true_ids, batch_to_guess = [], [], [], []
        for is_end, (text, *_) in self.sample(random):
            true_ids, segment_ids = self.tokenizer.encode(text, maxlen=self.maxlen)
            token_ids, to_guess = self.corrupt(true_ids)
            batch_token_ids.append(token_ids)
            batch_segment_ids.append(segment_ids)
            batch_true_ids.append(true_ids)
            batch_to_guess.append(to_guess)
            if len(batch_token_ids) == self.batch_size or is_end:
                batch = [batch_token_ids, batch_segment_ids, batch_true_ids, batch_to_guess]
                yield [sequence_padding(ids, self.maxlen) for ids in batch], None
                batch_token_ids, batch_segment_ids, batch_true_ids, batch_to_guess = [], [], [], []


class CrossEntropy(Loss):
    """The mean cross-entropy of the tokens that are to be guessed."""

    def compute_loss(self, inputs, mask=None):
        y_true, to_guess, y_pred = inputs
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        return K.sum(loss * to_guess) / K.sum(to_guess)


def trained(options):
    """Train, and return (tokenizer, model that predicts tokens, texts that it was not trained on)."""
    train_data, test_data = options.samples(common.news, quick=768, full=8192)
    tokenizer = Tokenizer(options.dict_path, do_lower_case=True)
    bert = build_transformer_model(options.config_path, options.checkpoint_path, with_mlm=True)
    true_ids = keras.layers.Input((None,), name="True-Ids")
    to_guess = keras.layers.Input((None,), name="To-Guess")
    output = CrossEntropy(output_axis=2)([true_ids, to_guess, bert.output])
    model = keras.models.Model(bert.inputs + [true_ids, to_guess], output)
    model.compile(optimizer=keras.optimizers.Adam(options.rate(3e-3)))

    batches = data_generator(train_data, 16, tokenizer, options.maxlen)
    history = model.fit(batches.forfit(), steps_per_epoch=len(batches), epochs=options.choose(4, 8), verbose=2)
    if not options.real:
        common.check_training(history, 0.7)
    return tokenizer, bert, test_data


if __name__ == "__main__":
    options = common.Options(__doc__)
    tokenizer, model, test_data = trained(options)
    predictor = Predictor(model)

    # The model guesses two characters of a sentence that it has not seen.
    token_ids, segment_ids = tokenizer.encode("周末成都举行足球比赛，主队赢得冠军。", maxlen=options.maxlen)
    token_ids[3] = token_ids[7] = tokenizer.token_to_id("[MASK]")
    inputs = [sequence_padding([ids], options.maxlen) for ids in (token_ids, segment_ids)]
    probas = predictor(inputs)[0]
    print(f"{tokenizer.decode(token_ids)}: {tokenizer.decode(probas[[3, 7]].argmax(axis=1))}")

    right = guessed = 0
    for (token_ids, segment_ids, true_ids, to_guess), _ in data_generator(test_data, 32, tokenizer, options.maxlen):
        predicted = predictor([token_ids, segment_ids]).argmax(axis=-1)
        right += ((predicted == true_ids) * to_guess).sum()
        guessed += to_guess.sum()
    common.check("share of tokens guessed", right / guessed, above=0.5)
