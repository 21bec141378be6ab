"""What comes from outside and is wrong."""

from pathlib import Path

import numpy as np

from coordinator.aggregation import UpdateSum
from protocol.codec import encode_header
from protocol.encodings import Int8
from protocol.messages import Heartbeat, Join, Refuse, Rejected, Train, Update, Welcome
from tests.coordinator import tiny
from tests.coordinator.daemon.playing import NAMES, Context, enter, finish
from tests.coordinator.processes import DaemonProcess, Participant


class TestBadInput:
    def test_never_stops_the_daemon_nor_changes_the_model(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=2)
        undisturbed = DaemonProcess(scenario, tmp_path / "undisturbed")
        expected = finish(undisturbed, enter(context, undisturbed, *NAMES))
        daemon = DaemonProcess(scenario, tmp_path / "run")
        participants = enter(context, daemon, *NAMES)
        ann = participants[0]
        order = ann.expect(Train)
        nan = tiny.parameters_of(float("nan"))
        header = Update(run=ann.run, round=1, seconds=0.1)
        for frames, reason in [
            ([b""], "malformed"),
            ([b"\xc1"], "malformed"),
            ([bytes(range(100))], "malformed"),
            (ann.frames(header)[:1], "wrong_size"),
            ([*ann.frames(header)[:2], b"123"], "wrong_size"),
            (ann.frames(header, nan), "non_finite"),
            (ann.frames(header, tiny.parameters_of(1e6)), "out_of_range"),
        ]:
            ann.send_raw(frames)
            assert ann.expect(Rejected).reason == reason
        ann.train(order)
        assert finish(daemon, participants) == expected
        line = daemon.await_line("round_completed", round=1)
        assert line["rejections"] == {"malformed": 3, "non_finite": 1, "out_of_range": 1, "wrong_size": 2}

    def test_is_found_in_updates_of_eight_bits_too(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(rounds=1, encoding="int8"), tmp_path / "run")
        participants = enter(context, daemon, *NAMES)
        encoding, header = Int8(tiny.MANIFEST), Update(run=participants[0].run, round=1, seconds=0.1)

        def framed(name: str) -> list[bytes]:
            packed = encoding.encode(tiny.update(name, 1))
            return [bytes(frame) for frame in (encode_header(header), *packed.frames())]

        ann, bob, cid, _ = participants
        for participant in participants:
            participant.expect(Train)
        head, units, rest = framed("ann")
        nan = np.array([np.nan], "<f4").tobytes()
        for sender, frames, reason in [
            (ann, ann.frames(header), "wrong_size"),
            (ann, [head, rest, units], "wrong_size"),
            (ann, [head, bytes(4) + units[4:], rest], "malformed"),
            (bob, [head, units[:-1] + b"\x80", rest], "malformed"),
            (cid, [head, nan + units[4:], rest], "non_finite"),
        ]:
            sender.send_raw(frames)
            assert sender.expect(Rejected).reason == reason
        total = UpdateSum(tiny.MANIFEST)
        for participant in participants:
            participant.send_raw(framed(participant.name))
            total.add(encoding.decode(framed(participant.name)[1:]))
        line = daemon.await_line("round_completed", round=1)
        assert line["rejections"] == {"malformed": 2, "non_finite": 1, "wrong_size": 2}
        model = tiny.initial_parameters(tiny.scenario())
        assert line["model_digest"] == total.step(model, 1.0).digest()

    def test_a_stranger_is_told_to_join(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(), tmp_path / "run")
        stranger = Participant(context, daemon.endpoint, "eve")
        stranger.send(Heartbeat(run="0" * 16))
        assert stranger.expect(Refuse).reason == "not_joined"
        daemon.process.terminate()
        daemon.end()

    def test_a_name_is_free_again_once_its_process_was_killed(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(), tmp_path / "run")
        (ann,) = enter(context, daemon, "ann")
        twin = Participant(context, daemon.endpoint, "ann")
        twin.send(Join(name="ann", auditor=False, software="test"))
        assert twin.expect(Refuse).reason == "name_taken"
        ann.close()
        while True:  # until libzmq has noticed
            twin.send(Join(name="ann", auditor=False, software="test"))
            if isinstance(twin.receive()[0], Welcome):
                break
        assert daemon.await_line("participant_lost")["participant"] == "ann"
        daemon.process.terminate()
        daemon.end()
