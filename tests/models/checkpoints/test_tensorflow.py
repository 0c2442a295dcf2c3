"""Against TensorFlow, on the rows that have it: we read what it writes, it reads what we write, bit for bit.

Seeded random sets of variables go through every dtype, empty and scalar shapes, partitions and several data files.
"""

import os

import numpy as np
import pytest

from b4k3.models.checkpoints import open_checkpoint, save_checkpoint

DTYPES = "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 bool complex64 complex128".split()


@pytest.fixture(scope="module")
def tf1():
    """TensorFlow with the names of version 1; graphs are made explicitly, so nothing is switched for other tests."""
    import tensorflow

    return tensorflow.compat.v1


def random_arrays(tf1, rng, count):
    """dict: name -> array, of random dtypes and shapes."""
    arrays = {}
    for number in range(count):
        dtype = DTYPES[rng.randint(len(DTYPES))]
        shape = tuple(rng.choice([0, 1, 2, 3, 5, 17], size=rng.randint(4), p=[0.05, 0.15, 0.2, 0.2, 0.2, 0.2]))
        values = np.asarray(rng.randn(*shape) * 40)
        values = np.abs(values) if dtype.startswith("uint") else values > 0 if dtype == "bool" else values
        scope = rng.choice(["bert", "bert/encoder", "层", "a b"])
        name = f"{scope}/{number}{'x' * rng.randint(3)}"
        arrays[name] = np.asarray(values).astype(getattr(tf1, dtype).as_numpy_dtype)
    return arrays


def partition_variable(tf1, name, array, axis, rows):
    """The variable with some rows of an axis, which is stored as a slice of the variable called name."""
    offset = [rows[0] if i == axis else 0 for i in range(array.ndim)]
    dims = [len(rows) if i == axis else dim for i, dim in enumerate(array.shape)]
    part = tf1.Variable(np.take(array, rows, axis), name="part", use_resource=False)
    part._set_save_slice_info(tf1.Variable.SaveSliceInfo(name, list(array.shape), offset, dims))
    return part


