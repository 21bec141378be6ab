"""The daemon as a process with keys: who gets in, whose word counts, and what one may cost."""

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import zmq

from coordinator.connections import MOST_OF_A_KEY
from protocol import key_files
from protocol.codec import decode, encode
from protocol.keys import KeyPair
from protocol.messages import Heartbeat, Join, Refuse, Rejected, Train, Update
from protocol.monitoring import Happened
from protocol.sockets import DealerSocket
from tests.coordinator import tiny
from tests.coordinator.processes import DaemonProcess, JournalLine, Participant, train_all

NAMES = ["ann", "bob", "cid", "dee"]
Context = zmq.Context[zmq.Socket[bytes]]
PATIENCE_S = 60.0
OTHERS = (
    "{path}: group or others may change this list (mode 0666); look whether it is as it should be, then "
    "chmod go-w {path}"
)


class Locked:
    """A daemon with keys, and participants who have some."""

    def __init__(
        self, folder: Path, context: Context, *, open_files: int | None = None, **federation: object
    ) -> None:
        self.keys = folder / "keys"
        key_files.provide(self.keys, NAMES)
        self.context = context
        rules = {"rounds": 3, "min_updates": 1, "heartbeat_s": 0.2, "liveness_s": 30.0, **federation}
        self.daemon = DaemonProcess(
            tiny.scenario(**rules), folder / "run", keys=self.keys, open_files=open_files
        )
        self.endpoint = self.daemon.endpoint

    def participant(self, name: str, *, key: KeyPair | None = None) -> Participant:
        key = key or self.key_of(name)
        return Participant(self.context, self.endpoint, name, key=key, coordinator_key=self.coordinator_key)

    def key_of(self, name: str) -> KeyPair:
        return key_files.read_key(self.keys / f"{name}.key")

    def connected(self, name: str) -> DealerSocket:
        """A connection with that name's key, on which nothing has been said."""
        dealer = DealerSocket(
            self.context, self.endpoint, key=self.key_of(name), coordinator_key=self.coordinator_key
        )
        assert dealer.raw.poll(round(PATIENCE_S * 1000), zmq.POLLOUT)
        return dealer

    @property
    def coordinator_key(self) -> str:
        return key_files.read_public(str(self.keys / "coordinator.pub"))

    def all(self) -> list[Participant]:
        return [self.participant(name).join().ready() for name in NAMES]

    def edit(self, text: str) -> None:
        (self.keys / "allowed").write_text(text)

    def finish(self, participants: list[Participant]) -> list[JournalLine]:
        """The rounds that were completed, once the run is over."""
        train_all(participants, until=lambda: self.daemon.process.poll() is not None)
        code, said = self.daemon.end()
        assert (code, said.count("Traceback")) == (0, 0), said
        return [line for line in self.daemon.journal() if line["event"] == "round_completed"]


@pytest.fixture
def locked(tmp_path: Path, context: Context) -> Locked:
    return Locked(tmp_path, context)


