import subprocess
import sys

import numpy as np

from b4k3 import snippets
from support.public_names import NAMES


def test_no_name_starts_keras():
    code = (
        "import sys\n"
        f"from b4k3.snippets import {', '.join(NAMES['snippets'])}\n"
        "frameworks = {'keras', 'tf_keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
        "assert not frameworks, frameworks"
    )
    subprocess.check_call([sys.executable, "-c", code])


def test_a_resized_array_keeps_its_norm():
    a = np.random.RandomState(0).rand(4, 6)
    b = snippets.orthogonally_resize(a, (8, 3))
    assert b.shape == (8, 3) and np.isclose(np.linalg.norm(a), np.linalg.norm(b))
