"""Train adversarially (FGM): move the word embeddings a little to where the loss grows fastest, and learn there.

    python examples/adversarial_training.py
    python examples/adversarial_training.py --model chinese_L-12_H-768_A-12 --data reviews.tsv

The lines of reviews.tsv are "text TAB label". A label is 0 or 1. With `steps=3` it is PGD.

Reference: Miyato et al., Adversarial Training Methods for Semi-Supervised Text Classification,
https://arxiv.org/abs/1605.07725
"""

from sentence_classification import check_accuracy, classifier, options, train

from b4k3.optimizers import adversarial_training

EPSILON = 0.5 if options.real else 0.01  # the length of the move; small random embeddings need a smaller one

model = adversarial_training(classifier(), "Embedding-Token", EPSILON)
train(model)
check_accuracy(model)