def how_it_ends(dealer: DealerSocket) -> Happened:
    """What becomes of its next handshake."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        dealer.monitor.raw.poll(1000)
        for event in dealer.monitor.events():
            if event.happened not in (Happened.ACCEPTED, Happened.CLOSED):
                return event.happened
    raise AssertionError("no handshake came to an end")


def happens(dealer: DealerSocket, wanted: Happened) -> None:
    """Wait until a handshake ends so."""
    while how_it_ends(dealer) is not wanted:
        pass


class TestWhoGetsIn:
    def test_those_who_are_allowed_and_the_run_is_theirs(self, locked: Locked) -> None:
        rounds = locked.finish(locked.all())
        assert [line["received"] for line in rounds] == [4, 4, 4]
        assert not [line for line in locked.daemon.journal() if line["event"] == "insecure"]

    def test_an_unknown_key_is_refused_in_the_handshake_and_said_once(self, locked: Locked) -> None:
        stranger = KeyPair.new("eve")
        for _ in range(3):
            dealer = DealerSocket(
                locked.context, locked.endpoint, key=stranger, coordinator_key=locked.coordinator_key
            )
            happens(dealer, Happened.KEY_REFUSED)
            assert not dealer.send(encode(Join(name="ann", auditor=False, software="eve")))
        line = locked.daemon.await_line("key_refused", reason="unknown_key")
        assert (line["key"], line["address"], line["participant"]) == (stranger.public, "127.0.0.1", None)
        rounds = locked.finish(locked.all())
        assert rounds[0]["rejections"] == {"unknown_key": 3}
        assert len([line for line in locked.daemon.journal() if line["event"] == "key_refused"]) == 1

    def test_who_takes_another_for_the_coordinator_comes_to_no_handshake(self, locked: Locked) -> None:
        ann = key_files.read_key(locked.keys / "ann.key")
        other = KeyPair.new("other").public
        happens(
            DealerSocket(locked.context, locked.endpoint, key=ann, coordinator_key=other),
            Happened.NO_HANDSHAKE,
        )
        locked.daemon.await_line("handshake_failed", reason="other_key")

    def test_who_speaks_plain_hears_nothing(self, locked: Locked) -> None:
        # Whoever notices hangs up, and the other end may see no more than that: again, until both have.
        ends = time.monotonic() + PATIENCE_S
        heard, noted = False, False
        while not (heard and noted):
            assert time.monotonic() < ends, (heard, locked.daemon.journal())
            happened = how_it_ends(DealerSocket(locked.context, locked.endpoint))
            assert happened in (Happened.OTHER_MECHANISM, Happened.NO_HANDSHAKE)
            heard |= happened is Happened.OTHER_MECHANISM
            failed = [line for line in locked.daemon.journal() if line["event"] == "handshake_failed"]
            noted = any(line["reason"] == "other_mechanism" for line in failed)

    def test_a_stranger_at_the_port_is_told_no_more_than_the_mechanism(self, locked: Locked) -> None:
        host, port = locked.endpoint.removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as stranger:
            stranger.sendall(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(48))
            said = b""
            while part := stranger.recv(4096):
                said += part
        greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE" + bytes(15) + b"\x01" + bytes(31)
        assert greeting.startswith(said)

    def test_failed_handshakes_are_said_once_for_each_address(self, locked: Locked) -> None:
        host, port = locked.endpoint.removeprefix("tcp://").split(":")
        dee = locked.participant("dee")
        for source in ("127.0.0.2", "127.0.0.3"):
            with socket.create_connection((host, int(port)), PATIENCE_S, (source, 0)) as stranger:
                assert stranger.recv(1)
                for _ in range(2):  # with the second answer the coordinator has taken note of the stranger
                    dee.send(Heartbeat(run="0" * 16))
                    dee.expect(Refuse)
                stranger.sendall(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(48))
                line = locked.daemon.await_line("handshake_failed", address=source)
                assert line["reason"] == "other_mechanism"


class TestWhoseWordCounts:
    def test_a_stolen_name_is_refused(self, locked: Locked) -> None:
        ann = locked.participant("ann").join().ready()
        thief = locked.participant("ann", key=key_files.read_key(locked.keys / "bob.key"))
        thief.send(Join(name="ann", auditor=False, software="test"))
        assert thief.expect(Refuse).reason == "other_name"
        refused = locked.daemon.await_line("participant_refused")
        assert (refused["participant"], refused["reason"]) == ("bob", "other_name")
        rest = [locked.participant(name).join().ready() for name in NAMES[1:]]
        rounds = locked.finish([ann, *rest])
        assert rounds[0]["rejections"] == {"other_name": 1}
        assert not [line for line in locked.daemon.journal() if line["event"] == "participant_lost"]

    def test_before_it_has_joined_its_name_is_that_of_its_key(self, locked: Locked) -> None:
        dee = locked.connected("dee")
        dee.send(encode(Heartbeat(run="0" * 16)))
        dee.send([b"nonsense"])
        for reason in ("not_joined", "malformed"):
            assert locked.daemon.await_line("message_refused", reason=reason)["sender"] == "dee"

    def test_replayed_updates_and_those_of_other_rounds_and_runs_are_refused(self, locked: Locked) -> None:
        ann, *others = locked.all()
        order = ann.expect(Train)
        update = Update(run=ann.run, round=order.round, seconds=0.5)
        other_run = update.model_copy(update={"run": "0" * 16})
        for message in (update, update, other_run, update.model_copy(update={"round": 3})):
            ann.send(message, tiny.update("ann", order.round))
        answers = [ann.receive()[0] for _ in range(4)]
        assert [m.reason for m in answers if isinstance(m, Rejected)] == ["duplicate", "foreign", "future"]
        rounds = locked.finish([ann, *others])
        assert rounds[0]["rejections"] == {"duplicate": 1, "foreign": 1, "future": 1}
        assert [line["received"] for line in rounds] == [4, 4, 4]

    def test_an_update_recorded_from_another_cannot_be_replayed(self, locked: Locked) -> None:
        ann, bob, *others = locked.all()
        order = ann.expect(Train)
        recorded = ann.frames(Update(run=ann.run, round=order.round, seconds=0.5), tiny.update("ann", 1))
        ann.send_raw(recorded)
        bob.expect(Train)
        bob.send_raw(recorded)  # bob's now: the frames do not say whose they are
        locked.daemon.await_line("update_accepted", participant="bob", round=1)
        locked.finish([ann, bob, *others])
        accepted = [line for line in locked.daemon.journal() if line["event"] == "update_accepted"]
        assert [line["participant"] for line in accepted if line["round"] == 1].count("ann") == 1


class TestRevoking:
    def test_a_revoked_participant_is_told_and_the_others_go_on_without_it(self, locked: Locked) -> None:
        ann, *others = locked.all()
        ann.expect(Train)
        key_files.revoke(locked.keys, "ann")
        assert ann.expect(Refuse).reason == "revoked"
        lost = locked.daemon.await_line("participant_lost", participant="ann")
        assert lost["reason"] == "revoked"
        assert locked.daemon.await_line("allow_list_changed")["revoked"] == ["ann"]
        ann.socket.send(encode(Update(run=ann.run, round=1, seconds=0.5), tiny.update("ann", 1)))
        # Its connection ends with that, and it does not get in again.
        happens(ann.socket, Happened.KEY_REFUSED)
        again = locked.daemon.await_line("key_refused")
        assert (again["reason"], again["participant"]) == ("revoked", "ann")
        rounds = locked.finish(others)
        assert [line["received"] for line in rounds] == [3, 3, 3]
        assert rounds[0]["rejections"]["revoked"] >= 2

    def test_one_that_has_not_joined_is_told_as_well_before_its_connection_ends(self, locked: Locked) -> None:
        dee = locked.participant("dee")
        dee.send(Heartbeat(run="0" * 16))
        assert dee.expect(Refuse).reason == "not_joined"
        key_files.revoke(locked.keys, "dee")
        locked.daemon.await_line("allow_list_changed")
        dee.send(Heartbeat(run="0" * 16))
        assert dee.expect(Refuse).reason == "revoked"
        happens(dee.socket, Happened.KEY_REFUSED)

    def test_who_is_allowed_again_comes_back(self, locked: Locked) -> None:
        participants = locked.all()
        key_files.revoke(locked.keys, "ann")
        locked.daemon.await_line("participant_lost", participant="ann", reason="revoked")
        new = KeyPair.new("ann")
        key_files.allow(locked.keys, "ann", new.public)
        locked.daemon.await_line("allow_list_changed", allowed=["ann"])
        ann = locked.participant("ann", key=new).join().ready()
        rounds = locked.finish([ann, *participants[1:]])
        assert rounds[-1]["received"] == 4

    def test_a_name_with_a_new_key_is_not_that_of_the_old_one(self, locked: Locked) -> None:
        ann, *others = locked.all()
        new = KeyPair.new("ann")
        text = (locked.keys / "allowed").read_text()
        old = key_files.read_public(str(locked.keys / "ann.pub"))
        locked.edit(text.replace(old, new.public))
        ann.expect(Train)
        assert ann.expect(Refuse).reason == "revoked"
        locked.finish([*others, locked.participant("ann", key=new).join().ready()])

    @pytest.mark.parametrize("nonsense", ["ann\n", "ann short\n", "\0\xff", "all of them, please"])
    def test_nonsense_in_the_allow_list_changes_nothing_and_is_said(
        self, locked: Locked, nonsense: str
    ) -> None:
        good = (locked.keys / "allowed").read_text()
        (locked.keys / "allowed").write_bytes((good + nonsense).encode("latin-1"))
        ignored = locked.daemon.await_line("allow_list_ignored")
        assert f"{locked.keys / 'allowed'}, line 5: " in ignored["reason"]
        assert ignored["level"] == "warning"
        participants = locked.all()
        locked.edit("# nobody but these\n" + "".join(good.splitlines(keepends=True)[:2]))
        assert locked.daemon.await_line("allow_list_changed")["revoked"] == ["cid", "dee"]
        for revoked in participants[2:]:
            while not isinstance(revoked.receive()[0], Refuse):
                pass
        assert [line["received"] for line in locked.finish(participants[:2])] == [2, 2, 2]
        assert len([line for line in locked.daemon.journal() if line["event"] == "allow_list_ignored"]) == 1

    def test_the_allow_list_can_be_gone_and_that_it_is_back_is_said(self, locked: Locked) -> None:
        good = (locked.keys / "allowed").read_text()
        (locked.keys / "allowed").unlink()
        assert "not there" in locked.daemon.await_line("allow_list_ignored")["reason"]
        locked.edit(good)
        back = locked.daemon.await_line("allow_list_changed")
        assert (back["allowed"], back["revoked"]) == ([], [])
        locked.finish(locked.all())

    def test_a_pipe_in_its_place_and_a_list_that_others_may_change_are_ignored(self, locked: Locked) -> None:
        path = locked.keys / "allowed"
        good = path.read_text()
        path.unlink()
        os.mkfifo(path)
        assert "not a file" in locked.daemon.await_line("allow_list_ignored")["reason"]
        path.unlink()
        path.write_text(good)
        path.chmod(0o666)
        ignored = locked.daemon.await_line("allow_list_ignored", reason=OTHERS.format(path=path))
        assert ignored["level"] == "warning"
        locked.finish(locked.all())

    def test_who_was_revoked_while_there_was_no_coordinator_is_not_waited_for(
        self, tmp_path: Path, context: Context
    ) -> None:
        locked = Locked(tmp_path, context, rounds=4, min_updates=3)
        participants = locked.all()
        train_all(participants, lambda: len(completed(locked.daemon)) == 2 and stored(locked.daemon), up_to=2)
        locked.daemon.process.kill()
        locked.daemon.end()
        key_files.revoke(locked.keys, "dee")
        scenario = tiny.scenario(rounds=4, min_updates=3, heartbeat_s=0.2, liveness_s=30.0)
        resumed = DaemonProcess(
            scenario, tmp_path / "run", keys=locked.keys, bind=locked.endpoint, resume=True
        )
        assert resumed.await_line("participant_lost", participant="dee")["reason"] == "revoked"
        for participant in participants[:3]:
            participant.come_back()
        locked.daemon = resumed
        assert [line["received"] for line in locked.finish(participants[:3])][-2:] == [3, 3]


def stored(daemon: DaemonProcess) -> bool:
    """Whether a restart would know who takes part: checkpoints are written beside the rounds."""
    return any(line["event"] == "checkpoint_written" and line["round"] > 0 for line in daemon.journal())


def completed(daemon: DaemonProcess) -> list[JournalLine]:
    return [line for line in daemon.journal() if line["event"] == "round_completed"]


class TestLimits:
    def test_who_sends_too_fast_is_dropped_and_the_others_go_on(self, locked: Locked) -> None:
        ann, *others = locked.all()
        refused = False
        while not refused:
            for _ in range(100):
                ann.socket.send([b"nonsense"])
            while (frames := ann.socket.receive()) is not None:
                message = decode(frames, ann.manifest).message
                refused |= isinstance(message, Refuse) and message.reason == "too_fast"
        assert locked.daemon.await_line("participant_lost", participant="ann")["reason"] == "too_fast"
        rounds = locked.finish(others)
        assert [line["received"] for line in rounds] == [3, 3, 3]
        assert rounds[0]["rejections"]["too_fast"] > 0

    def test_a_message_without_an_end_ends_the_connection(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=2, min_updates=1, participants=2, selected=2)
        daemon = DaemonProcess(scenario, tmp_path / "run")
        before = memory_of(daemon)
        with Raw(daemon.endpoint) as eve:
            eve.say(encode(Join(name="eve", auditor=False, software="raw")))
            daemon.await_line("participant_joined", participant="eve")
            assert eve.send_until_cut(frame(bytes(500_000), more=True), most=400) < 400
        cut = daemon.await_line("connection_cut", reason="endless")
        assert cut["participant"] == "eve"
        assert daemon.await_line("participant_lost", participant="eve")["reason"] == "endless"
        assert memory_of(daemon) - before < 150_000_000
        others = [Participant(context, daemon.endpoint, name).join().ready() for name in ("ann", "bob")]
        train_all(others, until=lambda: daemon.process.poll() is not None)
        assert daemon.end()[0] == 0

    def test_a_crowd_that_says_nothing_keeps_nobody_out(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=2, min_updates=1, participants=1, selected=1)
        daemon = DaemonProcess(scenario, tmp_path / "run", open_files=160)
        with contextlib.ExitStack() as crowd:
            for _ in range(60):
                crowd.enter_context(Raw(daemon.endpoint))
            assert daemon.await_line("connection_cut", reason="crowded")["participant"] is None
            train_all(
                [Participant(context, daemon.endpoint, "ann").join().ready()],
                until=lambda: daemon.process.poll() is not None,
            )
        assert daemon.end()[0] == 0

    def test_many_connections_of_one_key_keep_nobody_out(self, tmp_path: Path, context: Context) -> None:
        locked = Locked(tmp_path, context, open_files=160, participants=3, selected=3)
        crowd = [locked.connected("dee") for _ in range(40)]

        def beat() -> None:
            for dealer in crowd:
                dealer.send(encode(Heartbeat(run="0" * 16)))

        beat()
        assert locked.daemon.await_line("connection_cut", reason="crowded")["participant"] == "dee"
        others = []
        for name in NAMES[:3]:
            beat()
            others.append(locked.participant(name).join().ready())
        rounds = locked.finish(others)
        assert [line["received"] for line in rounds] == [3, 3, 3]
        assert rounds[0]["rejections"]["crowded"] >= 40 - MOST_OF_A_KEY


class Raw:
    """A peer without keys that speaks ZMTP 3.0 by hand, so that it can do what libzmq would not."""

    def __init__(self, endpoint: str) -> None:
        host, port = endpoint.removeprefix("tcp://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self._socket.sendall(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(48))
        self._take(64)  # its greeting; what comes before that is over may be taken for a part of it
        self._socket.sendall(b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0")

    def _take(self, count: int) -> bytes:
        """So many bytes that the other end says."""
        said = b""
        while len(said) < count:
            part = self._socket.recv(count - len(said))
            assert part, "it has closed the connection"
            said += part
        return said

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, frames: Sequence[bytes | memoryview]) -> None:
        for number, part in enumerate(frames, start=1):
            self._socket.sendall(frame(bytes(part), more=number < len(frames)))

    def send_until_cut(self, data: bytes, most: int) -> int:
        """How often it could be sent."""
        for number in range(most):
            try:
                self._socket.sendall(data)
            except ConnectionError:
                return number
            self._socket.settimeout(0.01)
            with contextlib.suppress(TimeoutError):
                if not self._socket.recv(65536):
                    return number
            self._socket.settimeout(PATIENCE_S)
        return most


def frame(data: bytes, *, more: bool) -> bytes:
    return bytes([2 | more]) + len(data).to_bytes(8, "big") + data


def memory_of(daemon: DaemonProcess) -> int:
    """Resident bytes."""
    pages = Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
