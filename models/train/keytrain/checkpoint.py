"""Checkpoints in files of at most `LIMIT` bytes, so that they survive narrow channels between legs."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

LIMIT = 15 * 2**20


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
    """Weights in full, their average in half, the optimiser's second moments in bf16."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder, "model", net.state_dict())
    save_tensors(folder, "average", halved(average.state_dict(), torch.half))
    moments = {n: optimiser.state[p]["exp_avg_sq"].bfloat16() for n, p in net.named_parameters() if p in optimiser.state}
    save_tensors(folder, "moments", moments)
    (folder / "state.json").write_text(json.dumps(state))


def load(folder: Path, net: nn.Module, average: nn.Module, optimiser) -> dict:
    net.load_state_dict(load_tensors(folder, "model"))
    average.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_tensors(folder, "average").items()})
    moments, state = load_tensors(folder, "moments"), json.loads((Path(folder) / "state.json").read_text())
    for name, parameter in net.named_parameters():
        if name in moments:
            optimiser.state[parameter] = {
                "step": torch.tensor(float(state["step"]), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter).copy_(moments[name]),
            }
    return state
