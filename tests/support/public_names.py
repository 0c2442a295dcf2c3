"""The public names of bert4keras 0.11.5 with their arguments, as scripts use them.

`NAMES` maps a module to its names; a value is the leading arguments in order (of a class those of its constructor), or
None where there is nothing to call. Ours may have more arguments behind them. `LEFT_OUT` are those that will not come,
each with the reason; a name that arrives must leave the table.
"""

NAMES = {
    "backend": {
        "K": None,
        "align": "tensor axes ndim",
        "apply_rotary_position_embeddings": "sinusoidal *tensors",
        "attention_normalize": "a mask axis method bias",
        "batch_gather": "params indices",
        "custom_objects": None,
        "divisible_temporal_padding": "x n",
        "do_recompute": None,
        "dtype": "x",
        "flatten": "tensor start end",
        "gelu_erf": "x",
        "gelu_tanh": "x",
        "get_available_gpus": "",
        "graph_mode_decorator": "f *args **kwargs",
        "is_tf_keras": None,
        "keras": None,
        "leaky_relu": "x alpha",
        "multilabel_categorical_crossentropy": "y_true y_pred",
        "piecewise_linear": "t schedule from_zero",
        "pool1d": "x pool_size strides padding data_format pool_mode",
        "recompute_grad": "call",
        "reshape": "tensor *args",
        "root_mean_square": "x axis keepdims",
        "search_layer": "inputs name exclude_from",
        "sequence_masking": "x mask value axis bias return_mask",
        "set_gelu": "version",
        "Sinusoidal": "",
        "sinusoidal_embeddings": "pos dim base",
        "sparse_multilabel_categorical_crossentropy": "y_true y_pred mask_zero",
        "swish": "x",
        "symbolic": "f",
        "where": "cond x y",
    },
    "layers": {
        "BatchConcat": "",
        "BatchSplit": "parts",
        "Concatenate1D": "",
        "ConditionalRandomField": "lr_multiplier",
        "EfficientGlobalPointer": "heads head_size RoPE use_bias tril_mask kernel_initializer",
        "Embedding": "input_dim output_dim embeddings_initializer",
        "FeedForward": "units activation use_bias kernel_initializer",
        "GatedAttentionUnit": "units key_size activation use_bias normalization self_attention attention_scale "
        "attention_dropout kernel_initializer",
        "GlobalAveragePooling1D": "",
        "GlobalMaxPooling1D": "",
        "GlobalPointer": "heads head_size RoPE use_bias tril_mask kernel_initializer",
        "K": None,
        "Layer": "",
        "LayerNormalization": "zero_mean unit_variance epsilon",
        "Loss": "output_axis",
        "MaximumEntropyMarkovModel": "lr_multiplier hidden_dim",
        "Model": None,
        "MultiHeadAttention": "heads head_size out_dim key_size use_bias normalization attention_scale "
        "attention_dropout return_attention_scores kernel_initializer",
        "PositionEmbedding": "input_dim output_dim merge_mode hierarchical embeddings_initializer custom_position_ids",
        "RelativePositionEmbedding": "input_dim output_dim embeddings_initializer",
        "RelativePositionEmbeddingT5": "input_dim output_dim max_distance bidirectional embeddings_initializer",
        "ScaleOffset": "scale offset conditional hidden_units hidden_activation hidden_initializer",
        "SinusoidalPositionEmbedding": "output_dim merge_mode custom_position_ids",
        "custom_objects": None,
        "integerize_shape": "func",
        "keras": None,
    },
    "models": {
        "ALBERT": "",
        "ALBERT_Unshared": "",
        "BERT": "",
        "ELECTRA": "",
        "GPT": "final_activation",
        "GPT2": "",
        "GPT2_ML": "",
        "LM_Mask": "",
        "NEZHA": "",
        "RoFormer": "",
        "RoFormerV2": "",
        "T5": "",
        "T5_Base": "version",
        "T5_Decoder": "with_lm cross_position_bias",
        "T5_Encoder": "",
        "Transformer": "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act "
        "dropout_rate attention_dropout_rate embedding_size attention_head_size attention_key_size sequence_length "
        "keep_tokens compound_tokens residual_attention_scores ignore_invalid_weights autoresize_weights layers prefix "
        "name",
        "UniLM_Mask": "",
        "build_transformer_model": "config_path checkpoint_path model application return_keras_model",
        "data_parallel": "model devices parts",
        "extend_with_language_model": "",
        "extend_with_unified_language_model": "",
    },
    "optimizers": {
        "AdaFactor": "learning_rate beta1 beta2 epsilon1 epsilon2 multiply_by_parameter_scale clipping_threshold "
        "min_dim_size_to_factor exclude_from_parameter_scale",
        "AdaFactorBase": "learning_rate beta1 beta2",
        "AdaFactorV1": "learning_rate beta1 beta2",
        "AdaFactorV2": "learning_rate beta1 beta2",
        "Adam": "learning_rate beta_1 beta_2 epsilon bias_correction",
        "K": None,
        "Lion": "learning_rate beta_1 beta_2",
        "LionV2": "learning_rate beta_1 beta_2",
        "custom_objects": None,
        "export_to_custom_objects": "",
        **{
            f"extend_with_{name}{version}": "BaseOptimizer name"
            for name in "exponential_moving_average gradient_accumulation layer_adaptation lazy_optimization lookahead "
            "parameter_wise_lr piecewise_linear_lr weight_decay".split()
            for version in ("", "_v2")
        },
        "keras": None,
        "piecewise_linear": "t schedule from_zero",
    },
    "snippets": {
        "AutoRegressiveDecoder": "start_id end_id maxlen minlen",
        "DataGenerator": "data batch_size buffer_size",
        "ViterbiDecoder": "trans starts ends",
        "WebServing": "host port",
        "basestring": None,
        "convert_to_str": "text",
        "convert_to_unicode": "text",
        "delete_arguments": "*arguments",
        "insert_arguments": "**arguments",
        "is_one_of": "x ys",
        "is_py2": None,
        "is_string": "s",
        "longest_common_subsequence": "source target",
        "longest_common_substring": "source target",
        "lowercase_and_normalize": "text",
        "open": "name mode encoding errors indexable",
        "orthogonally_resize": "a new_shape window",
        "parallel_apply": "func iterable workers max_queue_size",
        "parallel_apply_generator": "func iterable workers max_queue_size dummy random_seeds",
        "sequence_padding": "inputs length value seq_dims mode",
        "softmax": "x axis",
        "strQ2B": "ustring",
        "string_matching": "s keywords",
        "text_segmentate": "text maxlen seps strips",
        "to_array": "*args",
        "truncate_sequences": "maxlen indices *sequences",
        "uniout": None,
    },
    "tokenizers": {
        "SpTokenizer": "sp_model_path",
        "Tokenizer": "token_dict do_lower_case word_maxlen",
        "TokenizerBase": "token_start token_end pre_tokenize token_translate",
        "load_vocab": "dict_path encoding simplified startswith",
        "save_vocab": "dict_path token_dict encoding",
    },
}

