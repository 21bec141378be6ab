from importlib.metadata import EntryPoint

import pytest

from protocol import registry
from protocol.errors import UsageProblem
from protocol.registry import Registry


@pytest.fixture
def rules() -> Registry[str]:
    made: Registry[str] = Registry("rule")
    made.register("mean")("the mean")
    made.register("median")("the median")
    return made


def test_an_entry_is_found_by_its_name(rules: Registry[str]) -> None:
    assert rules.get("mean") == "the mean"
    assert rules.names() == ["mean", "median"]


def test_an_unknown_name_is_answered_with_the_known_ones(rules: Registry[str]) -> None:
    with pytest.raises(UsageProblem) as caught:
        rules.get("mode")
    assert str(caught.value) == "no rule is named 'mode'; there are: mean, median"
    with pytest.raises(UsageProblem, match=r"^federation\.rule: no rule is named 'mode'"):
        Registry[str]("rule", "federation.rule").get("mode")


def test_an_installed_package_adds_entries(rules: Registry[str], monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[str] = []

    def installed(*, group: str) -> list[EntryPoint]:
        groups.append(group)
        return [EntryPoint(name="theirs", value="string:digits", group=group)]

    monkeypatch.setattr(registry, "entry_points", installed)
    assert rules.names() == ["mean", "median", "theirs"]
    assert rules.get("theirs") == "0123456789"
    assert set(groups) == {"fedmeta.rules"}


def test_an_installed_package_does_not_replace_the_project_s_own(
    rules: Registry[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = EntryPoint(name="mean", value="string:digits", group="fedmeta.rules")
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [theirs])
    assert rules.get("mean") == "the mean"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("not_there:rule", "No module named 'not_there'"),
        ("string:rule", "module 'string' has no attribute 'rule'"),
    ],
)
def test_an_entry_that_cannot_be_loaded_is_named(
    rules: Registry[str], monkeypatch: pytest.MonkeyPatch, value: str, why: str
) -> None:
    theirs = EntryPoint(name="theirs", value=value, group="fedmeta.rules")
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [theirs])
    with pytest.raises(UsageProblem) as caught:
        rules.get("theirs")
    said = f"the rule 'theirs', {value}, cannot be loaded: {why}; install or mend that package"
    assert str(caught.value) == said
