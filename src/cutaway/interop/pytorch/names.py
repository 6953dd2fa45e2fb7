"""Where each of PyTorch's modules is found here: the same path under `cutaway`, or what the table says."""

from __future__ import annotations

from importlib.util import find_spec

# Parts of `cutaway` that PyTorch does not have: `torch.engine` is none.
OURS = frozenset(
    "__main__ bench cli compiled core course data dist engine functional gradcheck inspect interop lab rl train tune "
    "vision".split()
)
HERE = "cutaway.interop.pytorch"
# A name alone, where its submodules are found by ELSEWHERE.
ITSELF = {"torch.nn.modules": f"{HERE}.modules"}
ELSEWHERE = {
    "torch._C": f"{HERE}.c",
    "torch.compiler": f"{HERE}.compiler",
    "torch.functional": "cutaway",
    "torch.return_types": "cutaway.core.returned",
    "torch.hub": f"{HERE}.hub",
    "torch.utils.model_zoo": f"{HERE}.model_zoo",
    "torch.utils.hooks": f"{HERE}.hooks",
    "torch.utils.dlpack": f"{HERE}.dlpack",
    "torch.nn.common_types": f"{HERE}.common_types",
    "torch.types": f"{HERE}.types",
    "torch.version": f"{HERE}.version",
    "torch.distributed": f"{HERE}.distributed",
    "torch.multiprocessing": f"{HERE}.processes",
    "torch.nn.modules": "cutaway.nn",
    "torch.nn.modules.activation": f"{HERE}.activation",
    "torch.nn.modules.utils": f"{HERE}.tuples",
    "torch.nn.modules.instancenorm": "cutaway.nn.batchnorm",
    "torch.nn.modules.channelshuffle": "cutaway.nn.pixelshuffle",
    "torch.nn.parallel.distributed": "cutaway.nn.parallel",
    "torch.nn.parallel.data_parallel": "cutaway.nn.parallel",
    "torch.nn.utils.clip_grad": "cutaway.nn.utils.clip",
    "torch.nn.utils.convert_parameters": "cutaway.nn.utils.vector",
    "torch.optim.adamw": "cutaway.optim.adam",
    "torch.amp.autocast_mode": "cutaway.amp",
    "torch.amp.grad_scaler": "cutaway.amp",
    "torch.cuda.amp.autocast_mode": "cutaway.cuda.amp",
    "torch.cuda.amp.grad_scaler": "cutaway.cuda.amp",
    "torch.autograd.gradcheck": f"{HERE}.gradcheck",
    "torch.autograd.grad_mode": "cutaway.autograd",
    "torch.autograd.variable": "cutaway.autograd",
    "torch.autograd.anomaly_mode": "cutaway.inspect.anomaly",
    "torch.profiler.profiler": "cutaway.profiler",
    "torch.autograd.profiler": "cutaway.profiler",
    "torch.utils.data.dataset": "cutaway.data.dataset",
    "torch.utils.data.dataloader": "cutaway.data.loader",
    "torch.utils.data.sampler": "cutaway.data.sampler",
    "torch.utils.data._utils": f"{HERE}.collate",
    "torch.utils.data._utils.collate": "cutaway.data.collate",
    "torch.storage": "cutaway.core.memory",
    "torch.distributions.kl": "cutaway.distributions.divergence",
    "torchvision": "cutaway.vision",
    "torchvision.io.image": "cutaway.vision.io",
    "torchvision.models.mobilenetv2": "cutaway.vision.models.mobilenet",
    "torchvision.models.mobilenetv3": "cutaway.vision.models.mobilenet_v3",
    "torchvision.models.shufflenetv2": "cutaway.vision.models.shufflenet",
    "torchvision.models.swin_transformer": "cutaway.vision.models.swin",
    "torchvision.ops.giou_loss": "cutaway.vision.ops.box_losses",
    "torchvision.ops.diou_loss": "cutaway.vision.ops.box_losses",
    "torchvision.ops.ciou_loss": "cutaway.vision.ops.box_losses",
    "torchvision.ops.ps_roi_align": "cutaway.vision.ops.roi_align",
    "torchvision.ops.ps_roi_pool": "cutaway.vision.ops.roi_pool",
}
# Several of PyTorch's small modules of distributions are one here.
ELSEWHERE |= {
    f"torch.distributions.{theirs}": f"cutaway.distributions.{ours}"
    for ours, names in {
        "exponential_family": "exp_family",
        "halves": "half_normal half_cauchy",
        "tails": "cauchy studentT chi2 fishersnedecor",
        "pareto": "generalized_pareto",
        "powers": "weibull kumaraswamy inverse_gamma",
        "low_rank": "lowrank_multivariate_normal",
        "lkj": "lkj_cholesky",
        "transformed": "log_normal gumbel transformed_distribution",
        "mixture": "mixture_same_family",
        "relaxed": "relaxed_bernoulli relaxed_categorical",
        "one_hot": "one_hot_categorical",
        "dirichlet": "beta",
        "exponential": "laplace",
        "counts": "poisson binomial negative_binomial",
    }.items()
    for theirs in names.split()
}
# Where the nearest thing is no module of a like name.
INSTEAD = {
    "torch._dynamo": "cutaway.compile is built in; leave it out",
    "torch._inductor": "cutaway.compile is built in; leave it out",
    "torch.fx": "torch.compile, whose graph() shows the program",
    "torch.quantization": "float16 tensors",
    "torch.utils._python_dispatch": "torch.overrides.TorchFunctionMode: there is no level of operations below the functions",
    "torch.utils.flop_counter": "torch.overrides.TorchFunctionMode: there is no level of operations below the functions",
}


def home(name: str) -> str | None:
    """The module of Cutaway's that PyTorch's module `name` is; None if there is none.

    >>> home("torch.nn.modules.conv"), home("torch.fx")
    ('cutaway.nn.conv', None)
    """
    ours = path(name)
    try:
        return ours if find_spec(ours) is not None else None
    except ModuleNotFoundError:  # a parent is missing, or is a file
        return None


def path(name: str) -> str:
    """Where module `name` of PyTorch's would be, if it is here."""
    if name in ITSELF:
        return ITSELF[name]
    known, rest = name, ""
    while known not in ELSEWHERE and "." in known:
        known, _, last = known.rpartition(".")
        rest = f".{last}{rest}"
    if known in ELSEWHERE:
        return ELSEWHERE[known] + rest
    top = rest[1:].partition(".")[0]
    return f"{HERE}.absent" if top in OURS else f"cutaway{rest}"


def why_absent(name: str) -> str:
    """What to say of a module that is not here, and the nearest thing.

    >>> why_absent("torch.quantization")
    "there is no 'torch.quantization' in Cutaway; use float16 tensors"
    """
    known = name
    while known:
        if known in INSTEAD:
            return f"there is no {known!r} in Cutaway; use {INSTEAD[known]}"
        known = known.rpartition(".")[0]
    parent, _, last = name.rpartition(".")
    names = _names_in(parent)
    if last in names:
        return f"'{name}' is no module; write from {parent} import {last}"
    return f"there is no {name!r} in Cutaway; {_nearest(parent, last, names)}"


def _names_in(module: str) -> list[str]:
    from importlib import import_module

    ours = home(module) if module != "torch" else "cutaway"
    names = [n for n in dir(import_module(ours)) if n[:1] != "_"] if ours else []
    return [n for n in names if n not in OURS] if module == "torch" else names


def _nearest(parent: str, last: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(last, known, 1)
    return f"the nearest name is '{parent}.{close[0]}'" if close else "docs/parity.md lists what there is"
