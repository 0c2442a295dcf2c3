"""Adversarial training (FGM): learn at word embeddings that are moved a little to where the loss grows fastest.

    python examples/adversarial_training.py
    python examples/adversarial_training.py --model chinese_L-12_H-768_A-12 --data reviews.tsv

The lines of reviews.tsv are "text TAB label", the labels being 0 and 1. For Keras 3; docs/migration.md has the way for
Keras 2.

Reference: Miyato et al., Adversarial Training Methods for Semi-Supervised Text Classification,
https://arxiv.org/abs/1605.07725
"""

from gradients import EmbeddingGradientModel
from sentence_classification import check_accuracy, classifier, options, train

from b4k3.backend import ops


class FastGradientModel(EmbeddingGradientModel):
    epsilon = 0.5 if options.real else 0.01  # how far; small random embeddings bear less

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **kwargs):
        if y is None:
            return super().compute_loss(x, y, y_pred, sample_weight, **kwargs)
        embeddings, gradient = self.embedding_gradient(x, y, sample_weight)
        step = self.epsilon * gradient / (ops.sqrt(ops.sum(ops.square(gradient))) + 1e-8)
        return self.loss_at(embeddings + ops.stop_gradient(step), x, y, sample_weight)


if __name__ == "__main__":
    model = classifier(FastGradientModel)
    train(model)
    check_accuracy(model)
