"""Train with a gradient penalty: the squared gradient of the loss by the word embeddings is added to the loss.

    python examples/gradient_penalty.py
    python examples/gradient_penalty.py --model chinese_L-12_H-768_A-12 --data reviews.tsv

The lines of reviews.tsv are "text TAB label". A label is 0 or 1.

Reference: Su, https://kexue.fm/archives/7234
"""

from sentence_classification import check_accuracy, classifier, options, train

from b4k3.optimizers import gradient_penalty

WEIGHT = 0.5 if options.real else 0.001  # of the penalty; small random embeddings have large gradients

model = gradient_penalty(classifier(), "Embedding-Token", WEIGHT)
train(model)
check_accuracy(model)
