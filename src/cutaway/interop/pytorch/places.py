"""Where PyTorch keeps each class: what `print(type(x))` and `cls.__module__` say while one of its programs runs.

Programs print `type(layer)`, compare `str(type(layer))` with "<class 'torch.nn.modules.linear.Linear'>", and pickle by it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from cutaway.core.package import forget_where, say_where

# Of all classes of a module of ours, or of the modules below it (the longest name counts).
MODULES = {
    "cutaway.nn": "torch.nn.modules.*",
    "cutaway.nn.parameter": "torch.nn.parameter",
    "cutaway.nn.parallel": "torch.nn.parallel.data_parallel",
    "cutaway.nn.utils": "torch.nn.utils.*",
    "cutaway.nn.sdpa": "torch.nn.attention",
    "cutaway.optim": "torch.optim.*",
    "cutaway.optim.lr_scheduler": "torch.optim.lr_scheduler",
    "cutaway.optim.adafactor": "torch.optim",
    "cutaway.optim.muon": "torch.optim",
    "cutaway.data.dataset": "torch.utils.data.dataset",
    "cutaway.data.sampler": "torch.utils.data.sampler",
    "cutaway.data.loader": "torch.utils.data.dataloader",
    "cutaway.data.distributed": "torch.utils.data.distributed",
    "cutaway.distributions": "torch.distributions.*",
    "cutaway.distributions.pointwise": "torch.distributions.transforms",
    "cutaway.distributions.joined": "torch.distributions.transforms",
    "cutaway.distributions.transform": "torch.distributions.transforms",
    "cutaway.distributions.vector_transforms": "torch.distributions.transforms",
    "cutaway.distributions.exponential_family": "torch.distributions.exp_family",
    "cutaway.distributions.lkj": "torch.distributions.lkj_cholesky",
    "cutaway.distributions.low_rank": "torch.distributions.lowrank_multivariate_normal",
    "cutaway.distributions.mixture": "torch.distributions.mixture_same_family",
    "cutaway.distributions.one_hot": "torch.distributions.one_hot_categorical",
    "cutaway.amp.autocast": "torch.amp.autocast_mode",
    "cutaway.amp.grad_scaler": "torch.amp.grad_scaler",
    "cutaway.sparse": "torch.sparse",
}
# Of single ones, and of those whose neighbours here lie elsewhere there.
CLASSES = {
    "cutaway.core.tensor": {"torch": "Tensor Size"},
    "cutaway.core.dtypes": {"torch": "dtype device"},
    "cutaway.core.layouts": {"torch": "layout memory_format"},
    "cutaway.core.limits": {"torch": "finfo iinfo"},
    "cutaway.core.generator": {"torch._C": "Generator"},
    "cutaway.core.errors": {"torch.autograd.gradcheck": "GradcheckError"},
    "cutaway.core.memory": {"torch.storage": "UntypedStorage TypedStorage"},
    "cutaway.core.autograd": {
        "torch.autograd.grad_mode": "no_grad enable_grad set_grad_enabled inference_mode",
        "torch.autograd.function": "Function",
        "torch.autograd.graph": "Node",
    },
    "cutaway.core.nodes": {"torch.autograd.graph": "GradientEdge"},
    "cutaway.core.saved": {"torch.autograd.graph": "saved_tensors_hooks save_on_cpu"},
    "cutaway.core.overriding.modes": {"torch.overrides": "TorchFunctionMode BaseTorchFunctionMode"},
    "cutaway.core.sparse.invariants": {"torch.sparse": "check_sparse_tensor_invariants"},
    "cutaway.inspect.anomaly": {"torch.autograd.anomaly_mode": "detect_anomaly set_detect_anomaly"},
    "cutaway.nn.attention": {"torch.nn.modules.activation": "MultiheadAttention"},
    "cutaway.nn.batchnorm": {"torch.nn.modules.instancenorm": "_InstanceNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d"},
    "cutaway.nn.pixelshuffle": {"torch.nn.modules.channelshuffle": "ChannelShuffle"},
    "cutaway.nn.lazy": {
        "torch.nn.modules.linear": "LazyLinear",
        "torch.nn.modules.conv": "LazyConv1d LazyConv2d LazyConv3d "
        "LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d",
        "torch.nn.modules.batchnorm": "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d",
        "torch.nn.modules.instancenorm": "LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
    },
    "cutaway.nn.parallel": {"torch.nn.parallel.distributed": "DistributedDataParallel"},
    "cutaway.nn.utils.averaged": {"torch.optim.swa_utils": "AveragedModel"},
    "cutaway.optim.lr_scheduler.swa": {"torch.optim.swa_utils": "SWALR"},
    "cutaway.optim.adam": {"torch.optim.adamw": "AdamW"},
    "cutaway.distributions.counts": {
        "torch.distributions.poisson": "Poisson",
        "torch.distributions.binomial": "Binomial",
        "torch.distributions.negative_binomial": "NegativeBinomial",
    },
    "cutaway.distributions.dirichlet": {"torch.distributions.beta": "Beta"},
    "cutaway.distributions.exponential": {"torch.distributions.laplace": "Laplace"},
    "cutaway.distributions.halves": {
        "torch.distributions.half_normal": "HalfNormal",
        "torch.distributions.half_cauchy": "HalfCauchy",
    },
    "cutaway.distributions.pareto": {"torch.distributions.generalized_pareto": "GeneralizedPareto"},
    "cutaway.distributions.powers": {
        "torch.distributions.weibull": "Weibull",
        "torch.distributions.inverse_gamma": "InverseGamma",
        "torch.distributions.kumaraswamy": "Kumaraswamy",
    },
    "cutaway.distributions.relaxed": {
        "torch.distributions.relaxed_bernoulli": "RelaxedBernoulli",
        "torch.distributions.relaxed_categorical": "RelaxedOneHotCategorical",
    },
    "cutaway.distributions.tails": {
        "torch.distributions.studentT": "StudentT",
        "torch.distributions.cauchy": "Cauchy",
        "torch.distributions.chi2": "Chi2",
        "torch.distributions.fishersnedecor": "FisherSnedecor",
    },
    "cutaway.distributions.transformed": {
        "torch.distributions.gumbel": "Gumbel",
        "torch.distributions.log_normal": "LogNormal",
        "torch.distributions.transformed_distribution": "TransformedDistribution",
    },
    "cutaway.autograd": {"torch.autograd.variable": "Variable"},
    "cutaway.profiler": {"torch.profiler.profiler": "profile", "torch.autograd.profiler": "record_function"},
}
# Programs ask `schedule.__module__ == lr_scheduler.__name__`. Modules with code keep their names, which frames are told by.
PACKAGE = "cutaway.optim.lr_scheduler"
_seen: set[str] = set()


def place(module: str, name: str) -> str | None:
    """PyTorch's module of our class `name` in our `module`; None where it has none.

    >>> place("cutaway.nn.conv", "Conv2d"), place("cutaway.nn.lazy", "LazyConv2d"), place("cutaway.engine.graph", "Graph")
    ('torch.nn.modules.conv', 'torch.nn.modules.conv', None)
    """
    for theirs, names in CLASSES.get(module, {}).items():
        if name in names.split():
            return theirs
    known, rest = module, ""
    while known and known not in MODULES:
        known, _, last = known.rpartition(".")
        rest = f".{last}{rest}"
    theirs = MODULES.get(known, "")
    return theirs.replace(".*", rest) or None


def move() -> None:
    """Let the classes of all modules that have been loaded since the last call say where PyTorch keeps them."""
    for name, module in list(sys.modules.items()):
        if name in _seen or not name.startswith("cutaway") or getattr(module.__spec__, "_initializing", False):
            continue
        _seen.add(name)
        for cls in list(vars(module).values()):
            if isinstance(cls, type) and cls.__module__ == name:
                theirs = place(name, cls.__name__)
                if theirs is not None:
                    say_where(cls, theirs)
        if name == PACKAGE:
            module.__name__ = str(MODULES[name])


def move_back() -> None:
    """All as it was."""
    forget_where()
    if PACKAGE in _seen:
        sys.modules[PACKAGE].__name__ = PACKAGE
    _seen.clear()


def complete(name: str, module: ModuleType) -> None:
    """Give `module`, which stands for PyTorch's `name`, the classes that PyTorch has there and that lie elsewhere here."""
    for ours, places in CLASSES.items():
        for cls in places.get(name, "").split():
            if cls not in vars(module):
                setattr(module, cls, getattr(import_module(ours), cls))
