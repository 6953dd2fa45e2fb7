"""What PyTorch calls the gradient of an operation: programs print `loss`, `y.grad_fn` and `y.grad_fn.name()`.

A gradient is called after the operation that was recorded last. Where PyTorch has one operation for what are several here,
the function that was called has told its name to the node (`tell`): `x.mean()` ends in a division and says MeanBackward0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

# Where it is not the operation's own name: here one record stands for what are several there, or the other way round.
THERE = {
    "cast": "ToCopy", "clamp": "Clamp:1", "concatenate": "Cat", "copy": "Clone", "einsum": "View", "log1p": "Log1P",
    "matmul": "Mm", "reshape": "View", "index": "Index", "pad": "ConstantPadNd",
    "real": "Select", "imag": "Select", "dft": "FftC2C", "rdft": "FftR2C", "irdft": "FftC2R",
}  # fmt: skip

T = TypeVar("T")
Words = str | Callable[[tuple[Any, ...], dict[str, Any]], str]  # how a function's gradient is called, by its arguments


def _numbered(base: str, whole: int, along: int, place: int = 1) -> Words:
    """PyTorch numbers the kinds of one function: over everything, and along a dimension."""

    def words(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        dim = args[place] if len(args) > place else kwargs.get("dim", kwargs.get("axis"))
        return f"{base}:{whole if dim is None or isinstance(dim, bool) else along}"

    return words


def _extreme(base: str) -> Words:
    """max and min: of all, along a dimension, or of two tensors."""

    def words(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        dim = args[1] if len(args) > 1 else kwargs.get("other", kwargs.get("dim"))
        return f"{base}:1" if dim is None else f"{base}imum" if hasattr(dim, "_data") else base

    return words


def _power(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    base, exponent = args[0], args[1] if len(args) > 1 else kwargs.get("exponent")
    return f"Pow:{0 if not hasattr(exponent, '_data') else 1 if hasattr(base, '_data') else 2}"


def _linear(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    bias = args[2] if len(args) > 2 else kwargs.get("bias")
    dims = (args[0] if args else kwargs["input"])._data.ndim
    if bias is not None:
        return "Addmm" if dims == 2 else "View"
    return ("", "Squeeze:4", "Mm")[dims] if dims < 3 else "UnsafeView"


def _product(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    both = args[0], args[1] if len(args) > 1 else kwargs.get("other")
    a, b = (getattr(getattr(x, "_data", None), "ndim", 0) for x in both)
    return {(1, 1): "Dot", (2, 1): "Mv", (2, 2): "Mm", (1, 2): "Squeeze:4"}.get((a, b), "UnsafeView")


def _resized(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    mode = args[3] if len(args) > 3 else kwargs.get("mode", "nearest")
    dims = (args[0] if args else kwargs["input"])._data.ndim - 2
    kinds = {"nearest": "Nearest", "nearest-exact": "NearestExact", "bilinear": "Bilinear", "bicubic": "Bicubic"}
    kinds |= {"linear": "Linear", "trilinear": "Trilinear"}
    return f"Upsample{kinds[mode]}{dims}D" if mode in kinds else ""


def _padded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    mode, pad = args[2] if len(args) > 2 else kwargs.get("mode", "constant"), args[1] if len(args) > 1 else kwargs["pad"]
    kind = {"constant": "ConstantPadNd", "reflect": f"ReflectionPad{len(pad) // 2}D"}
    return kind.get(mode, f"ReplicationPad{len(pad) // 2}D" if mode == "replicate" else "")


def _pooled(base: str) -> Words:
    def words(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        size = args[1] if len(args) > 1 else kwargs.get("output_size")
        one = size == 1 or size == (1, 1) or size == [1, 1]
        return "Mean:1" if one else base

    return words


def _split(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "SplitWithSizes" if any(isinstance(a, (list, tuple)) for a in (*args[1:2], *kwargs.values())) else "Split"


def _lerped(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "Lerp:1" if hasattr(args[2] if len(args) > 2 else kwargs.get("weight"), "_data") else "Lerp"


def _entropy(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    target = args[1] if len(args) > 1 else kwargs["target"]
    smooth = kwargs.get("label_smoothing", 0.0) or (len(args) > 7 and args[7])
    if target._data.dtype.kind in "iu":
        return "Add" if smooth else "NllLoss2D" if target._data.ndim > 1 else "NllLoss"
    return "Div:1"


def _spectral(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    order = args[1] if len(args) > 1 else kwargs.get("ord", "fro")
    if isinstance(order, str):
        return {"nuc": "Sum:1", "fro": "LinalgVectorNorm"}[order]
    return "Amax" if order > 0 else "Amin"


def _sampled(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return f"GridSampler{(args[0] if args else kwargs['input'])._data.ndim - 2}D"


def _unfolded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The method takes a dimension, a size and a step, the function kernels."""
    return "Unfold" if len(args) > 3 or "step" in kwargs else "Im2Col"


