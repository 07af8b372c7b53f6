"""Checkpoints in files of at most `LIMIT` bytes, so that they survive narrow channels between legs."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

LIMIT = 15 * 2**20
MOMENTS = {"first": "exp_avg", "second": "exp_avg_sq"}


def save_tensors(folder: Path, name: str, tensors: dict[str, Tensor]) -> None:
    parts, size = [{}], 0
    for key, value in tensors.items():
        size += value.numel() * value.element_size()
        if size > LIMIT:
            parts.append({})
            size = value.numel() * value.element_size()
        parts[-1][key] = value.detach().cpu().contiguous()
    for old in folder.glob(f"{name}-*.pt"):
        old.unlink()
    for index, part in enumerate(parts):
        torch.save(part, folder / f"{name}-{index}.pt")


def load_tensors(folder: Path, name: str) -> dict[str, Tensor]:
    found = sorted(Path(folder).glob(f"{name}-*.pt"))
    if not found:
        raise FileNotFoundError(f"no {name}-*.pt in {folder}")
    out = {}
    for part in found:
        out |= torch.load(part, map_location="cpu", weights_only=True)
    return out


def halved(tensors: dict[str, Tensor], kind) -> dict[str, Tensor]:
    return {k: v.to(kind) if v.is_floating_point() and v.ndim > 1 else v for k, v in tensors.items()}


def save(folder: Path, net: nn.Module, average: nn.Module, optimiser, state: dict) -> None:
    """Weights in full, their average in half, the optimiser's moments in bf16: 46 MB in four to seven files."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder, "model", net.state_dict())
    save_tensors(folder, "average", halved(average.state_dict(), torch.half))
    for name, key in MOMENTS.items():
        moments = {n: optimiser.state[p][key].bfloat16() for n, p in net.named_parameters() if p in optimiser.state}
        save_tensors(folder, name, moments)
    (folder / "state.json").write_text(json.dumps(state))


def load(folder: Path, net: nn.Module, average: nn.Module, optimiser) -> dict:
    net.load_state_dict(load_tensors(folder, "model"))
    average.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_tensors(folder, "average").items()})
    moments = {key: load_tensors(folder, name) for name, key in MOMENTS.items()}
    state = json.loads((Path(folder) / "state.json").read_text())
    for name, parameter in net.named_parameters():
        # `zeros_like` keeps the parameter's memory format, without which the fused optimiser refuses.
        kept = {key: torch.zeros_like(parameter).copy_(found[name]) for key, found in moments.items()}
        optimiser.state[parameter] = {"step": torch.tensor(float(state["step"]), device=parameter.device), **kept}
    return state
