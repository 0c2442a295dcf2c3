"""The names of bert4keras.snippets 0.11.5, and that most need no Keras."""

import subprocess
import sys

import numpy as np

from b4k3 import snippets

OF_BERT4KERAS = """
    AutoRegressiveDecoder DataGenerator ViterbiDecoder WebServing basestring convert_to_str convert_to_unicode
    delete_arguments insert_arguments is_one_of is_py2 is_string longest_common_subsequence longest_common_substring
    lowercase_and_normalize open orthogonally_resize parallel_apply parallel_apply_generator sequence_padding softmax
    strQ2B string_matching text_segmentate to_array truncate_sequences uniout
""".split()


def test_every_name_is_there():
    for name in OF_BERT4KERAS:
        assert name in snippets.__all__ and hasattr(snippets, name)
    assert set(snippets.__all__) - set(OF_BERT4KERAS) == {"progress", "__version__"}


def test_no_name_starts_keras():
    code = (
        "import sys\n"
        "from b4k3.snippets import %s\n"
        "frameworks = {'keras', 'tf_keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
        "assert not frameworks, frameworks" % ", ".join(OF_BERT4KERAS)
    )
    subprocess.check_call([sys.executable, "-c", code])


def test_a_resized_array_keeps_its_norm():
    a = np.random.RandomState(0).rand(4, 6)
    b = snippets.orthogonally_resize(a, (8, 3))
    assert b.shape == (8, 3) and np.isclose(np.linalg.norm(a), np.linalg.norm(b))
