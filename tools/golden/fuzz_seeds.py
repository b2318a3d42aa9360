"""Writes binary files that fuzzing starts from: masks and small checkpoints.

    .venv/bin/python tools/golden/fuzz_seeds.py
"""

import io
import json
import pathlib
import pickle
import struct
import tarfile
import zipfile
import zlib

import torch

corpus = pathlib.Path(__file__).parents[2] / "fuzz" / "corpus"


def png(path, depth, colour, rows, extra=b""):
    """Written without an encoder, for depths below eight bits and odd row lengths."""
    height, width = len(rows), len(rows[0])
    lines = b""
    for row in rows:
        bits = "".join(format(number, f"0{depth}b") for number in row)
        bits += "0" * (-len(bits) % 8)
        lines += b"\0" + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra_chunk(chunk, extra) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def extra_chunk(chunk, palette):
    return chunk(b"PLTE", palette) if palette else b""


def safetensors(path, tensors, text):
    header, offset, body = {"__metadata__": text} if text else {}, 0, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(content)]}
        offset, body = offset + len(content), body + content
    start = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(start)) + start + body)


def network(rename=lambda name: name, kernels=True):
    """The least MobileOne whose specification can be told from its tensors, all of its numbers bytes to be small."""
    layers = [("stage0", 4, 3, 3)]
    for stage in range(1, 5):
        layers += [(f"stage{stage}.0", 4, 1, 3), (f"stage{stage}.1", 4, 4, 1)]
    tensors = {}
    for name, outputs, inputs, kernel in layers:
        shape = [outputs, inputs, kernel, kernel] if kernels else [outputs]
        count = outputs * inputs * kernel * kernel if kernels else outputs
        tensors[rename(f"{name}.reparam_conv.weight")] = ("I8", shape, bytes(count))
    return tensors


def tar(path):
    """What torch.save wrote before 0.1.10, which no release that is still installed writes."""

    class Tensors(pickle.Pickler):
        def persistent_id(self, thing):
            return "1" if thing is tensor else None

    tensor, state = object(), io.BytesIO()
    Tensors(state, 2).dump({"stem.reparam_conv.weight": tensor})
    entries = {
        "sys_info": pickle.dumps({"little_endian": True}, 2),
        "storages": pickle.dumps(1, 2) + pickle.dumps((2, "cpu", torch.FloatStorage), 2) + struct.pack("<q2f", 2, 1.5, 2.5) + pickle.dumps([], 2),
        "tensors": pickle.dumps(1, 2) + pickle.dumps((1, 2, torch.FloatTensor), 2) + struct.pack("<ii5q", 2, 0, 2, 1, 1, 1, 0),
        "pickle": state.getvalue(),
    }
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in entries.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))


def main():
    masks, checkpoints, pickles = corpus / "mask", corpus / "safetensors", corpus / "pickle"
    palette = bytes(range(48))
    png(masks / "palette_4.png", 4, 3, [[column % 5 for column in range(7)] for _ in range(3)], palette)
    png(masks / "palette_8.png", 8, 3, [[0, 15, 1]] * 2, palette)
    png(masks / "grey_1.png", 1, 0, [[column % 2 for column in range(9)]] * 2)
    png(masks / "grey_2.png", 2, 0, [[3, 2, 1, 0, 3]])
    png(masks / "grey_8.png", 8, 0, [[255, 0, 7, 9]] * 4)
    png(masks / "grey_16.png", 16, 0, [[255, 0, 7]] * 2)
    png(masks / "grey_16_beyond.png", 16, 0, [[255, 256, 7]] * 2)

    floats = ("F32", [2, 1], struct.pack("<2f", 1.5, float("nan")))
    safetensors(checkpoints / "kinds.safetensors", {"a": floats, "b": ("I64", [], bytes(8)), "c": ("BOOL", [3], b"\1\0\1"),
                "d": ("BF16", [0, 5], b""), "e": ("F64", [1, 1, 1], bytes(8)), "f": ("F16", [2], bytes(4))}, {"format": "pt"})
    safetensors(checkpoints / "apple.safetensors", network() | {"linear.weight": ("I8", [2, 4], bytes(8))}, {})
    timm = {f"stage{n}": f"stages.{n - 1}" for n in range(1, 5)} | {"stage0": "stem"}
    safetensors(checkpoints / "timm.safetensors",
                network(lambda name: "module." + timm[name.split(".")[0]] + name[6:], kernels=False), {})
    stage = {"width": 4, "blocks": 1, "squeeze_excite": 0}
    text = {
        "mobileone_format": "1",
        "spec": json.dumps({"stem": 4, "stages": [stage] * 4, "branches": 1}),
        "form": "deploy",
        "classes": json.dumps(["a", "b"]),
        "normalization": json.dumps({"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}),
        "task": "classify",
    }
    safetensors(checkpoints / "own.safetensors", network(lambda name: f"backbone.{name}", kernels=False), text)

    least = {"state_dict": {"stem.reparam_conv.weight": torch.zeros(1), "n": 3}, "epoch": 1}
    torch.save(least, pickles / "least_zip.pth")
    torch.save(least, pickles / "least_legacy.pth", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(pickles / "compressed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in ["data.pkl", "byteorder", "data/0"]:
            with zipfile.ZipFile(pickles / "least_zip.pth") as whole:
                archive.writestr(zipfile.ZipInfo(f"archive/{entry}"), whole.read(f"least_zip/{entry}"), zipfile.ZIP_DEFLATED)
    tar(pickles / "least.pth.tar")


main()
