"""Roles by name. Only the auditor's is known to the coordinator."""

from collections.abc import Callable
from pathlib import Path

from participant.device import choose_device
from participant.role import ALONE, Role
from participant.roles.auditor import Auditor
from participant.roles.benign import Benign
from participant.roles.malicious import Malicious
from participant.roles.setting import Setting
from protocol.messages import Share
from protocol.registry import Registry
from protocol.scenario import Scenario

ROLES: Registry[Callable[[Setting], Role]] = Registry("role")
ROLES.register("benign")(Benign)
ROLES.register("malicious")(Malicious)
ROLES.register("auditor")(Auditor)


def open_role(
    role: str,
    scenario: Scenario,
    *,
    name: str,
    device: str,
    data_dir: Path | None,
    state_dir: Path,
    attacker: Share = ALONE,
) -> Role:
    """The role, with its data read and its network on the device. Raises
    :class:`protocol.errors.UsageProblem` for a device, a data set or a name that is not there."""
    setting = Setting.read(
        scenario,
        name=name,
        device=choose_device(device, name),
        data_dir=data_dir,
        state_dir=state_dir,
        attacker=attacker,
    )
    return ROLES.get(role)(setting)
