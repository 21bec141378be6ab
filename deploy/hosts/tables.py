"""What deploy's commands show."""

from rich.table import Table

from deploy.hosts.check import HostReport
from deploy.hosts.status import Status

NO_LIMIT = 4000  # a line is never broken where a program reads it
_VERDICTS = {"ok": "green", "warning": "yellow", "wrong": "bold red"}
_STATES = {
    "joined": "green",
    "running": "green",
    "ended": "yellow",
    "stopped": "dim",
    "unknown": "bold red",
    "unreachable": "bold red",
}


def report_table(report: HostReport) -> Table:
    table = _table(report.host, "", "", "found", "what would help")
    for finding in report.findings:
        verdict = f"[{_VERDICTS[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(finding.item, verdict, _plain(finding.text), _plain(finding.remedy))
    return table


def status_table(status: Status) -> Table:
    table = _table("", "host", "process", "role", "state", "pid", "note")
    for row in status.rows:
        state = f"[{_STATES[row.state]}]{row.state}[/]"
        table.add_row(row.host, row.name, row.role, state, str(row.pid or ""), _plain(row.note))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(
        *columns, title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    table.padding = (0, 2, 0, 0)
    return table


def _plain(text: str) -> str:
    # What a host says is not to be taken for markup, nor for a terminal's commands.
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.replace("[", "\\[")
