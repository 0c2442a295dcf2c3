"""Train adversarially (FGM): move the word embeddings a little to where the loss grows fastest, and learn there.

    python examples/adversarial_training.py
    python examples/adversarial_training.py --model chinese_L-12_H-768_A-12 --data reviews.tsv

The lines of reviews.tsv are "text TAB label". A label is 0 or 1. The example runs on Keras 3 and on keras 2.3.1, whose
training step can only be changed through private names.

Reference: Miyato et al., Adversarial Training Methods for Semi-Supervised Text Classification,
https://arxiv.org/abs/1605.07725
"""

import numpy as np
from gradients import EmbeddingGradientModel
from sentence_classification import check_accuracy, classifier, options, train

from b4k3.backend import K, environment, keras, ops, search_layer

EPSILON = 0.5 if options.real else 0.01  # the length of the move; small random embeddings need a smaller one


class FastGradientModel(EmbeddingGradientModel):
    """Compute the loss at the moved embeddings, on Keras 3."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **kwargs):
        if y is None:
            return super().compute_loss(x, y, y_pred, sample_weight, **kwargs)
        embeddings, gradient = self.embedding_gradient(x, y, sample_weight)
        step = EPSILON * gradient / (ops.sqrt(ops.sum(ops.square(gradient))) + 1e-8)
        return self.loss_at(embeddings + ops.stop_gradient(step), x, y, sample_weight)


def move_embeddings(model):
    """Move the embeddings before each training step and back after it, on keras 2.3.1."""
    embeddings = search_layer(model.output, "Embedding-Token").embeddings
    gradient = K.gradients(model.total_loss, [embeddings])[0] + K.zeros_like(embeddings)
    gradient_of = K.function(model._feed_inputs + model._feed_targets + model._feed_sample_weights, [gradient])
    model._make_train_function()
    train_step = model.train_function

    def train_function(inputs):
        gradient = gradient_of(inputs)[0]
        step = EPSILON * gradient / (np.sqrt((gradient**2).sum()) + 1e-8)
        K.set_value(embeddings, K.eval(embeddings) + step)
        outputs = train_step(inputs)
        K.set_value(embeddings, K.eval(embeddings) - step)
        return outputs

    model.train_function = train_function


if __name__ == "__main__":
    if environment.is_keras3:
        model = classifier(FastGradientModel)
    else:
        model = classifier(keras.models.Model)
        move_embeddings(model)
    train(model)
    check_accuracy(model)