def _transformed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "FftC2C" if (args[0] if args else kwargs["input"])._data.dtype.kind == "c" else "FftR2C"


def _loss(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """A loss that PyTorch writes in tensor operations ends in the reduction."""
    return {"mean": "Mean", "sum": "Sum"}.get(kwargs.get("reduction", "mean"), "")


def _ctc(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    given = dict(zip(("reduction", "zero_infinity"), args[5:], strict=False)) | kwargs
    if (args[0] if args else kwargs["log_probs"])._data.ndim == 2 and given.get("reduction") == "none":
        return "Squeeze:1"
    return _loss((), given) or ("Where" if given.get("zero_infinity") else "CtcLoss")


def _clamped(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return f"Clamp:{0 if any(hasattr(b, '_data') for b in (*args[1:], *kwargs.values())) else 1}"


def _clamped_once(name: str) -> Words:
    return lambda args, kwargs: f"{name}:{int(any(hasattr(b, '_data') for b in (*args[1:], *kwargs.values())))}"


# By the name of the function that was called. Behind the colon stands the number, 0 where there is none.
CALLED: dict[str, Words] = {
    "mean": _numbered("Mean", 0, 1), "sum": _numbered("Sum", 0, 1), "prod": _numbered("Prod", 0, 1),
    "clamp": _clamped, "clip": _clamped, "clamp_min": _clamped_once("ClampMin"), "clamp_max": _clamped_once("ClampMax"),
    "median": _numbered("Median", 0, 1), "max": _extreme("Max"), "min": _extreme("Min"), "pow": _power,
    "rsub": "Rsub:1", "matmul": _product, "linear": _linear,
    "interpolate": _resized, "pad": _padded, "split": _split, "chunk": "Split", "cross_entropy": _entropy,
    "adaptive_avg_pool2d": _pooled("AdaptiveAvgPool2D"), "adaptive_max_pool2d": "AdaptiveMaxPool2D",
    "square": "Pow", "squeeze": _numbered("Squeeze", 0, 1), "scatter": lambda args, kwargs: (
        f"Scatter:{0 if hasattr(args[3] if len(args) > 3 else kwargs.get('src', kwargs.get('value')), '_data') else 1}"
    ),
    "std": "Std", "var": "Var", "std_mean": "StdMean", "var_mean": "VarMean", "quantile": "Squeeze:4",
    **dict.fromkeys(["norm", "vector_norm", "frobenius_norm"], "LinalgVectorNorm"), "matrix_norm": _spectral,
    "cumprod": "Cumprod", "rsqrt": "Rsqrt", "reciprocal": "Reciprocal", "log2": "Log2", "log10": "Log10",
    "hypot": "Hypot", "masked_fill": "MaskedFill", "lerp": _lerped, "addcmul": "Addcmul", "addcdiv": "Addcdiv",
    "fmod": "Fmod", "logaddexp": "Logaddexp", "t": "T", "transpose": "Transpose", "swapaxes": "Transpose",
    "unsqueeze": "Unsqueeze", "repeat": "Repeat", "roll": "Roll", "tril": "Tril", "triu": "Triu", "diagonal": "Diagonal",
    "unbind": "Unbind", "select": "Select", "index_select": "IndexSelect", "take": "Take", "sort": "Sort", "topk": "Topk",
    "unfold": _unfolded, "fold": "Col2Im", "stack": "Stack", "bmm": "Bmm", "mv": "Mv", "dot": "Dot", "addmm": "Addmm",
    "baddbmm": "Baddbmm", "trace": "Trace", "cross": "LinalgCross", "cdist": "Cdist", "dist": "Dist", "pdist": "Pdist",
    "inv": "LinalgInvEx", "inverse": "LinalgInvEx", "det": "LinalgDet", "solve": "LinalgSolveEx", "narrow": "Slice",
    "cholesky": "LinalgCholeskyEx", "index_add": "IndexAdd", "nansum": "Nansum", "nan_to_num": "NanToNum",
    "logit": "Logit", "digamma": "Digamma", "lgamma": "Lgamma", "erfinv": "Erfinv", "sinc": "Sinc", "xlogy": "Xlogy",
    "diag_embed": "DiagEmbed", "block_diag": "BlockDiag", "masked_select": "MaskedSelect", "rot90": "Rot90",
    "logcumsumexp": "Logcumsumexp", "cummax": "Cummax", "cummin": "Cummin", "fmax": "Fmax", "fmin": "Fmin",
    **dict.fromkeys(["eig", "eigvals"], "LinalgEig"), **dict.fromkeys(["eigh", "eigvalsh"], "LinalgEigh"),
    **dict.fromkeys(["svd", "svdvals"], "LinalgSvd"), "qr": "LinalgQr", "slogdet": "LinalgSlogdet", "pinv": "LinalgPinv",
    "solve_triangular": "LinalgSolveTriangular", "lu": "LinalgLu", "lstsq": "LinalgLstsq", "matrix_exp": "LinalgMatrixExp",
    "cholesky_solve": "CholeskySolve", "cholesky_inverse": "CholeskyInverse", "lu_solve": "LinalgLuSolve",
    "householder_product": "LinalgHouseholderProduct", "renorm": "Renorm", "masked_scatter": "MaskedScatter",
    "scatter_reduce": "ScatterReduce", "index_put": "IndexPut", "index_copy": "IndexCopy", "index_fill": "IndexFill",
    "as_strided": "AsStrided", "diagonal_scatter": "DiagonalScatter", "select_scatter": "SelectScatter",
    "slice_scatter": "SliceScatter", "addr": "Addr", "addbmm": "Addbmm", "mvlgamma": "Mvlgamma", "polygamma": "Polygamma",
    "i0": "I0", "i0e": "SpecialI0E", "i1": "SpecialI1", "i1e": "SpecialI1E", "entr": "SpecialEntr", "zeta": "SpecialZeta",
    "ndtri": "SpecialNdtri", "log_ndtr": "SpecialLogNdtr", "erfcx": "SpecialErfcx",
    "kthvalue": "Kthvalue", "mode": "Mode", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "logsumexp": "Logsumexp",
    "polar": "Polar", "angle": "Angle", "sgn": "Sgn", "vdot": "Vdot", "conj_physical": "ConjPhysical",
    "fftshift": "Roll", "ifftshift": "Roll", "rfft2": "FftR2C", "rfftn": "FftR2C",
    **dict.fromkeys(["fft", "ifft", "fft2", "ifft2", "fftn", "ifftn"], _transformed),
    "softmax": "Softmax", "log_softmax": "LogSoftmax", "gelu": "Gelu", "silu": "Silu", "elu": "Elu", "selu": "Elu",
    "celu": "Celu", "leaky_relu": "LeakyRelu", "softplus": "Softplus", "hardtanh": "Hardtanh", "relu6": "Hardtanh",
    "hardswish": "Hardswish", "hardsigmoid": "Hardsigmoid", "mish": "Mish", "logsigmoid": "LogSigmoid", "glu": "Glu",
    "prelu": "PreluKernel", "threshold": "Threshold", "softshrink": "Softshrink", "hardshrink": "Hardshrink",
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh",
    "mse_loss": "MseLoss", "smooth_l1_loss": "SmoothL1Loss", "huber_loss": "HuberLoss", "nll_loss": "NllLoss",
    "binary_cross_entropy": "BinaryCrossEntropy", "multi_margin_loss": "MultiMarginLoss",
    "soft_margin_loss": "SoftMarginLoss",
    "binary_cross_entropy_with_logits": "BinaryCrossEntropyWithLogits", "multilabel_margin_loss": "MultilabelMarginLoss",
    "multilabel_soft_margin_loss": lambda args, kwargs: _loss(args, kwargs) or "Div", "ctc_loss": _ctc,
    **dict.fromkeys(
        """l1_loss kl_div margin_ranking_loss triplet_margin_loss cosine_embedding_loss hinge_embedding_loss
        poisson_nll_loss gaussian_nll_loss triplet_margin_with_distance_loss""".split(),
        _loss,
    ),
    **{f"conv{turned}{n}d": "Convolution" for turned in ("", "_transpose") for n in (1, 2, 3)},
    "max_pool1d": "Squeeze:1", "max_pool2d": "MaxPool2DWithIndices", "max_pool3d": "MaxPool3DWithIndices",
    "avg_pool1d": "Squeeze:1", "avg_pool2d": "AvgPool2D", "avg_pool3d": "AvgPool3D",
    "batch_norm": "NativeBatchNorm", "layer_norm": "NativeLayerNorm", "group_norm": "NativeGroupNorm",
    "instance_norm": "View", "embedding": "Embedding", "pixel_shuffle": "PixelShuffle", "grid_sample": _sampled,
    "affine_grid": "AffineGridGenerator", "embedding_bag": "EmbeddingBag",
    "normalized": "Div", "normalize": "Div", "dropout": "Mul", "surprise": lambda args, kwargs: "NllLoss",
    "class_log_prob": "Squeeze:1", "class_entropy": "Neg", "normal_log_prob": "Sub",
    "cosine_similarity": "Sum:1", "scaled_dot_product_attention": "ScaledDotProductFlashAttentionForCpu",
}  # fmt: skip

# Under create_graph a gradient has a gradient of its own: what PyTorch calls that, by the name or operation of the first.
AGAIN = {
    **dict.fromkeys(["tanh", "Tanh"], "TanhBackward"), **dict.fromkeys(["sigmoid", "Sigmoid"], "SigmoidBackward"),
    **dict.fromkeys(["Pow", "Pow:0", "Pow:2", "Reciprocal"], "Mul"),
}  # fmt: skip
SQUARED = ("Pow", "Pow:0")  # x * x here, whose gradient comes in two halves; one product 2 x g there


def tell(y: T, words: Words, args: tuple[Any, ...], kwargs: dict[str, Any], own: bool = False) -> T:
    """y, whose gradient is called so; `own`: also where y is the very tensor that was given (in place)."""
    if isinstance(y, (tuple, list)):
        for t in y:
            tell(t, words, args, kwargs, own)
        return y
    node = getattr(y, "_node", None)
    if node is not None and (own or not args or y is not args[0]):
        text = words if type(words) is str else words(args, kwargs)  # type: ignore[operator]
        if text:
            node.spoken = text
            if args and not node.whole:
                nodes = nodes_of((*args, *kwargs.values()) if kwargs else args)
                if node not in nodes:  # in place, the argument is the result by now
                    node.given = words, nodes
    return y


def nodes_of(given: tuple[Any, ...]) -> list[Any]:
    """The nodes of the Tensors among a function's arguments that are no integers; None where no gradient is wanted."""
    found = []
    for x in given:
        for t in x if isinstance(x, (tuple, list)) else (x,):
            node = getattr(t, "_node", x)
            if node is not x and (node is not None or t._numbers.dtype.kind not in "biu"):  # of a sparse one, too
                found.append(node)
    return found


class Name(str):
    """The operation's name; called, PyTorch's name of its gradient.

    >>> Name("mul"), Name("mul")(), Name("div", "Mean:1")()
    ('mul', 'MulBackward0', 'MeanBackward1')
    """

    __slots__ = ("spoken",)

    spoken: str

    def __new__(cls, own: str, spoken: str = "") -> Name:
        """`spoken`: what `tell` has told."""
        made = super().__new__(cls, own)
        made.spoken = spoken
        return made

    def __call__(self) -> str:
        """PyTorch's name: the operation's in capitals, and Backward0; a class of the user's has its own."""
        if self in ("AccumulateGrad", "CopySlices"):
            return f"torch::autograd::{self}"
        if self.endswith("Backward") and not self.spoken:
            return str(self)
        word = self.spoken or THERE.get(self, "".join(w[:1].upper() + w[1:] for w in self.split("_")))
        return f"{word.partition(':')[0]}Backward{word.partition(':')[2] or 0}"
