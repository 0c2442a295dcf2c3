"""Compute the vectors that a BERT gives for the tokens of a sentence, and save and load it as a Keras model.

python examples/features.py
python examples/features.py --model chinese_L-12_H-768_A-12
"""

import os
import tempfile

import common
import numpy as np

from b4k3.backend import environment, keras
from b4k3.layers import custom_objects
from b4k3.models import Predictor, build_transformer_model
from b4k3.snippets import to_array
from b4k3.tokenizers import Tokenizer

options = common.Options(__doc__)

tokenizer = Tokenizer(options.dict_path, do_lower_case=True)
model = build_transformer_model(options.config_path, options.checkpoint_path)

token_ids, segment_ids = tokenizer.encode("今天北京下了大雨")
token_ids, segment_ids = to_array([token_ids], [segment_ids])
predictor = Predictor(model)  # any number of threads may share it
features = predictor([token_ids, segment_ids])
print(f"features of {tokenizer.ids_to_tokens(token_ids[0])}:")
print(features)

# Padding is masked, so the features of a padded sentence are the same.
padding = np.zeros((1, 3))
padded = [np.concatenate([ids, padding], axis=1) for ids in (token_ids, segment_ids)]
difference = predictor(padded)[:, : token_ids.shape[1]] - features
common.check("difference when padded", np.abs(difference).max(), below=1e-4)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "bert.keras" if environment.is_keras3 else "bert.h5")
    model.save(path)
    model = keras.models.load_model(path, custom_objects=custom_objects)  # only keras 2.3.1 and tf.keras 1.15 need them
difference = Predictor(model)([token_ids, segment_ids]) - features
common.check("difference when saved and loaded", np.abs(difference).max(), below=1e-5)
