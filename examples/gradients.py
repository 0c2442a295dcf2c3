"""Gradients of a loss by the word embeddings, while training: for adversarial training and gradient penalties.

On Keras 2 that was `K.gradients`. Keras 3 has no such function, as each backend takes gradients in its own way; this
file shows the way for all three. It is no example by itself, adversarial_training.py and gradient_penalty.py use it.
"""

from b4k3.backend import keras, ops, row, search_layer


def gradient(function, value):
    """The gradient of a function at a value; it may be differentiated again.

    Arguments:
        function: from a tensor to a scalar tensor.
        value: float tensor.

    Returns:
        A tensor like value.
    """
    if row.backend == "jax":
        import jax

        return jax.grad(function)(value)
    if row.backend == "torch":
        import torch

        # Keras first tries a loss on shapes alone, without gradients; and torch's fused attention has no second ones.
        with torch.enable_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return torch.autograd.grad(function(value), value, create_graph=True)[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(value)
        loss = function(value)
    return tf.convert_to_tensor(tape.gradient(loss, value))


class EmbeddingGradientModel(keras.models.Model):
    """A Keras 3 model whose loss may be computed at other word embeddings than its own. Override `compute_loss`."""

    def embeddings(self):
        """The variable of the word embeddings."""
        return search_layer(self.outputs, "Embedding-Token").embeddings

    def loss_at(self, value, x, y, sample_weight=None):
        """The loss of a batch if the word embeddings were `value`, a scalar."""
        embeddings = self.embeddings()
        state = [(v, value if v is embeddings else v.value) for v in self.variables]
        with keras.StatelessScope(state_mapping=state):
            y_pred = self(x, training=True)
            return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)

    def embedding_gradient(self, x, y, sample_weight=None):
        """(the word embeddings, the gradient of the loss by them), two tensors."""
        value = ops.convert_to_tensor(self.embeddings())
        return value, gradient(lambda value: self.loss_at(value, x, y, sample_weight), value)
