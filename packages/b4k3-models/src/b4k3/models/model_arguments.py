"""The keyword arguments of the architectures, at run time and for type checkers and editors.

`build_transformer_model` takes the arguments of all architectures of b4k3, under our names and under the names that
published configs give them. A type checker finds a misspelt one by this table; at run time `refuse_unknown` does. What
an argument means is said by the class of the architecture. A test compares the table with the classes.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Callable, Mapping, Sequence, Union

    from typing_extensions import TypedDict

    from b4k3.backend import Tensor

    Function = Union[str, Callable[..., Any]]  # the name of an activation, or the function
    Activation = Union[Function, Sequence[Function], None]
    Head = Union[bool, Function]  # whether there is a head, or its activation

    class ModelArguments(TypedDict, total=False):
        """The keyword arguments that `build_transformer_model` hands to an architecture.

        Example:
            >>> from b4k3.models import build_transformer_model
            >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            ...           "intermediate_size": 24, "hidden_act": "gelu"}
            >>> bert = build_transformer_model(config, num_hidden_layers=1, with_pool=True, return_keras_model=False)
            >>> bert.num_hidden_layers
            1
        """

        # ---------------------------------------------------------------------------------- every architecture
        vocab_size: int
        hidden_size: int
        num_hidden_layers: int
        num_attention_heads: int
        intermediate_size: int
        hidden_act: Activation
        dropout_rate: float | None
        attention_dropout_rate: float | None
        embedding_size: int | None
        attention_head_size: int | None
        attention_key_size: int | None
        sequence_length: int | None
        keep_tokens: Sequence[int] | None
        compound_tokens: Sequence[Any] | None
        residual_attention_scores: bool
        ignore_invalid_weights: bool
        ignore_unread_weights: bool
        autoresize_weights: bool
        layers: dict[str, Any] | None
        prefix: str | None
        name: str | None
        layer_norm_eps: float | None
        pad_token_id: int | None
        tie_word_embeddings: bool | None
        dtype: str | None  # a dtype policy of Keras 3, for this model alone

        # ---------------------------------------------------------------------- `Transformer.build`, every one
        attention_caches: Mapping[str, Sequence[Tensor]] | None
        layer_norm_cond: Tensor | None
        layer_norm_cond_hidden_size: int | None
        layer_norm_cond_hidden_act: Activation
        additional_input_layers: Any  # a tensor or a list of tensors

        # ------------------------------------------------------------------------------------ BERT and its kin
        max_position: int
        segment_vocab_size: int
        with_pool: Head
        with_nsp: bool
        with_mlm: Head
        with_discriminator: Head
        hierarchical_position: float | bool | None
        custom_position_ids: bool
        shared_segment_embeddings: bool
        mlm_act: Activation
        embedding_mapping: bool | None
        num_hidden_groups: int
        inner_group_num: int
        max_relative_position: int
        use_relative_position: bool
        use_task_id: bool
        task_type_vocab_size: int
        custom_task_ids: bool
        layer_types: Sequence[str] | None
        global_attn_every_n_layers: int
        local_attention: int
        global_rope_theta: float
        local_rope_theta: float | None
        use_attention_bias: bool
        mlp_bias: bool
        norm_bias: bool
        decoder_bias: bool
        classifier_bias: bool
        position_biased_input: bool
        relative_attention: bool
        pos_att_type: Sequence[str] | str | None
        share_att_key: bool
        position_buckets: int | None
        max_relative_positions: int | None
        norm_rel_ebd: str | None
        conv_kernel_size: int
        conv_act: Activation
        pooler_hidden_act: Activation
        with_pointers: Head

        # --------------------------------------------------------------------- GPT, GPT-2, XLNet, T5, BART, CPT
        final_activation: Activation
        scale_attn_weights: bool
        scale_attn_by_inverse_layer_idx: bool
        with_lm: Head
        two_streams: bool
        clamp_len: int
        version: str | None
        num_decoder_layers: int | None
        relative_attention_num_buckets: int
        relative_attention_max_distance: int
        cross_position_bias: bool | None
        logit_scale: float | bool | None
        decoder_start_token_id: int | None
        num_decoder_attention_heads: int | None
        decoder_intermediate_size: int | None
        scale_embedding: bool
        final_logits_bias: bool
        forced_bos_token_id: int | None
        forced_eos_token_id: int | None
        encoder_max_position: int | None
        encoder_segment: int

        # --------------------------------------------------------------- Llama, Qwen2, Qwen3, Mistral, SmolLM3
        num_key_value_heads: int | None
        rope_parameters: dict[str, Any] | None
        attention_bias: bool
        attention_windows: Sequence[int | None] | None
        unrotated_blocks: Sequence[int] | None

        # ------------------------------------------------------- the same under the names of published configs
        activation: Activation
        activation_function: Activation
        afn: Activation
        attention_dropout: float | None
        attention_probs_dropout_prob: float | None
        attn_pdrop: float | None
        d_ff: int
        d_head: int | None
        d_inner: int
        d_kv: int | None
        d_model: int
        decoder_attention_heads: int | None
        decoder_ffn_dim: int | None
        decoder_layers: int | None
        dense_act_fn: Activation
        dim: int
        dropout: float | None
        embedding_dropout: float | None
        encoder_attention_heads: int
        encoder_ffn_dim: int
        encoder_layers: int
        feed_forward_proj: str
        hidden_activation: Activation
        ff_activation: Activation
        head_dim: int | None
        hidden_dim: int
        hidden_dropout_prob: float | None
        layer_norm_epsilon: float | None
        max_position_embeddings: int
        n_embd: int
        n_head: int
        n_heads: int
        n_inner: int | None
        n_layer: int
        n_layers: int
        n_positions: int
        n_token: int
        num_heads: int
        num_layers: int
        resid_pdrop: float | None
        rms_norm_eps: float | None
        type_vocab_size: int

        # ----------------------------- keys of configs that may mean another network; None insists on this one
        model_type: str | None
        is_decoder: bool | None
        add_cross_attention: bool | None
        mlp_dropout: float | None
        rope_scaling: Any
        add_final_layer_norm: bool | None
        auto_map: Any
        bi_data: bool | None
        do_blenderbot_90_layernorm: bool | None
        extra_pos_embeddings: int | None
        is_encoder_decoder: bool | None
        ln_type: str | None
        norm_type: str | None
        normalize_before: bool | None
        normalize_embedding: bool | None
        partial_rotary_factor: float | None
        per_layer_config: Any
        pool_act: str | None
        position_embedding_type: str | None
        pruned_heads: Any
        quantization_config: Any
        rope_interleaved: bool | None
        rotary_value: bool | None
        static_position_embeddings: bool | None
        task_id: int | None
        tie_encoder_decoder: bool | None
        use_bias: bool | None
        conv_groups: int | None
        z_steps: int | None
        sliding_window: int | None
        use_mrope: bool | None
        use_sliding_window: bool | None


def accepted_arguments(of: type, *methods: str) -> set[str]:
    """Find the names of the arguments that a class and its bases take.

    Arguments:
        of: class. A subclass of `Transformer`.
        methods: '__init__' or 'build'; without any, both.

    Returns:
        set of str.
    """
    names = set()
    for base in of.__mro__:
        for method in methods or ("__init__", "build"):
            if method in vars(base) and base is not object:
                for name, parameter in inspect.signature(vars(base)[method]).parameters.items():
                    if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != "self":
                        names.add(name)
    return names