def write_with_saver(tf1, path, arrays, partitions=None, sharded=False, version=2):
    """A checkpoint of tf.train.Saver; partitions: {name: (axis, number of slices)}."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        variables, partitions = {}, partitions or {}
        for name, array in arrays.items():
            if name in partitions:
                variables[name] = [
                    partition_variable(tf1, name, array, partitions[name][0], cut)
                    for cut in np.array_split(np.arange(array.shape[partitions[name][0]]), partitions[name][1])
                ]
            else:
                variables[name] = tf1.Variable(array, name="whole", use_resource=True)
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver(variables, sharded=sharded, write_version=version)
        return saver.save(session, path, write_meta_graph=False)


def check_same(checkpoint, arrays):
    assert set(checkpoint) == set(arrays)
    for name, array in arrays.items():
        assert checkpoint.stored_dtype(name) == array.dtype.name and checkpoint.shape(name) == array.shape, name
        expected = array.astype("float32") if array.dtype.name == "bfloat16" else array
        assert checkpoint[name].dtype == expected.dtype and checkpoint[name].tobytes() == expected.tobytes(), name


@pytest.mark.parametrize("seed", range(6))
def test_we_read_what_tensorflow_writes(tf1, tmp_path, seed):
    rng = np.random.RandomState(seed)
    arrays = random_arrays(tf1, rng, 30)
    partitions = {}
    for name, array in arrays.items():
        axes = [axis for axis, dim in enumerate(array.shape) if dim > 1 and array.size]
        if axes and rng.rand() < 0.4:
            axis = axes[rng.randint(len(axes))]
            partitions[name] = (axis, 1 + rng.randint(array.shape[axis]))
    assert partitions
    path = write_with_saver(tf1, str(tmp_path / "model.ckpt"), arrays, partitions, sharded=bool(seed % 2))
    check_same(open_checkpoint(path, verify=True), arrays)
    check_same(open_checkpoint(str(tmp_path)), arrays)  # by the `checkpoint` file that the saver wrote


@pytest.mark.parametrize("seed", range(4))
def test_we_read_version_1(tf1, tmp_path, seed):
    arrays = random_arrays(tf1, np.random.RandomState(200 + seed), 40)
    arrays = {name: array for name, array in arrays.items() if array.dtype.name != "bfloat16"}  # version 1 has none
    partitions = {name: (0, 2) for name, array in arrays.items() if array.ndim and array.shape[0] > 2 and array.size}
    assert partitions
    path = write_with_saver(tf1, str(tmp_path / "model.ckpt"), arrays, partitions, version=1)
    checkpoint = open_checkpoint(path, verify=True)
    assert checkpoint.format == "tf_v1"
    check_same(checkpoint, arrays)
    check_same(open_checkpoint(str(tmp_path)), arrays)


@pytest.mark.parametrize("seed", range(6))
def test_tensorflow_reads_what_we_write(tf1, tmp_path, seed):
    rng = np.random.RandomState(100 + seed)
    arrays = random_arrays(tf1, rng, 30)
    path = str(tmp_path / "model.ckpt")
    for size in [None, 200, 200][: 1 + seed % 3]:  # the third replaces a bundle of the same number of files
        save_checkpoint(path, arrays, max_shard_size=size)
    reader = tf1.train.load_checkpoint(path)
    assert set(reader.get_variable_to_shape_map()) == set(arrays)
    for name, array in arrays.items():
        found = np.asarray(reader.get_tensor(name))
        assert found.dtype == array.dtype and found.shape == array.shape and found.tobytes() == array.tobytes(), name
    with tf1.Graph().as_default(), tf1.Session() as session:
        variables = {name: tf1.Variable(np.zeros_like(array)) for name, array in arrays.items()}
        tf1.train.Saver(variables).restore(session, path)
        for name, array in zip(arrays, session.run([variables[name] for name in arrays])):
            assert np.asarray(array).tobytes() == arrays[name].tobytes(), name


@pytest.mark.parametrize("count", [1, 40, 3000])
def test_the_same_files(tf1, tmp_path, count):
    """Index and data are equal to those of TensorFlow's own writer, also when the index has several blocks."""
    if count == 3000:
        rng = np.random.RandomState(0)
        arrays = {f"layer/{rng.bytes(60).hex()}": np.float32(number) for number in range(count)}
        path = str(tmp_path / "model.ckpt")
        with tf1.Graph().as_default(), tf1.Session() as session:
            names = sorted(arrays)
            save = tf1.raw_ops.SaveV2(
                prefix=path, tensor_names=names, shape_and_slices=[""] * count, tensors=[arrays[name] for name in names]
            )
            session.run(save)
    else:
        arrays = random_arrays(tf1, np.random.RandomState(count), count)
        path = write_with_saver(tf1, str(tmp_path / "model.ckpt"), arrays)
    ours = save_checkpoint(str(tmp_path / "ours"), arrays)
    assert (os.path.getsize(ours + ".index") > 300000) == (count == 3000)  # a block ends at 262144 bytes
    for suffix in (".index", ".data-00000-of-00001"):
        with open(path + suffix, "rb") as one, open(ours + suffix, "rb") as two:
            assert one.read() == two.read(), suffix


def test_object_graph_checkpoints(tf1, tmp_path):
    """Those of tf.train.Checkpoint: variables by their keys, the graph of objects itself is a string and skipped."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        variable = tf1.get_variable("v", initializer=np.arange(4, dtype="float32"), use_resource=True)
        session.run(variable.initializer)
        path = tf1.train.Checkpoint(weight=variable).save(str(tmp_path / "object"), session=session)
    checkpoint = open_checkpoint(path, verify=True)
    assert checkpoint["weight/.ATTRIBUTES/VARIABLE_VALUE"].tolist() == [0, 1, 2, 3]
    assert checkpoint.skipped == {"_CHECKPOINTABLE_OBJECT_GRAPH": "string"}


def test_crc32c_of_tensorflow(tf1, tmp_path):
    """TensorFlow refuses a wrong checksum, so that it reads ours is a test; and that it does refuse is one too."""
    path = save_checkpoint(str(tmp_path / "model.ckpt"), {"a": np.random.RandomState(0).randn(30000)})
    assert tf1.train.load_checkpoint(path).get_tensor("a").shape == (30000,)
    with open(path + ".data-00000-of-00001", "r+b") as file:
        file.seek(100000)
        byte = file.read(1)[0]
        file.seek(100000)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(Exception, match="(?i)checksum|crc"):
        tf1.train.load_checkpoint(path).get_tensor("a")
    with pytest.raises(ValueError, match="checksum"):
        open_checkpoint(path)["a"]
