"""A participant written from docs/PROTOCOL.md alone: nothing of this project is imported here."""

import hashlib
import json
import math
import struct
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack
import zmq

ORDER = ("float16", "float32", "float64")
FORMATS = {"float16": "e", "float32": "f", "float64": "d"}
WAIT_MS = 5000
FRAME = 1048576
SPLIT = {"train": ["a", "b", "c"], "validation": [], "test": ["d"], "backdoor": ["e"], "target": ["f"]}


def digest_of(manifest: Mapping[str, Any]) -> str:
    parameters = [{key: spec[key] for key in ("dtype", "name", "shape")} for spec in manifest["parameters"]]
    canonical = json.dumps({"parameters": parameters}, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def joined(manifest: Mapping[str, Any], frames: list[bytes]) -> dict[str, bytes]:
    """The buffers by dtype."""
    sizes: dict[str, int] = {}
    for spec in manifest["parameters"]:
        width = struct.calcsize(FORMATS[spec["dtype"]])
        sizes[spec["dtype"]] = sizes.get(spec["dtype"], 0) + width * math.prod(spec["shape"])
    buffers, rest = {}, list(frames)
    for dtype in ORDER:
        if dtype in sizes:
            count = max(1, math.ceil(sizes[dtype] / FRAME))
            buffers[dtype], rest = b"".join(rest[:count]), rest[count:]
    assert not rest
    return buffers


def cut(buffers: list[bytes]) -> list[bytes]:
    return [buffer[at : at + FRAME] for buffer in buffers for at in range(0, max(1, len(buffer)), FRAME)]


def unpack(manifest: Mapping[str, Any], frames: list[bytes]) -> dict[str, list[float]]:
    """Name → its values, flat."""
    rest = joined(manifest, frames)
    values = {}
    for spec in manifest["parameters"]:
        count = 1
        for size in spec["shape"]:
            count *= size
        layout = f"<{count}{FORMATS[spec['dtype']]}"
        frame = rest[spec["dtype"]]
        values[spec["name"]] = list(struct.unpack_from(layout, frame))
        rest[spec["dtype"]] = frame[struct.calcsize(layout) :]
    assert not any(rest.values())
    return values


def pack(manifest: Mapping[str, Any], values: Mapping[str, list[float]]) -> list[bytes]:
    frames: dict[str, bytes] = {}
    for spec in manifest["parameters"]:
        dtype, numbers = spec["dtype"], values[spec["name"]]
        packed = struct.pack(f"<{len(numbers)}{FORMATS[dtype]}", *numbers)
        frames[dtype] = frames.get(dtype, b"") + packed
    return [frames[dtype] for dtype in ORDER if dtype in frames]


def single(value: float) -> float:
    """The nearest float32."""
    nearest: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return nearest


def bfloat16(values: list[float]) -> bytes:
    halves = []
    for value in values:
        (bits,) = struct.unpack("<I", struct.pack("<f", value))
        half, rest = divmod(bits, 1 << 16)
        halves.append(half + (rest > 0x8000 or (rest == 0x8000 and half % 2)))
    return struct.pack(f"<{len(halves)}H", *halves)


def int8(blocks: list[list[float]]) -> tuple[bytes, list[list[float]]]:
    """The frame, and what it says."""
    scales, units, said = b"", b"", []
    for block in blocks:
        scale = max(single(max(map(abs, block)) / 127), 2.0**-126)
        numbers = [round(single(value / scale)) for value in block]  # Python rounds ties to even
        scales += struct.pack("<f", scale)
        units += struct.pack(f"{len(block)}b", *numbers)
        said.append([single(number * scale) for number in numbers])
    return scales + units, said


def encode(
    manifest: Mapping[str, Any],
    values: dict[str, list[float]],
    encoding: str,
    lost: Mapping[str, list[float]],
) -> tuple[list[bytes], dict[str, list[float]]]:
    """The frames of an update, and what they lose, by parameter."""
    dtypes = {spec["name"]: spec["dtype"] for spec in manifest["parameters"]}
    names = [name for name, dtype in dtypes.items() if dtype == "float32"]
    frames = dict(zip(sorted(set(dtypes.values())), pack(manifest, values), strict=True))
    if encoding == "bfloat16" and names:
        frames["float32"] = bfloat16([value for name in names for value in values[name]])
    if encoding != "int8" or not names:
        return list(frames.values()), {}
    whole = {name: [single(a + b) for a, b in zip(values[name], lost[name], strict=True)] if lost
             else [single(value) for value in values[name]] for name in names}  # fmt: skip
    blocks = [whole[name][at : at + 1024] for name in names for at in range(0, len(whole[name]), 1024)]
    frames["float32"], said = int8(blocks)
    received = iter([value for block in said for value in block])
    return list(frames.values()), {
        name: [single(value - next(received)) for value in whole[name]] for name in names
    }


@dataclass
class Participant:
    """Its "training" halves every parameter. ``log``: the types of the messages that it was sent."""

    address: str
    name: str
    auditor: bool = False
    log: list[str] = field(default_factory=list)
    lost: dict[int, dict[str, list[float]]] = field(default_factory=dict)

    def take_part(self) -> None:
        """Until the run is over."""
        with zmq.Context() as context, context.socket(zmq.DEALER) as self._socket:
            self._socket.setsockopt(zmq.IMMEDIATE, 1)
            self._socket.setsockopt(zmq.LINGER, WAIT_MS)
            self._socket.setsockopt(zmq.SNDTIMEO, WAIT_MS)
            self._socket.setsockopt(zmq.RCVTIMEO, WAIT_MS)
            self._socket.connect(self.address)
            self._say("join", name=self.name, auditor=self.auditor, software="from the document")
            while self._hear() != "shutdown":
                pass
            self._say("leave", run=self._run, reason="the run is over")

    def _say(self, kind: str, *frames: bytes, **fields: object) -> None:
        self._socket.send_multipart([msgpack.packb({"version": 5, "type": kind, **fields}), *frames])

    def _hear(self) -> str:
        head, *frames = self._socket.recv_multipart()
        message = msgpack.unpackb(head)
        kind: str = message["type"]
        self.log.append(kind)
        if kind == "welcome":
            self._run, self._manifest = message["run"], message["manifest"]
            federation = tomllib.loads(message["scenario"]).get("federation", {})
            self._encoding = federation.get("encoding", "float32")
            self._say("ready", run=self._run, manifest_digest=digest_of(self._manifest), split=SPLIT)
            self._say("heartbeat", run=self._run)
        elif kind == "train":
            theta = unpack(self._manifest, frames)
            delta = {name: [-value / 2 for value in values] for name, values in theta.items()}
            before = self.lost[message["previous"]] if message["previous"] else {}
            self._delta, self.lost[message["round"]] = encode(self._manifest, delta, self._encoding, before)
            if message["offer"]:
                self._say("offer", run=self._run, round=message["round"])
            else:
                self._update(message["round"])
        elif kind == "fetch":
            self._update(message["round"])
        elif kind == "evaluate":
            theta = unpack(self._manifest, frames)
            largest = max((abs(value) for values in theta.values() for value in values), default=0.0)
            self._measured(message["round"], 1 / (1 + largest))
        return kind

    def _update(self, round_number: int) -> None:
        self._say("update", *cut(self._delta), run=self._run, round=round_number, seconds=0.5)

    def _measured(self, round_number: int, mean: float) -> None:
        interval = {"mean": mean, "ci95": 0.0, "episodes": 1}
        measurement = {
            "decision": "none",
            "shot": 1,
            "adaptation_steps": 0,
            "backdoor_in_support": False,
            "transductive": False,
            "main_accuracy": interval,
            "backdoor_accuracy": {"attack_train": interval, "attack_validation": interval},
        }
        report = {"run": self._run, "round": round_number, "seconds": 0, "measurements": [measurement]}
        self._say("evaluation", **report)
