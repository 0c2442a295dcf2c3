"""Write captions of pictures: a language model whose layer normalisations depend on the picture.

    python examples/image_caption.py
    python examples/image_caption.py --model chinese_L-12_H-768_A-12

The pictures are drawn here. For real pictures replace `picture`, and `image_model` by a trained network, for instance
by `keras.applications.MobileNetV2(include_top=False, pooling="avg")`.

Reference: the conditional layer normalisation of Su, https://kexue.fm/archives/7124
"""

import common
import numpy as np

from b4k3.backend import K, keras
from b4k3.layers import Loss
from b4k3.models import build_transformer_model
from b4k3.snippets import AutoRegressiveDecoder, DataGenerator, sequence_padding
from b4k3.tokenizers import Tokenizer

COLOURS = {"红色": (1, 0, 0), "绿色": (0, 1, 0), "蓝色": (0, 0, 1), "黄色": (1, 1, 0)}
SIZE = 16
Y, X = np.mgrid[:SIZE, :SIZE]
SHAPES = {
    "圆形": (Y - 7.5) ** 2 + (X - 7.5) ** 2 < 36,
    "方形": (abs(Y - 7.5) < 6) & (abs(X - 7.5) < 6),
    "三角形": (Y > 2) & (abs(X - 7.5) < (Y - 2) / 2),
}


def picture():
    """Draw a picture: (array [16, 16, 3], caption)."""
    colour, shape = np.random.choice(sorted(COLOURS)), np.random.choice(sorted(SHAPES))
    image = SHAPES[shape][:, :, None] * np.array(COLOURS[colour], "float32")
    image = np.roll(image, np.random.randint(-2, 3, 2), (0, 1)) + np.random.normal(0, 0.1, (SIZE, SIZE, 3))
    return image, f"{colour}的{shape}"


options = common.Options(__doc__)
train_data = [picture() for _ in range(options.choose(512, 4096))]
maxlen, batch_size, epochs = 10, 32, options.choose(5, 8)

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)


class data_generator(DataGenerator):
    def __iter__(self, random=False):
        batch_images, batch_token_ids = [], []
        for is_end, (image, caption) in self.sample(random):
            batch_images.append(image)
            batch_token_ids.append(tokenizer.encode(caption, maxlen=maxlen)[0])
            if len(batch_token_ids) == self.batch_size or is_end:
                yield [sequence_padding(batch_token_ids, maxlen), np.array(batch_images)], None
                batch_images, batch_token_ids = [], []


class CrossEntropy(Loss):
    """Each position predicts the token after it."""

    def compute_loss(self, inputs, mask=None):
        y_true, y_pred = inputs
        y_true, y_pred = y_true[:, 1:], y_pred[:, :-1]
        y_mask = K.cast(K.greater(y_true, 0), K.floatx())
        loss = K.sparse_categorical_crossentropy(y_true, y_pred)
        return K.sum(loss * y_mask) / K.sum(y_mask)


image_model = keras.models.Sequential(
    [
        keras.layers.Conv2D(16, 3, strides=2, activation="relu", input_shape=(SIZE, SIZE, 3)),
        keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
        keras.layers.Flatten(),
    ]
)
image = keras.layers.Input((SIZE, SIZE, 3), name="Image")
model = build_transformer_model(
    options.config_path,
    options.checkpoint_path,
    application="lm",
    segment_vocab_size=0,
    layer_norm_cond=image_model(image),
    layer_norm_cond_hidden_size=32,
    layer_norm_cond_hidden_act="swish",
    additional_input_layers=image,
)
output = CrossEntropy(output_axis=1)([model.inputs[0], model.output])
train_model = keras.models.Model(model.inputs, output)
train_model.compile(optimizer=keras.optimizers.Adam(options.rate(3e-3, 1e-4)))

train_generator = data_generator(train_data, batch_size)
history = train_model.fit(train_generator.forfit(), steps_per_epoch=len(train_generator), epochs=epochs, verbose=2)
if not options.real:
    common.check_training(history, 0.5)


class AutoCaption(AutoRegressiveDecoder):
    @AutoRegressiveDecoder.wraps(default_rtype="probas")
    def predict(self, inputs, output_ids, states):
        return self.last_token(model).predict([output_ids, inputs[0]], verbose=0)

    def generate(self, image, topk=1):
        return tokenizer.decode(self.beam_search([image], topk=topk))


autocaption = AutoCaption(start_id=tokenizer.token_to_id("[CLS]"), end_id=tokenizer.token_to_id("[SEP]"), maxlen=8)
right, count = 0, options.choose(4, 32)
for image, caption in [picture() for _ in range(count)]:
    generated = autocaption.generate(image)
    right += generated == caption
    print(f"{caption}: {generated}")
if not options.real:
    common.check("share of right captions", right / count, above=0.2)
