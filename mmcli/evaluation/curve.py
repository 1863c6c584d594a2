"""Says in words whether more train rows still help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SURE = 0.05


def told_curve(found: Mapping[str, Any]) -> str | None:
    """Return what the last step of a learning curve gained; None if there was no such step.

    Args:
        found: What ``metrics.json`` holds as ``learning_curve``.
    """
    gain = found.get("gain")
    if gain is None:
        return None
    metric, difference = found["metric"], gain["difference"]
    interval = "" if "interval" not in gain else " [{:+.4f}, {:+.4f}]".format(*gain["interval"])
    chance = "" if "p_value" not in gain else f", p = {gain['p_value']:.2g}"
    shares = " to ".join(f"{100 * gain[end]:.0f} %" for end in ("from", "to"))
    step = f"{metric} {difference:+.4f}{interval} from {shares} of the train rows{chance}"
    if gain.get("p_value", 1.0) > _SURE:
        return f"no measurable gain from the last train rows: {step}"
    if difference != 0 and (difference < 0) == gain["smaller_is_better"]:
        return f"more train rows still help: {step}"
    return f"the last train rows made it worse: {step}"
