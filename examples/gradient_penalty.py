"""Train with a gradient penalty: the squared gradient of the loss by the word embeddings is added to the loss.

    python examples/gradient_penalty.py
    python examples/gradient_penalty.py --model chinese_L-12_H-768_A-12 --data reviews.tsv

The lines of reviews.tsv are "text TAB label". A label is 0 or 1. On Keras 2 the loss function calls `K.gradients`.

Reference: Su, https://kexue.fm/archives/7234
"""

from gradients import EmbeddingGradientModel
from sentence_classification import check_accuracy, classifier, options, train

from b4k3.backend import K, environment, keras, ops, search_layer

EPSILON = 0.5 if options.real else 0.001  # the weight of the penalty; small random embeddings have large gradients


class PenalizedModel(EmbeddingGradientModel):
    """Add the penalty on Keras 3."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **kwargs):
        loss = super().compute_loss(x, y, y_pred, sample_weight, **kwargs)
        _, gradient = self.embedding_gradient(x, y, sample_weight)
        return loss + 0.5 * EPSILON * ops.sum(ops.square(gradient))


def penalized_crossentropy(model):
    """Return a loss function with the penalty, for Keras 2."""
    embeddings = search_layer(model.output, "Embedding-Token").embeddings

    def loss(y_true, y_pred):
        loss = K.mean(K.sparse_categorical_crossentropy(y_true, y_pred))
        gradient = K.gradients(loss, [embeddings])[0]
        return loss + 0.5 * EPSILON * K.sum(K.square(gradient + K.zeros_like(embeddings)))

    return loss


if __name__ == "__main__":
    if environment.is_keras3:
        model = classifier(PenalizedModel)
    else:
        model = classifier(keras.models.Model)
        model.compile(loss=penalized_crossentropy(model), optimizer=keras.optimizers.Adam(options.rate()))
    train(model)
    check_accuracy(model)
