"""A training run as one file: legs, settings, and the one seed from which everything random follows.

A plan is TOML::

    seed = 7
    rate = 1e-3                 # of learning, at its height
    start = "../../base/base.onnx"      # weights to go on from, relative to the plan; from nothing without it
    start_sha256 = "…"          # that very file

    [settings]                  # of every leg; names as in `Settings`
    gpus = 4
    batch = 32                  # scenes a step on each of them

    [[leg]]                     # one after another; what it names overrides the settings
    steps = 4200
    crop = 640
    weights = { steady = 12.0 } # of the loss's terms, beside those of `losses.WEIGHTS`

Scenes follow from the seed, the step and the GPU's number, and so does what the pool of elements
holds at each step: it does not matter where a run is cut and resumed, nor on which machine.
"""

import hashlib
import math
import random
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch

from .losses import WEIGHTS


@dataclass(frozen=True)
class Settings:
    """One leg: what its scenes are, how many of them, and what their errors cost."""

    steps: int
    gpus: int = 1  # that work together
    batch: int = 32  # scenes a step on each of them
    again: int = 8  # of them seen twice, with other grain and moved
    move: int = 16  # how far, in pixels (a multiple of 16, as the codec works in blocks)
    grain: float = 0.024  # the most grain added to them
    covering: float = 0.15  # share of hints that cover the faintest thing solidly
    crop: int = 448  # side of a scene in pixels
    element: int = 576  # side of the pool's elements
    pool: int = 3000  # elements kept on each GPU
    renew: float = 0.3  # chunks of 16 elements replaced a step
    weights: dict[str, float] = field(default_factory=dict)

    def costs(self) -> dict[str, float]:
        return WEIGHTS | self.weights


@dataclass(frozen=True)
class Plan:
    """A whole run."""

    seed: int
    rate: float
    legs: tuple[Settings, ...]
    warm: int = 300  # steps over which the rate rises
    floor: float = 0.01  # share of the rate that is left at the end
    decay: float = 0.9995  # of the weights' running average
    start: Path | None = None

    def steps(self) -> int:
        return sum(leg.steps for leg in self.legs)

    def leg(self, step: int) -> tuple[int, int]:
        """Which leg a step belongs to, and the step at which that leg ends; the last one's for a finished run."""
        end = 0
        for number, leg in enumerate(self.legs):
            end += leg.steps
            if step < end:
                return number, end
        return len(self.legs) - 1, end

    def learning_rate(self, step: int) -> float:
        """A linear rise, then half a cosine over the whole run."""
        wave = 0.5 * (1 + math.cos(math.pi * min(step / self.steps(), 1.0)))
        return self.rate * min(1.0, (step + 1) / self.warm) * (self.floor + (1 - self.floor) * wave)


def known(table: dict, kind: type, where: str) -> dict:
    """The table, all of whose names are fields of `kind`."""
    strange = set(table) - {f.name for f in fields(kind)}
    if strange:
        raise SystemExit(f"{where} knows nothing named {', '.join(sorted(strange))}; see keytrain/plan.py for what there is")
    return table


def load(path: Path) -> Plan:
    """Reads a plan; every mistake in it ends the program with a sentence."""
    try:
        table = tomllib.loads(Path(path).read_text())
    except tomllib.TOMLDecodeError as error:
        raise SystemExit(f"{path} is not TOML: {error}") from None
    common, legs = table.pop("settings", {}), table.pop("leg", [])
    if not legs:
        raise SystemExit(f"{path} has no [[leg]]")
    start, digest = table.pop("start", None), table.pop("start_sha256", None)
    missing = {"seed", "rate"} - set(table)
    if missing:
        raise SystemExit(f"{path} does not say {', '.join(sorted(missing))}")
    settings = []
    for number, leg in enumerate(legs, 1):
        merged = common | leg | {"weights": common.get("weights", {}) | leg.get("weights", {})}
        if "steps" not in merged:
            raise SystemExit(f"leg {number} of {path} does not say how many steps it has")
        settings.append(Settings(**known(merged, Settings, f"leg {number} of {path}")))
        check(settings[-1], f"leg {number} of {path}")
    found = None if start is None else started(Path(path).parent / start, digest)
    return Plan(**known(table, Plan, str(path)), legs=tuple(settings), start=found)


def check(leg: Settings, where: str) -> None:
    strange = set(leg.weights) - set(WEIGHTS)
    if strange:
        raise SystemExit(f"{where} weighs {', '.join(sorted(strange))}; the loss has {', '.join(WEIGHTS)}")
    if leg.crop % 32 or leg.move % 16:
        raise SystemExit(f"{where}: crop must be a multiple of 32 and move one of 16")
    if not 0 <= leg.again <= leg.batch:
        raise SystemExit(f"{where} sees {leg.again} scenes twice and has {leg.batch}")


def started(path: Path, digest: str | None) -> Path:
    """The file to start from, if it is the one the plan means."""
    if not path.exists():
        raise SystemExit(f"the plan starts from {path}, which is missing")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        raise SystemExit(f"the plan starts from another {path.name}: start_sha256 is {digest}, the file's {found}")
    return path


def sow(*numbers: int) -> None:
    """Seeds every generator from a seed and what it is wanted for; other numbers, unrelated pictures."""
    digest = hashlib.sha256(repr(numbers).encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    random.seed(digest)
