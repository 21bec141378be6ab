"""Moved to :mod:`participant.role`, which imports no torch."""

from participant.role import Cancelled, Role, WorkCancelled

__all__ = ["Cancelled", "Role", "WorkCancelled"]