METHODS = {
    ("models", "Transformer"): "apply apply_embeddings apply_final_layers apply_main_layers build call "
    "compute_attention_bias compute_position_bias create_variable get_inputs initializer load_embeddings load_variable "
    "load_weights_from_checkpoint prefixed save_weights_as_checkpoint set_inputs set_outputs simplify variable_mapping",
    ("layers", "ConditionalRandomField"): "dense_accuracy dense_loss sparse_accuracy sparse_loss trans",
    ("layers", "Loss"): "compute_loss",
    ("layers", "MaximumEntropyMarkovModel"): "dense_accuracy dense_loss sparse_accuracy sparse_loss trans",
    ("layers", "MultiHeadAttention"): "pay_attention_to",
    ("snippets", "AutoRegressiveDecoder"): "beam_search last_token predict random_sample wraps",
    ("snippets", "DataGenerator"): "forfit fortest sample to_dataset",
    ("snippets", "ViterbiDecoder"): "decode",
    ("tokenizers", "Tokenizer"): "decode encode ids_to_tokens rematch stem token_to_id tokenize tokens_to_ids "
    "_cjk_punctuation _is_cjk_character _is_control _is_punctuation _is_redundant _is_space _is_special",
}

LEFT_OUT = {
    "backend": {"tf": "TensorFlow is one framework of several; import it where a script needs it"},
    "layers": {
        "Node": "a patch of a private class of keras before 2.3; nothing of Keras is patched here",
        "tf": "TensorFlow is one framework of several; import it where a script needs it",
    },
    "optimizers": {
        **{
            name: "of b4k3.snippets, on which the package does not depend"
            for name in "is_one_of string_matching".split()
        },
        "insert_arguments": "of b4k3.snippets, on which the package does not depend",
        "rms": "the old name of root_mean_square of b4k3.backend",
        "tf": "TensorFlow is one framework of several; import it where a script needs it",
    },
    "snippets": {
        "Hook": "it put another object in place of the module; `uniout` is a plain name here",
        "tf": "TensorFlow is one framework of several; import it where a script needs it",
    },
}
