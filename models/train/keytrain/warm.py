"""Training goes on from an exported model, without its checkpoint.

The export folds each normalisation into the convolution before it.  A folded convolution followed by
a normalisation that does nothing is the same network; for training, where a normalisation divides
by what it sees, it is given the statistics of a batch of scenes and told to undo them.
"""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from .network import Keyer


def module_name(node: str) -> str:
    """`/level3/level3.1/second/Conv` was made by the module `level3.1.second`."""
    names: list[str] = []
    for part in node.strip("/").split("/")[:-1]:
        if names and part.startswith(names[-1] + "."):
            names[-1] = part
        else:
            names.append(part)
    return ".".join(names)


def normaliser(net: nn.Module, convolution: str) -> nn.BatchNorm2d:
    """The normalisation that follows a convolution without a bias."""
    parent, _, leaf = convolution.rpartition(".")
    name = f"{parent}.norm" if leaf == "second" else f"{parent}.{int(leaf) + 1}"
    return net.get_submodule(name)


@torch.no_grad()
def load(net: Keyer, path: Path) -> None:
    """Puts an exported model's weights into a network; in evaluation both give the same.

    Convolutions that an older model lacks keep what they start with, which is the identity.
    """
    model = onnx.load(path)
    stored = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
    stored |= {n.output[0]: stored[n.input[0]] for n in model.graph.node if n.op_type == "Cast" and n.input[0] in stored}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        name = module_name(node.name)
        weight, *bias = (torch.from_numpy(stored[key].astype("float32")) for key in node.input[1:3])
        convolution = net.get_submodule(name)
        convolution.weight.copy_(weight)
        if not bias:  # neither a bias nor a normalisation
            continue
        (bias,) = bias
        if convolution.bias is not None:
            convolution.bias.copy_(bias)
            continue
        norm = normaliser(net, name)
        norm.weight.fill_(1)
        norm.bias.copy_(bias)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)


@torch.no_grad()
def calibrate(net: Keyer, x: Tensor) -> None:
    """Gives every normalisation the statistics of this batch without changing what the network does."""

    def adopt(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        seen = inputs[0].float()
        mean, variance = seen.mean((0, 2, 3)), seen.var((0, 2, 3), unbiased=False)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias.add_((mean - norm.running_mean) * scale)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    hooks = [m.register_forward_pre_hook(adopt) for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    was = net.training
    net.eval()
    net(x)
    net.train(was)
    for hook in hooks:
        hook.remove()
