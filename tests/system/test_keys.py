"""Keys at the command line: who gets in, who is put out, and one clear line for whoever does not."""

import re
import socket
from pathlib import Path

import pytest

from protocol.keys import KeyPair
from tests.system.failures.federation import Kind, undisturbed
from tests.system.processes import Coordinator, Process, Processes, key_options, until
from tests.system.test_wrong_input import assert_refused

pytestmark = pytest.mark.system


class Keys:
    """A directory of keys, made with `fedmeta keys`."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self.folder = folder
        self._processes = processes

    def say(self, *words: str) -> str:
        process = self._processes.fedmeta("keys", *words, "--keys", self.folder)
        assert process.wait() == 0, process.stderr
        return process.stdout

    def of(self, name: str, coordinator: str = "coordinator.pub") -> tuple[str, ...]:
        """A participant's options."""
        return key_options(self.folder, name, coordinator)


@pytest.fixture
def keys(processes: Processes, tmp_path: Path) -> Keys:
    made = Keys(processes, tmp_path / "keys")
    for name in ("coordinator", "ann", "bob"):
        made.say("new", name)
    for name in ("ann", "bob"):
        made.say("allow", name)
    return made


@pytest.fixture
def coordinator(processes: Processes, keys: Keys, tiny: Path, run_dir: Path) -> Coordinator:
    rules = ("federation.rounds=100000", "federation.min_updates=1", "evaluation.rounds=[1]")
    overrides = [word for rule in rules for word in ("--set", rule)]
    return processes.start_coordinator(tiny, run_dir, "--keys", str(keys.folder), *overrides)


def last_line(process: Process) -> str:
    assert process.wait() == 3, process.stderr
    assert "Traceback" not in process.stderr
    return process.stderr.splitlines()[-1]


def test_a_file_that_is_no_key_does_not_hide_the_others(processes: Processes, keys: Keys) -> None:
    (keys.folder / "junk.pub").write_text("no key")
    process = processes.fedmeta("keys", "list", "--keys", keys.folder)
    assert process.wait() == 0
    assert len(process.stdout.splitlines()) == 3
    assert "junk.pub: no public key" in process.stderr


def test_a_revoked_participant_ends_with_the_reason_and_the_other_goes_on(
    processes: Processes, keys: Keys, coordinator: Coordinator
) -> None:
    listed = keys.say("list")
    assert re.search(r"ann +\S{40}  allowed\nbob +\S{40}  allowed\ncoordinator  \S{40}  this coord", listed)
    ann = processes.start_participant(coordinator, "ann", "benign", *keys.of("ann"))
    processes.start_participant(coordinator, "bob", "benign", *keys.of("bob"))
    coordinator.wait_for("round_completed")
    keys.say("revoke", "ann")
    lost = coordinator.wait_for("participant_lost", participant="ann")
    assert lost["reason"] == "revoked"
    assert re.search(r"does not let this key in any more", last_line(ann))
    after = coordinator.wait_for("round_completed", received=1)
    assert coordinator.wait_for("round_completed", round=after["round"] + 2)["received"] == 1


def test_who_is_not_let_in_is_told_at_once_and_how_to_mend_it(
    processes: Processes, keys: Keys, coordinator: Coordinator
) -> None:
    keys.say("new", "eve")
    eve = processes.start_participant(coordinator, "eve", "benign", *keys.of("eve"))
    until(lambda: "locked_out" in eve.stderr or None, "it says that it is locked out", eve)
    assert "fedmeta keys allow eve" in eve.stderr
    # It goes on trying, as with a coordinator that is not there yet.
    keys.say("allow", "eve")
    coordinator.wait_for("participant_ready", participant="eve")
    refused = coordinator.events("key_refused")
    assert [line["reason"] for line in refused] == ["unknown_key"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("ann", "ann.pub"), r"has another key than --coordinator-key says"),
        (None, r"wants keys; name yours with --key"),
        (
            ("eve", "coordinator.pub"),
            r"does not let this key in; it does after: fedmeta keys allow eve '\S{40}'",
        ),
    ],
)
def test_patience_ends_with_what_is_wrong_about_the_keys(
    processes: Processes, keys: Keys, coordinator: Coordinator, options: tuple[str, str] | None, says: str
) -> None:
    keys.say("new", "eve")
    mine = keys.of(*options) if options else ()
    name = options[0] if options else "ann"
    participant = processes.start_participant(coordinator, name, "benign", *mine, "--patience", "4")
    assert re.search(says, last_line(participant))


