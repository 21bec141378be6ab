"""What a person can get wrong: one line says what, where and what would help, and nothing is left behind."""

import re
import shutil
import socket
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.system.processes import ANY_PORT, Process, Processes, processes_that_mention

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]


def assert_refused(process: Process, says: str, exit_code: int = 2) -> None:
    """It ended with that code and one line on stderr, which says ``says`` (a regular expression)."""
    assert process.wait() == exit_code, process.stderr
    lines = process.stderr.splitlines()
    assert len(lines) == 1, process.stderr
    assert lines[0].startswith("fedmeta: ")
    assert re.search(says, lines[0]), lines[0]


def scenario(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


WRONG_SCENARIOS = [
    (
        "[federation]\nspeed = 3",
        r"mine\.toml: federation\.speed: unknown key; known here: seed, rounds",
    ),
    (
        "[federation]\nrounds = 'many'",
        r'mine\.toml: federation\.rounds: must be a whole number, at least 1, not "many"',
    ),
    ("[federation]\nselected = 9", r"mine\.toml: federation: min_updates <= selected <= participants"),
    ("[attack]\nrounds = [7000]", r"mine\.toml: attack\.rounds must lie in 1\.\.1051"),
    ("[federation", r"mine\.toml: not TOML"),
    (
        "[decision]\nnames = ['guess']",
        r"no decision is named 'guess'; there are: fresh-head, linear, matching",
    ),
    ("[task]\ndataset = 'emnist'", r"no dataset is named 'emnist'; there are: .*strokes"),
    (
        "[attack]\nname = 'bribe'",
        r"no attack is named 'bribe'; there are: .*poisoned_adaptation, poisoned_episode",
    ),
    ("[model]\nname = 'conv9'", r"no model is named 'conv9'; there are: conv4"),
    ("[task]\nclasses = 20", r"the data set has 20 classes, too few for task\.split"),
]


@pytest.mark.parametrize(("text", "says"), WRONG_SCENARIOS, ids=[says[-20:] for _, says in WRONG_SCENARIOS])
def test_a_wrong_scenario(processes: Processes, tmp_path: Path, run_dir: Path, text: str, says: str) -> None:
    process = processes.fedmeta("run", scenario(tmp_path, text), "--run-dir", run_dir, "--device", "cpu")
    assert_refused(process, says)
    assert not run_dir.exists()


def test_a_scenario_that_is_not_there(processes: Processes, run_dir: Path) -> None:
    assert_refused(
        processes.fedmeta("run", "no_such", "--run-dir", run_dir), r"no_such: no such scenario file.*one_shot"
    )
    coordinator = processes.fedmeta(
        "coordinator", "start", "no_such", "--bind", ANY_PORT, "--run-dir", run_dir
    )
    assert_refused(coordinator, r"no_such: no such scenario file")
    assert not run_dir.exists()


def test_a_device_that_does_not_exist(processes: Processes, tiny: Path, run_dir: Path) -> None:
    says = r"--device cuda:77: no such device here; there are: cpu"
    assert_refused(processes.fedmeta("run", tiny, "--run-dir", run_dir, "--device", "cuda:77"), says)
    assert not run_dir.exists()
    arguments = ("--coordinator", "tcp://127.0.0.1:1", "--name", "ann", "--role", "benign")
    assert_refused(processes.fedmeta("participant", "start", *arguments, "--device", "cuda:77"), says)


def test_a_port_that_is_in_use(processes: Processes, tiny: Path, run_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        assert_refused(processes.start_coordinator(tiny, run_dir, bind=bind), r"in use")
    # Nothing stands in the way of trying again.
    coordinator = processes.start_coordinator(tiny, run_dir)
    assert coordinator.endpoint


@pytest.mark.parametrize(
    "address", ["tcp://no-such-host.invalid:5555", "tcp://127.0.0.1", "http://127.0.0.1:1"]
)
def test_an_address_that_leads_nowhere(processes: Processes, tiny: Path, run_dir: Path, address: str) -> None:
    says = r"cannot resolve the host|is not an address; write tcp://HOST:PORT"
    assert_refused(processes.start_coordinator(tiny, run_dir, bind=address), says)
    assert not run_dir.exists()
    assert_refused(processes.start_participant(address, "ann"), says)


def test_an_address_of_another_machine_to_listen_on(processes: Processes, tiny: Path, run_dir: Path) -> None:
    coordinator = processes.start_coordinator(tiny, run_dir, "--insecure", bind="tcp://192.0.2.1:5555")
    assert_refused(coordinator, r"192\.0\.2\.1:5555.*this machine")


def test_a_coordinator_that_never_answers(processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        participant = processes.start_participant(address, "ann", "benign", "--patience", "1.5")
        assert participant.wait() == 3
    assert re.search(r"fedmeta: no answer from .* after 1\.5 s", participant.stderr.splitlines()[-1])
    assert "Traceback" not in participant.stderr


def omniglot(folder: Path, classes: int = 25) -> Path:
    """A small folder in the form of the published data set; the path of its zip."""
    root = folder / "images_background"
    for number in range(classes):
        character = root / "Ours" / f"character{number:02d}"
        character.mkdir(parents=True)
        for drawing in range(1, 21):
            image = Image.new("1", (105, 105), 1)
            image.paste(0, (number * 2 + 3, drawing, number * 2 + 12, drawing + 30))
            image.save(character / f"{number:04d}_{drawing:02d}.png")
    path = folder / "images_background.zip"
    with zipfile.ZipFile(path, "w") as file:
        for png in sorted(root.rglob("*.png")):
            file.write(png, png.relative_to(folder))
    return path


def test_data_that_are_missing_broken_or_partial(
    processes: Processes, tiny: Path, tmp_path: Path, run_dir: Path
) -> None:
    data = tmp_path / "data"

    def attempt() -> Process:
        more = ("--set", "task.dataset=omniglot", "--device", "cpu")
        return processes.fedmeta("run", tiny, "--run-dir", run_dir, "--data-dir", data, *more)

    assert_refused(attempt(), r"data.*fedmeta data fetch omniglot")
    (data / "omniglot").mkdir(parents=True)
    assert_refused(attempt(), r"data/omniglot.*fedmeta data fetch omniglot")

    archive = omniglot(data / "omniglot")
    shutil.rmtree(data / "omniglot" / "images_background")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert_refused(attempt(), r"images_background\.zip")

    archive.unlink()
    omniglot(data / "omniglot").unlink()
    png = data / "omniglot" / "images_background" / "Ours" / "character03" / "0003_07.png"
    png.write_bytes(png.read_bytes()[:60])
    assert_refused(attempt(), r"0003_07\.png")
    assert not run_dir.exists()
    assert processes_that_mention(str(run_dir)) == []


def test_a_run_directory_that_holds_a_run(processes: Processes, tiny: Path, run_dir: Path) -> None:
    first = processes.start_coordinator(tiny, run_dir)
    first.wait_for("run_started")
    assert_refused(processes.start_coordinator(tiny, run_dir), r"another coordinator is running here")
    first.interrupt()
    assert first.wait() == 130
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    assert_refused(processes.start_coordinator(tiny, run_dir), r"holds a run already.*--resume.*--run-dir")
    assert_refused(processes.fedmeta("run", tiny, "--run-dir", run_dir, "--device", "cpu"), "holds a run")
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before


def test_going_on_where_there_is_nothing_to_go_on_with(
    processes: Processes, tiny: Path, run_dir: Path
) -> None:
    assert_refused(processes.start_coordinator(tiny, run_dir, resume=True), r"no run to go on with")
    assert_refused(processes.fedmeta("run", "--resume", run_dir), r"no run to go on with|no such directory")


def test_a_name_that_is_taken(processes: Processes, tiny: Path, run_dir: Path) -> None:
    coordinator = processes.start_coordinator(tiny, run_dir)
    processes.start_participant(coordinator, "ann")
    coordinator.wait_for("participant_ready", participant="ann")
    second = processes.start_participant(coordinator, "ann", "benign", "--patience", "1")
    assert second.wait() in (2, 3)
    assert re.search(r"fedmeta: .*ann.*(taken|another)", second.stderr.splitlines()[-1]), second.stderr
    assert "Traceback" not in second.stderr
    refused = coordinator.wait_for("participant_refused")
    assert (refused["participant"], refused["reason"]) == ("ann", "name_taken")


@pytest.mark.parametrize(
    ("file", "text", "other", "says"),
    [
        ("protocol/messages.py", "PROTOCOL_VERSION = 5\n", "PROTOCOL_VERSION = 99\n", "version"),
        ("protocol/models/conv4.py", "Linear(256, way)", "Linear(256, way, bias=False)", "parameters"),
    ],
)
def test_a_participant_of_other_software(
    processes: Processes, tiny: Path, tmp_path: Path, run_dir: Path,
    file: str, text: str, other: str, says: str,
) -> None:  # fmt: skip
    theirs = tmp_path / "theirs"
    for package in ("protocol", "participant", "coordinator", "deploy"):
        shutil.copytree(ROOT / package, theirs / package)
    changed = (theirs / file).read_text().replace(text, other)
    assert other in changed
    (theirs / file).write_text(changed)

    coordinator = processes.start_coordinator(tiny, run_dir)
    start = f"participant start --coordinator {coordinator.endpoint} --name ann --role benign --device cpu"
    participant = processes.fedmeta(*start.split(), PYTHONPATH=str(theirs))
    assert participant.wait() in (2, 3)
    assert re.search(f"^fedmeta: .*{says}", participant.stderr.splitlines()[-1]), participant.stderr
    assert "Traceback" not in participant.stderr
    assert coordinator.popen.poll() is None
    assert not coordinator.events("participant_ready")
