"""The power that a GPU draws, from NVML's counter of energy; needs the package nvidia-ml-py.

The counter moves in steps of some 20 to 100 milliseconds, so a window of measurement begins and
ends with a step. A device at its power limit is as slow as the energy of its work makes it, and
Energy says what that costs.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from . import CommandError

_MAX_STEP_SECONDS = 2.0  # a counter that stands still for so long does not work


class PowerMeter:
    """The counter and the limit of one CUDA device."""

    def __init__(self, device_id):
        try:
            import pynvml

            pynvml.nvmlInit()
            self._handle = _handle_of(pynvml, device_id)
            self._nvml = pynvml
            self.limit_watts = pynvml.nvmlDeviceGetEnforcedPowerLimit(self._handle) * 1e-3
            self.joules()
        except ImportError:
            raise CommandError("--energy: pynvml is missing (pip install nvidia-ml-py)") from None
        except pynvml.NVMLError as error:
            raise CommandError(f"--energy: NVML: {error}") from None

    def joules(self):
        """Returns the energy drawn since the driver was loaded."""
        return self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) * 1e-3

    def mean_watts(self, work, seconds):
        """Returns the mean power while work() is called again and again for `seconds`."""
        start_time, start = self._next_step(work)
        end_time, end = start_time, start
        while end_time - start_time < seconds:
            end_time, end = self._next_step(work)
        return (end - start) / (end_time - start_time)

    def _next_step(self, work):
        """Calls work() until the counter moves; returns the time and the counter."""
        before = self.joules()
        deadline = time.perf_counter() + _MAX_STEP_SECONDS
        while (after := self.joules()) == before:
            if time.perf_counter() > deadline:
                raise CommandError("--energy: NVML's counter of energy does not move")
            work()
        return time.perf_counter(), after


def _handle_of(nvml, device_id):
    """Returns NVML's handle of a CUDA device: CUDA_VISIBLE_DEVICES renumbers for CUDA alone."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    name = visible[device_id] if device_id < len(visible) and visible[0] else str(device_id)
    if name.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)


@dataclass(frozen=True)
class Energy:
    """Energy of work beyond an idle device's, and the power that is left for work."""

    joules_per_operation: float
    joules_per_byte: float
    watts: float  # the device's limit less its idle power

    def seconds(self, operations, moved_bytes):
        """Returns the time below which the work would need more power than there is."""
        joules = operations * self.joules_per_operation + moved_bytes * self.joules_per_byte
        return joules / self.watts
