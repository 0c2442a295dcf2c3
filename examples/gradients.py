"""Take gradients of a loss by the word embeddings in training, for adversarial training and gradient penalties.

On Keras 2 `K.gradients` does that. Keras 3 has no such function, because each backend takes gradients in its own way.
This module does it on all three. It is no example itself; adversarial_training.py and gradient_penalty.py use it.
"""

from b4k3.backend import environment, keras, ops, search_layer


def gradient(function, value):
    """Return the gradient of a function at a value. The gradient may be differentiated again.

    Arguments:
        function: function. It takes a tensor and returns a scalar tensor.
        value: float, [...]. The value.

    Returns:
        float, [...]. The gradient, of the shape of the value.
    """
    if environment.backend == "jax":
        import jax

        return jax.grad(function)(value)
    if environment.backend == "torch":
        import torch

        # Keras first calls a loss without gradients, to learn its shape. Fused attention has no second gradient.
        with torch.enable_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return torch.autograd.grad(function(value), value, create_graph=True)[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(value)
        loss = function(value)
    return tf.convert_to_tensor(tape.gradient(loss, value))


class EmbeddingGradientModel(keras.models.Model):
    """A Keras 3 model whose loss may be computed at other word embeddings. A subclass overrides `compute_loss`."""

    def embeddings(self):
        """Return the variable of the word embeddings."""
        return search_layer(self.outputs, "Embedding-Token").embeddings

    def loss_at(self, value, x, y, sample_weight=None):
        """Return the loss that a batch would have if the word embeddings were `value`: a scalar."""
        embeddings = self.embeddings()
        state = [(v, value if v is embeddings else v.value) for v in self.variables]
        with keras.StatelessScope(state_mapping=state):
            y_pred = self(x, training=True)
            return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)

    def embedding_gradient(self, x, y, sample_weight=None):
        """Return the word embeddings, and the gradient of the loss by them: two tensors."""
        value = ops.convert_to_tensor(self.embeddings())
        return value, gradient(lambda value: self.loss_at(value, x, y, sample_weight), value)
