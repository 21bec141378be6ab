"""docs/PROTOCOL.md says what the code does."""

import ast
import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import zmq
from pydantic import BaseModel

from participant.packing import Packer
from protocol import header
from protocol.codec import decode, encode
from protocol.encodings import ENCODINGS, Int8
from protocol.manifest import MAX_PARAMETERS, Manifest, Parameters, ParameterSpec
from protocol.messages import (
    Accepted,
    BackdoorAccuracy,
    Difference,
    Evaluate,
    EvaluationReport,
    Fetch,
    Heartbeat,
    Interval,
    Join,
    Leave,
    Measurement,
    Message,
    Offer,
    Ready,
    RefuseReason,
    Rejected,
    RejectReason,
    Share,
    Shutdown,
    SignedInterval,
    Train,
    Update,
    Welcome,
)
from protocol.pieces import PIECE, Buffer, whole
from protocol.scenario import SplitSizes
from protocol.sockets import RouterSocket
from protocol.split import ClassSplit, split_classes
from tests.protocol import from_the_document
from tests.protocol.from_the_document import Participant
from tests.protocol.generated import MANIFEST, MESSAGE_TYPES, PARAMETERS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
SECTIONS = {
    title.strip("`"): body
    for title, body in re.findall(r"^#{2,3} (.+?)\n(.*?)(?=^#{2,3} |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
}
PARTS: dict[str, type[BaseModel]] = {
    "Manifest": Manifest,
    "Parameter": ParameterSpec,
    "Share": Share,
    "Class split": ClassSplit,
    "Measurement": Measurement,
    "Backdoor accuracy": BackdoorAccuracy,
    "Interval": Interval,
    "Difference": Difference,
    "Signed interval": SignedInterval,
}
RUN = "0123abcd"


def first_column(section: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", SECTIONS[section], re.MULTILINE)


# Completeness


@pytest.mark.parametrize("kind", MESSAGE_TYPES, ids=lambda kind: kind.__name__)
def test_every_message_is_described_with_its_fields(kind: type[Message]) -> None:
    fields = [name for name in kind.model_fields if name not in ("version", "type")]
    assert first_column(kind.model_fields["type"].default) == fields


def test_what_every_header_has_is_described() -> None:
    assert first_column("Framing") == ["version", "type"]


@pytest.mark.parametrize("section", PARTS)
def test_every_part_of_a_message_is_described_with_its_fields(section: str) -> None:
    assert first_column(section) == list(PARTS[section].model_fields)


def test_every_reason_is_described() -> None:
    assert first_column("Reasons to refuse") == list(get_args(RefuseReason))
    assert first_column("Reasons to reject") == list(get_args(RejectReason))


def test_the_limits_of_a_header_are_those_of_the_code() -> None:
    limits = re.findall(r"^\| [^|]+ \| (\d+) \|$", SECTIONS["Framing"], re.MULTILINE)
    assert [int(limit) for limit in limits] == [
        header.MAX_HEADER_BYTES,
        header.MAX_ELEMENTS,
        header.MAX_DEPTH,
        header.MAX_MAP_KEYS,
    ]
    assert MAX_PARAMETERS == 2**33
    assert f"up to {PIECE} bytes" in SECTIONS["Parameters"]


def test_links_within_the_document_lead_somewhere() -> None:
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in SECTIONS}
    assert set(re.findall(r"\(#([^)]+)\)", DOCUMENT)) <= anchors


# The examples


def test_the_example_of_a_frame_is_right() -> None:
    (frame,) = encode(Heartbeat(run=RUN))
    assert bytes(frame).hex(" ") in DOCUMENT


def test_the_example_of_digests_is_right() -> None:
    manifest = Manifest(
        parameters=(
            ParameterSpec(name="block1.weight", shape=(2, 3)),
            ParameterSpec(name="temperature", shape=(), dtype="float64"),
            ParameterSpec(name="head.bias", shape=(2,)),
        )
    )
    parameters = Parameters.from_arrays(
        manifest,
        {
            "block1.weight": np.array([[0, 1, 2], [3, 4, 5]]),
            "temperature": np.array(10),
            "head.bias": np.array([-1, 0.5]),
        },
    )
    example = dict(re.findall(r"^(\w+ \w+)   +(\S+)$", SECTIONS["Example"], re.MULTILINE))
    canonical = example.pop("canonical JSON")
    assert hashlib.sha256(canonical.encode("ascii")).hexdigest() == manifest.digest
    float32, float64 = parameters.frames()
    assert example == {
        "manifest digest": manifest.digest,
        "float32 buffer": float32.hex(),
        "float64 buffer": float64.hex(),
        "model digest": parameters.digest(),
    }
    assert from_the_document.digest_of(manifest.model_dump()) == manifest.digest


def test_the_example_of_encodings_is_right() -> None:
    manifest = Manifest(
        parameters=(ParameterSpec(name="x", shape=(4,)), ParameterSpec(name="t", shape=(), dtype="float64"))
    )
    delta = Parameters.from_arrays(manifest, {"x": np.array([1, 0.5, -0.25, 0]), "t": np.array(10)})
    example = re.findall(r"^\S.*  +([0-9a-f]{14,})$", SECTIONS["Encodings of updates"], re.MULTILINE)
    frames = {
        name: [frame.hex() for frame in ENCODINGS.get(name)(manifest).encode(delta).frames()]
        for name in ("float32", "bfloat16", "int8")
    }
    said = Int8(manifest).encode(delta).buffers[0][0:4]
    lost = (delta.buffers[0] - said).tobytes().hex()
    assert example == [*(first for first, _ in frames.values()), lost, frames["int8"][1]]
    assert {rest for _, rest in frames.values()} == {frames["int8"][1]}


def test_every_encoding_is_described() -> None:
    described = re.findall(r"^\| `(\w+)`", SECTIONS["Encodings of updates"], re.MULTILINE)
    assert sorted(described) == ENCODINGS.names()


def test_names_outside_ascii_have_the_digest_that_the_document_defines() -> None:
    manifest = Manifest(parameters=(ParameterSpec(name='ü"\\\x7f\n😀/', shape=(1,)),))
    assert from_the_document.digest_of(manifest.model_dump()) == manifest.digest


def test_the_class_split_is_drawn_as_described() -> None:
    names = [f"class {i}" for i in range(40)]
    digest = hashlib.blake2b(b'[7,"split"]', digest_size=8).digest()
    draw = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little") >> 1))
    left = [sorted(names)[i] for i in draw.permutation(len(names))]
    sizes = SplitSizes(test=6, validation=5, backdoor=2, target=1)
    expected = {}
    for purpose, count in (("target", 1), ("backdoor", 2), ("test", 6), ("validation", 5), ("train", 26)):
        expected[purpose], left = tuple(left[:count]), left[count:]
    assert split_classes(names, sizes, 7).model_dump() == expected


# A participant that was written from it


@pytest.fixture
def router() -> Iterator[RouterSocket]:
    with zmq.Context() as context:
        made = RouterSocket(context, "tcp://127.0.0.1:*", manifest=MANIFEST)
        yield made
        made.close(1)


class Coordinator:
    """One side of the conversation in the test's own words, with the project's codec and socket."""

    def __init__(self, router: RouterSocket, manifest: Manifest = MANIFEST) -> None:
        self._router = router
        self._manifest = manifest
        self._peer = b""
        self.parameters: Parameters | None = None
        self.update: tuple[Buffer, ...] | None = None

    def says(self, message: Message, parameters: Parameters | None = None) -> None:
        assert self._router.send(self._peer, encode(message, parameters))

    def hears(self, update_sizes: tuple[int, ...] | None = None) -> Message:
        assert self._router.raw.poll(5000)
        received = self._router.receive()
        assert received is not None
        self._peer = received.peer
        decoded = decode(received.frames, self._manifest, update_sizes)
        self.parameters, self.update = decoded.parameters, decoded.update
        return decoded.message


def test_the_participant_imports_nothing_of_the_project() -> None:
    tree = ast.parse(Path(from_the_document.__file__).read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {module.split(".")[0] for module in modules} & {
        "protocol",
        "coordinator",
        "participant",
        "deploy",
        "tests",
    }


def test_it_joins_trains_and_ends_with_the_run(router: RouterSocket) -> None:
    participant = Participant(router.endpoint, "ann")
    coordinator = Coordinator(router)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(participant.take_part)
        joined = coordinator.hears()
        assert isinstance(joined, Join)
        assert (joined.name, joined.auditor, joined.share) == ("ann", False, None)

        coordinator.says(Welcome(run=RUN, round=1, scenario="", manifest=MANIFEST))
        ready = coordinator.hears()
        assert isinstance(ready, Ready)
        assert ready.manifest_digest == MANIFEST.digest
        assert ready.split.train == ("a", "b", "c")
        assert coordinator.hears() == Heartbeat(run=RUN)
        coordinator.says(Heartbeat(run=RUN))

        share = Share(index=0, count=1)
        coordinator.says(Train(run=RUN, round=1, share=share, previous=0, keep_from=0), PARAMETERS)
        assert coordinator.hears() == Update(run=RUN, round=1, seconds=0.5)
        assert coordinator.parameters is not None
        for name, values in coordinator.parameters.arrays().items():
            np.testing.assert_allclose(values, -PARAMETERS.arrays()[name] / 2)
        coordinator.says(Accepted(run=RUN, round=1))
        coordinator.says(Rejected(run=None, round=None, reason="unexpected"))
        coordinator.says(Shutdown(run=RUN, failed=False, reason="the run is complete"))
        assert coordinator.hears() == Leave(run=RUN, reason="the run is over")
        run.result(timeout=10)
    assert participant.log == ["welcome", "heartbeat", "train", "accepted", "rejected", "shutdown"]


@pytest.mark.parametrize("name", ["bfloat16", "int8"])
def test_it_encodes_its_updates_as_described(name: str, router: RouterSocket, tmp_path: Path) -> None:
    """Bit for bit as a participant of ours, what was lost of the last one that counted included."""
    encoding = ENCODINGS.get(name)(MANIFEST)
    ours = Packer(encoding, MANIFEST, tmp_path)
    model = Parameters(MANIFEST, tuple(buffer / 3 for buffer in PARAMETERS.buffers))
    delta = Parameters(MANIFEST, tuple(-buffer / 2 for buffer in model.buffers))
    coordinator = Coordinator(router)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(Participant(router.endpoint, "ann").take_part)
        coordinator.hears()
        scenario = f'[federation]\nencoding = "{name}"\n'
        coordinator.says(Welcome(run=RUN, round=1, scenario=scenario, manifest=MANIFEST))
        coordinator.hears()
        coordinator.hears()
        for number, previous in ((1, 0), (2, 1), (3, 1)):
            share = Share(index=0, count=1)
            order = Train(run=RUN, round=number, share=share, previous=previous, keep_from=0)
            coordinator.says(order, model)
            assert coordinator.hears(encoding.sizes) == Update(run=RUN, round=number, seconds=0.5)
            assert coordinator.update is not None
            heard = [bytes(whole(buffer)) for buffer in coordinator.update]
            assert heard == list(map(bytes, ours.pack(order, delta).frames()))
        coordinator.says(Shutdown(run=RUN, failed=False, reason="the run is complete"))
        coordinator.hears()
        run.result(timeout=10)


def test_it_offers_its_update_where_it_is_to(router: RouterSocket) -> None:
    coordinator = Coordinator(router)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(Participant(router.endpoint, "ann").take_part)
        coordinator.hears()
        coordinator.says(Welcome(run=RUN, round=1, scenario="", manifest=MANIFEST))
        coordinator.hears()
        coordinator.hears()
        share = Share(index=0, count=1)
        order = Train(run=RUN, round=1, share=share, previous=0, keep_from=0, offer=True)
        coordinator.says(order, PARAMETERS)
        assert coordinator.hears() == Offer(run=RUN, round=1)
        coordinator.says(Fetch(run=RUN, round=1))
        assert coordinator.hears() == Update(run=RUN, round=1, seconds=0.5)
        coordinator.says(Shutdown(run=RUN, failed=False, reason="the run is complete"))
        coordinator.hears()
        run.result(timeout=10)


def test_it_cuts_and_joins_what_is_large() -> None:
    manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(PIECE // 4 + 1,)),))
    model = Parameters.from_arrays(manifest, {"x": np.arange(PIECE // 4 + 1)})
    with zmq.Context() as context, ThreadPoolExecutor(1) as pool:
        router = RouterSocket(context, "tcp://127.0.0.1:*", manifest=manifest)
        coordinator = Coordinator(router, manifest)
        run = pool.submit(Participant(router.endpoint, "ann").take_part)
        coordinator.hears()
        coordinator.says(Welcome(run=RUN, round=1, scenario="", manifest=manifest))
        coordinator.hears()
        coordinator.hears()
        share = Share(index=0, count=1)
        coordinator.says(Train(run=RUN, round=1, share=share, previous=0, keep_from=0), model)
        assert coordinator.hears() == Update(run=RUN, round=1, seconds=0.5)
        assert coordinator.parameters is not None
        np.testing.assert_array_equal(coordinator.parameters.buffers[0], -model.buffers[0] / 2)
        coordinator.says(Shutdown(run=RUN, failed=False, reason="the run is complete"))
        coordinator.hears()
        run.result(timeout=10)
        router.close(0)


def test_it_measures_as_an_auditor(router: RouterSocket) -> None:
    participant = Participant(router.endpoint, "eve", auditor=True)
    coordinator = Coordinator(router)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(participant.take_part)
        joined = coordinator.hears()
        assert isinstance(joined, Join)
        assert joined.auditor
        coordinator.says(Welcome(run=RUN, round=5, scenario="", manifest=MANIFEST))
        assert isinstance(coordinator.hears(), Ready)
        assert isinstance(coordinator.hears(), Heartbeat)
        coordinator.says(Evaluate(run=RUN, round=4), PARAMETERS)
        report = coordinator.hears()
        assert isinstance(report, EvaluationReport)
        assert report.round == 4
        assert report.measurements[0].main_accuracy.mean == pytest.approx(1 / 6)
        coordinator.says(Shutdown(run=RUN, failed=False, reason="the run is complete"))
        assert coordinator.hears() == Leave(run=RUN, reason="the run is over")
        run.result(timeout=10)


def test_it_trains_and_measures_where_nothing_is_shared(router: RouterSocket) -> None:
    """No tensor frames at all; and between two rounds a participant that trains is asked to measure."""
    manifest = Manifest(parameters=())
    nothing = Parameters.from_arrays(manifest, {})
    participant = Participant(router.endpoint, "ann")
    coordinator = Coordinator(router, manifest)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(participant.take_part)
        assert isinstance(coordinator.hears(), Join)
        coordinator.says(Welcome(run=RUN, round=1, scenario="", manifest=manifest))
        ready = coordinator.hears()
        assert isinstance(ready, Ready)
        assert ready.manifest_digest == manifest.digest
        assert isinstance(coordinator.hears(), Heartbeat)
        share = Share(index=0, count=1)
        coordinator.says(Evaluate(run=RUN, round=0, share=share, previous=0), nothing)
        report = coordinator.hears()
        assert isinstance(report, EvaluationReport)
        assert report.round == 0
        coordinator.says(Accepted(run=RUN, round=0))
        coordinator.says(Train(run=RUN, round=1, share=share, previous=0, keep_from=0), nothing)
        assert coordinator.hears() == Update(run=RUN, round=1, seconds=0.5)
        assert coordinator.parameters == nothing
        coordinator.says(Shutdown(run=RUN, failed=False, reason="the run is complete"))
        assert coordinator.hears() == Leave(run=RUN, reason="the run is over")
        run.result(timeout=10)