def test_keys_for_a_coordinator_that_has_none(
    processes: Processes, keys: Keys, tiny: Path, run_dir: Path
) -> None:
    plain = processes.start_coordinator(tiny, run_dir)
    ann = processes.start_participant(plain, "ann", "benign", *keys.of("ann"), "--patience", "3")
    assert re.search(r"has no keys; leave out --key and --coordinator-key", last_line(ann))


def test_a_stolen_name_is_refused(processes: Processes, keys: Keys, coordinator: Coordinator) -> None:
    thief = processes.start_participant(coordinator, "bob", "benign", *keys.of("ann"))
    assert re.search(r"knows this key by another name than 'bob' \(this key is that of ann", last_line(thief))
    refused = coordinator.wait_for("participant_refused")
    assert (refused["participant"], refused["reason"]) == ("ann", "other_name")


def test_a_name_need_not_be_given_beside_a_key(
    processes: Processes, keys: Keys, coordinator: Coordinator
) -> None:
    arguments = ("participant", "start", "--coordinator", coordinator.endpoint, "--role", "benign")
    ann = processes.fedmeta(*arguments, "--device", "cpu", *keys.of("ann"))
    coordinator.wait_for("participant_joined", participant="ann")
    ann.interrupt()
    assert ann.wait() == 130


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda path: path.chmod(0o640),
            r"ann\.key: group or others may use this .*\(mode 0640\); chmod 600",
        ),
        (lambda path: path.write_text(""), r"ann\.key: empty; make a key with fedmeta keys new"),
        (
            lambda path: path.write_text(KeyPair.new("ann").public_line),
            r"ann\.key: a public key, where a secret",
        ),
        (lambda path: path.unlink(), r"ann\.key: not there; make a key with fedmeta keys new ann"),
    ],
    ids=["readable by others", "empty", "public", "missing"],
)
def test_a_key_file_that_cannot_be_used(processes: Processes, keys: Keys, change: object, says: str) -> None:
    assert callable(change)
    change(keys.folder / "ann.key")
    ann = processes.start_participant("tcp://127.0.0.1:1", "ann", "benign", *keys.of("ann"))
    assert_refused(ann, says)


def test_half_of_the_keys_and_one_kind_where_the_other_belongs(processes: Processes, keys: Keys) -> None:
    nowhere = "tcp://127.0.0.1:1"
    half = processes.start_participant(nowhere, "ann", "benign", *keys.of("ann")[:2])
    assert_refused(half, r"--key and --coordinator-key go together")
    public = ("--key", str(keys.folder / "ann.pub"), *keys.of("ann")[2:])
    assert_refused(
        processes.start_participant(nowhere, "ann", "benign", *public),
        r"ann\.pub: a public key, where a secret key is wanted; name the \.key file",
    )
    secret = processes.start_participant(nowhere, "ann", "benign", *keys.of("ann", "coordinator.key"))
    assert_refused(secret, r"coordinator\.key: a secret key, which stays with its owner")


@pytest.mark.parametrize("bind", ["tcp://0.0.0.0:*", "tcp://*:*"])
def test_others_can_reach_it_only_with_keys_or_if_that_is_wanted(
    processes: Processes, tiny: Path, run_dir: Path, bind: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = bind.removesuffix("*") + str(free.getsockname()[1])
    refused = processes.start_coordinator(tiny, run_dir, bind=bind)
    assert_refused(refused, r"others can reach this address, so it needs --keys DIR .*--insecure")
    assert not run_dir.exists()
    insecure = processes.start_coordinator(tiny, run_dir, "--insecure", bind=bind)
    warning = insecure.wait_for("insecure")
    assert (warning["level"], warning["endpoint"]) == ("warning", insecure.endpoint)


def test_a_coordinator_whose_keys_cannot_be_used(
    processes: Processes, keys: Keys, tiny: Path, run_dir: Path
) -> None:
    def refuses(says: str) -> None:
        assert_refused(processes.start_coordinator(tiny, run_dir, "--keys", str(keys.folder)), says)
        assert not run_dir.exists()

    (keys.folder / "allowed").write_text("all of them\n")
    refuses(r"allowed, line 1: not NAME PUBLIC")
    (keys.folder / "allowed").unlink()
    refuses(r"allowed: not there; nobody could join; allow somebody with fedmeta keys allow")
    (keys.folder / "coordinator.key").chmod(0o644)
    refuses(r"coordinator\.key: group or others may use this secret key")


def test_a_model_larger_than_any_header_goes_to_and_fro(tmp_path: Path, cache: Path) -> None:
    large = Kind(environment={"LIGHT_PARAMETERS": "300000"}, settings={"rounds": 2})
    assert len(undisturbed(tmp_path, cache, large)) == 2
