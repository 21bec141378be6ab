"""A report of what a real coordinator wrote."""

from pathlib import Path

from click.testing import CliRunner

from coordinator.reading.report.cli import report
from protocol.manifest import Parameters
from protocol.messages import Evaluate, EvaluationReport
from protocol.scenario import Attack, Evaluation
from tests.coordinator import tiny
from tests.coordinator.processes import DaemonProcess, Participant, train_all, zmq_context
from tests.coordinator.reading.report.made_up import Page


def test_a_real_runs_journal_becomes_a_page(tmp_path: Path) -> None:
    evaluation = Evaluation(rounds=(1, 2), adaptation_steps=(0, 50))
    scenario = tiny.scenario(rounds=3).model_copy(
        update={"evaluation": evaluation, "attack": Attack(rounds=(2,))}
    )
    daemon = DaemonProcess(scenario, tmp_path / "run")

    def measure(auditor: Participant, order: Evaluate, _: Parameters) -> None:
        measurements = tuple(
            tiny.MEASUREMENT.model_copy(update={"adaptation_steps": steps}) for steps in (0, 50)
        )
        auditor.send(
            EvaluationReport(run=auditor.run, round=order.round, seconds=0.1, measurements=measurements)
        )

    with zmq_context() as context:
        people = [
            Participant(context, daemon.endpoint, name).join().ready()
            for name in ("ann", "bob", "cid", "dee")
        ]
        auditor = Participant(context, daemon.endpoint, "eve", auditor=True).join().ready()
        train_all([*people, auditor], until=lambda: daemon.process.poll() is not None, evaluate=measure)
    code, said = daemon.end()
    assert code == 0, said

    result = CliRunner().invoke(report, [str(tmp_path / "run")], catch_exceptions=False)
    assert result.exit_code == 0
    page = Page((tmp_path / "run" / "report" / "report.html").read_text())
    for expected in ("completed", "3 of 3", "right after it", "0.50 ±0.10", "ann", "4 and 1 auditor"):
        assert expected in page.text
    assert "could not be read" not in page.text
    names = {path.name for path in (tmp_path / "run" / "report").iterdir()}
    assert {"steps-5-shot.svg", "norms.png", "evaluations.csv"} <= names
