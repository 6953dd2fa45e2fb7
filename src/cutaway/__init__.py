"""Cutaway: the real machine with its casing opened. PyTorch's names, written from scratch in Python.

`import cutaway` loads the machine (`cutaway.core`) and nothing else; `cutaway.nn`, `cutaway.optim` and the rest load when
they are first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cutaway.core.autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from cutaway.core.dtypes import (
    bfloat16, complex64, complex128, device, dtype, float16, float32, float64, get_default_dtype, int8, int16,
    int32, int64, set_default_dtype, uint8, uint16, uint32, uint64,
)  # fmt: skip
from cutaway.core.dtypes import bool_ as bool
from cutaway.core.errors import (
    AnomalyError, ArgumentError, ArgumentTypeError, AssertedError, CutawayError, DTypeError, DeviceError, DownloadError,
    ExportError, FileFormatError, GradError, GradcheckError, IndexOutOfRange, KindError, MissingAttribute,
    MissingFile, MissingKey, MissingLibrary, NameRefused, NotWritten, ShapeError, StateError, TraceError,
    UnsafeFileError,
)  # fmt: skip
from cutaway.core.functions import (
    arange, as_tensor, cat, einsum, empty, empty_like, eye, from_numpy, full, full_like, hstack, linspace, logspace,
    meshgrid, normal, ones, ones_like, rand, rand_like, randint, randint_like, randn, randn_like, randperm, stack, tensor,
    vstack, where, zeros, zeros_like,
)  # fmt: skip
from cutaway.core.generator import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from cutaway.core.refusal import guarded as _guarded
from cutaway.core.tensor import Size, Tensor
from cutaway.core.topics import NAMES as _TOPICS

__version__ = "0.1.0"

concat = concatenate = cat
row_stack = vstack
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128
pi, e = 3.141592653589793, 2.718281828459045
inf, nan = 1e999, 1e999 - 1e999
newaxis = None

# Loaded when first named.
_MODULES = (
    "accelerator", "amp", "autograd", "backends", "cpu", "cuda", "data", "distributions", "engine", "fft", "func",
    "functional", "futures", "gradcheck", "inspect", "interop", "jit", "linalg", "mps", "nn", "onnx", "optim", "overrides",
    "plug", "profiler", "random", "rl", "serialization", "signal", "sparse", "special", "testing", "utils", "vision", "xpu",
)  # fmt: skip
_ELSEWHERE = {
    "compile": "cutaway.compiled",
    "finfo": "cutaway.core.limits", "iinfo": "cutaway.core.limits",
    "load": "cutaway.interop.checkpoint", "save": "cutaway.interop.checkpoint",
    **dict.fromkeys(
        """autocast clear_autocast_cache get_autocast_dtype is_autocast_cache_enabled is_autocast_enabled set_autocast_dtype
        set_autocast_enabled""".split(),
        "cutaway.amp.autocast",
    ),
    "get_num_threads": "cutaway.engine.threads", "set_num_threads": "cutaway.engine.threads",
    "set_printoptions": "cutaway.core.printing",
    "vmap": "cutaway.func",
    "binomial": "cutaway.distributions.counts", "poisson": "cutaway.distributions.counts",
    **dict.fromkeys(
        """channels_last channels_last_3d contiguous_format layout memory_format preserve_format sparse_bsc sparse_bsr
        sparse_coo sparse_csc sparse_csr strided""".split(),
        "cutaway.core.layouts",
    ),
    **dict.fromkeys("sparse_coo_tensor sparse_csc_tensor sparse_csr_tensor".split(), "cutaway.core.sparse.making"),
    **dict.fromkeys("dsmm hspmm smm spmm sspaddmm".split(), "cutaway.core.sparse.functions"),
    **dict.fromkeys(
        "are_deterministic_algorithms_enabled get_default_device get_float32_matmul_precision "
        "is_deterministic_algorithms_warn_only_enabled set_default_device set_default_tensor_type "
        "set_float32_matmul_precision set_flush_denormal use_deterministic_algorithms".split(),
        "cutaway.core.settings",
    ),
    "is_anomaly_enabled": "cutaway.inspect", "is_inference_mode_enabled": "cutaway.core.autograd",
    "lu_unpack": "cutaway.core.topics.packed",
    "use": "cutaway.plug",
    **dict.fromkeys(
        """BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor
        ShortTensor""".split(),
        "cutaway.core.legacy",
    ),
    **dict.fromkeys(
        """
        adaptive_avg_pool1d alpha_dropout avg_pool1d bilinear celu channel_shuffle conv1d conv2d conv3d conv_transpose1d
        conv_transpose2d conv_transpose3d cosine_similarity dropout feature_alpha_dropout gru_cell lstm_cell max_pool1d
        max_pool2d max_pool3d pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu rms_norm rnn_relu_cell
        rnn_tanh_cell rrelu selu threshold
        """.split(),
        "cutaway.functional",
    ),
    **dict.fromkeys("celu_ rrelu_ selu_ threshold_".split(), "cutaway.functional.in_place"),
    **dict.fromkeys(
        "adaptive_max_pool1d batch_norm constant_pad_nd embedding group_norm instance_norm layer_norm".split(),
        "cutaway.functional.flat",
    ),
    **dict.fromkeys(
        """
        asarray atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors bucketize can_cast
        cartesian_prod cdist chain_matmul column_stack combinations cumulative_trapezoid dstack get_device gradient isin
        polygamma promote_types result_type rsub scalar_tensor searchsorted std_mean tensordot trapezoid trapz
        tril_indices triu_indices unravel_index vander var_mean xlogy
        """.split(),
        "cutaway.core.topics.functions",
    ),
    **dict.fromkeys(
        "fake_quantize_per_channel_affine fake_quantize_per_tensor_affine".split(), "cutaway.core.topics.quantised"
    ),
    **dict.fromkeys("TypedStorage UntypedStorage is_storage".split(), "cutaway.core.memory"),
    "segment_reduce": "cutaway.core.topics.segments",
    **dict.fromkeys("geqrf orgqr ormqr".split(), "cutaway.core.topics.reflections"),
    **dict.fromkeys("histogram histogramdd".split(), "cutaway.core.topics.histograms"),
    **dict.fromkeys("pca_lowrank svd_lowrank".split(), "cutaway.core.topics.lowrank"),
    **dict.fromkeys(
        """
        fill frobenius_norm frombuffer get_num_interop_threads norm_except_dim nuclear_norm range
        set_num_interop_threads
        """.split(),
        "cutaway.core.topics.differences",
    ),
    **dict.fromkeys(
        "complex imag is_complex polar real view_as_complex view_as_real".split(), "cutaway.core.topics.complex"
    ),
    **dict.fromkeys(
        "bartlett_window blackman_window hamming_window hann_window kaiser_window".split(), "cutaway.core.topics.windows"
    ),
    **dict.fromkeys("empty_permuted empty_strided from_dlpack".split(), "cutaway.core.topics.memory"),
    "istft": "cutaway.core.topics.spectra", "stft": "cutaway.core.topics.spectra",
}  # fmt: skip
# `cutaway.exp(x)` is `Tensor.exp(x)`: nothing is written twice.
_METHODS = frozenset(
    """
    abs absolute acos add addmm all allclose amax amin any arccos arcsin arctan arctan2 argmax argmin argsort asin atan
    atan2 baddbmm bernoulli bitwise_and bitwise_not bitwise_or bitwise_xor bmm ceil chunk clamp clip clone cos cosh
    count_nonzero cumprod cumsum detach diag diagonal div divide dot eq equal erf exp exp2 expm1 flatten flip floor
    floor_divide fmod frac gather ge get_device greater greater_equal gt index_add index_select is_floating_point
    is_inference isclose isfinite isinf
    isnan le lerp less less_equal log log10 log1p log2 log_softmax logical_and logical_not logical_or logical_xor logsumexp
    lt masked_fill masked_select matmul max maximum mean median min minimum mm movedim mul multinomial multiply mv
    nan_to_num narrow ne neg negative nonzero norm not_equal numel outer permute pow prod ravel reciprocal relu remainder
    repeat_interleave reshape roll round rsqrt scatter scatter_add select sigmoid sign sin sinh softmax sort split sqrt
    square squeeze std sub subtract sum swapaxes t tan tanh topk trace transpose tril triu true_divide trunc unbind
    unflatten unique unsqueeze var
    abs_ acos_ asin_ atan_ ceil_ clamp_ cos_ cosh_ detach_ erf_ exp2_ exp_ expm1_ fill_ floor_ frac_ log10_ log1p_ log2_
    acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asinh_ atanh_ clamp_max_ clamp_min_ clip_ deg2rad_
    erfc_ fix_ gcd_ i0_ index_put_ lcm_ ldexp_ logit_ nan_to_num_ negative_ rad2deg_ resize_as_ sinc_ xlogy_
    log_ neg_ reciprocal_ relu_ round_ rsqrt_ sigmoid_ sin_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ zero_
    """.split()
) | _TOPICS - {"polygamma"}


def is_tensor(x: Any) -> Any:
    """True for a Tensor."""
    return isinstance(x, Tensor)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"cutaway.{name}")
    if name in _ELSEWHERE:
        value = getattr(import_module(_ELSEWHERE[name]), name)
        globals()[name] = value
        return value
    if name in _METHODS:
        value = _guarded(getattr(Tensor, name), out=True)
        value.__module__, value.__qualname__ = "cutaway", name  # where pickle finds it: models keep functions
        globals()[name] = value
        return value
    if name.startswith("_foreach_") and hasattr(import_module("cutaway.core.foreach"), name):
        return getattr(import_module("cutaway.core.foreach"), name)
    from cutaway.core.absent import absent

    raise absent("cutaway", name, __dir__())


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_METHODS, *_ELSEWHERE})
