"""Admission for one account: which request may be sent, and when."""

from aembed._gate.gate import Gate, Snapshot
from aembed._gate.reservation import Reservation

__all__ = ["Gate", "Reservation", "Snapshot"]
