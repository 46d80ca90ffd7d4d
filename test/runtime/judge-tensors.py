"""What Python's safetensors and numpy make of files: `accepts BLOB`, `dump FILE`, `write FILE`, `bf16 FILE`, `npz FILE`."""

import hashlib
import json
import struct
import sys

import numpy as np
from safetensors import SafetensorError, TensorSpec, deserialize, safe_open, serialize_file
from safetensors.numpy import save_file


def digest(data):
    return hashlib.sha256(bytes(data)).hexdigest()


def accepts(blob):
    """Files one after the other, each behind its length in 4 bytes: the error of each, or null."""
    data = open(blob, "rb").read()
    at, verdicts = 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        try:
            deserialize(data[at + 4 : at + 4 + size])
            verdicts.append(None)
        except (SafetensorError, UnicodeError, ValueError) as error:
            verdicts.append(str(error) or type(error).__name__)
        at += 4 + size
    return verdicts


def dump(path):
    tensors = {}
    for name, entry in deserialize(open(path, "rb").read()):
        tensors[name] = [entry["dtype"], list(entry["shape"]), digest(entry["data"])]
    with safe_open(path, "np") as file:
        return {"tensors": tensors, "metadata": file.metadata(), "keys": sorted(file.keys())}


def values():
    return {
        "f32": np.array([[1.5, -0.0], [np.inf, 1e-45]], np.float32),
        "f16": np.array([1.5, -2.0, 6e-8, 65504, -0.0], np.float16),
        "i32": np.array([-(2**31), 2**31 - 1], np.int32),
        "i64": np.array([-(2**31), 2**31 - 1, 0], np.int64),
        "u8": np.array([0, 255], np.uint8),
        "bool": np.array([True, False, True]),
        "scalar": np.array(7, np.float32),
        "none": np.zeros((0, 3), np.float32),
        "å😀 \"quoted\"": np.array([2], np.float32),
    }


def write(path):
    save_file(values(), path, metadata={"by": "Python", "ä": "ö"})
    return {name: value.astype(np.float64).ravel().tolist() for name, value in values().items() if name != "f32"}


def bf16(path):
    """Every number of 16 bits, as bfloat16, which numpy has no type for; and every NaN payload of a few as f32."""
    halves = np.arange(2**16, dtype=np.uint16)
    nans = np.array([0x7FC00001, 0x7F800001, 0xFFC12345, 0xFFFFFFFF, 0x7FBFFFFF], np.uint32)
    spec = lambda dtype, value: TensorSpec(
        dtype=dtype, shape=value.shape, data_ptr=value.ctypes.data, data_len=value.nbytes
    )
    serialize_file({"halves": spec("bfloat16", halves), "nans": spec("float32", nans)}, path, None)
    return nans.tolist()


def npz(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: [str(file[name].dtype), list(file[name].shape), digest(file[name].tobytes())] for name in file.files}


commands = {"accepts": accepts, "dump": dump, "write": write, "bf16": bf16, "npz": npz}
json.dump(commands[sys.argv[1]](sys.argv[2]), sys.stdout)
