"""Layers, under PyTorch's names: modules, containers, losses, initial values, hooks."""

# ruff: noqa: F401  (every name is re-exported)
# isort: skip_file

from cutaway.nn import functional, grad, init, parallel, parameter, utils
from cutaway.nn.activation import (
    CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSigmoid, LogSoftmax, Mish, PReLU,
    ReLU, ReLU6, RReLU, SELU, SiLU, Sigmoid, Softmax, Softmax2d, Softmin, Softplus, Softshrink, Softsign, Step, Tanh,
    Tanhshrink, Threshold,
)  # fmt: skip
from cutaway.nn.adaptive import AdaptiveLogSoftmaxWithLoss
from cutaway.nn.attention import MultiheadAttention
from cutaway.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from cutaway.nn.batchnorm import SyncBatchNorm
from cutaway.nn.container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from cutaway.nn.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from cutaway.nn.distance import CosineSimilarity, PairwiseDistance
from cutaway.nn.dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout
from cutaway.nn.flatten import Flatten, Unflatten
from cutaway.nn.fold import Fold, Unfold
from cutaway.nn.lazy import (
    LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d, LazyConv1d, LazyConv2d, LazyConv3d, LazyConvTranspose1d,
    LazyConvTranspose2d, LazyConvTranspose3d, LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d, LazyLinear,
)  # fmt: skip
from cutaway.nn.linear import Bilinear, Identity, Linear
from cutaway.nn.loss import (
    BCELoss, BCEWithLogitsLoss, CTCLoss, CosineEmbeddingLoss, CrossEntropyLoss, GaussianNLLLoss, HingeEmbeddingLoss,
    HuberLoss, KLDivLoss, L1Loss, MSELoss, MarginRankingLoss, MultiLabelMarginLoss, MultiLabelSoftMarginLoss,
    MultiMarginLoss, NLLLoss, PoissonNLLLoss, SmoothL1Loss, SoftMarginLoss, TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)  # fmt: skip
from cutaway.nn.module import Module
from cutaway.nn.normalization import CrossMapLRN2d, GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from cutaway.nn.padding import (
    CircularPad1d, CircularPad2d, CircularPad3d, ConstantPad1d, ConstantPad2d, ConstantPad3d, ReflectionPad1d,
    ReflectionPad2d, ReflectionPad3d, ReplicationPad1d, ReplicationPad2d, ReplicationPad3d, ZeroPad1d, ZeroPad2d,
    ZeroPad3d,
)  # fmt: skip
from cutaway.nn.parallel import DataParallel
from cutaway.nn.parameter import Buffer, Parameter, UninitializedParameter
from cutaway.nn.perceptron import Perceptron
from cutaway.nn.pixelshuffle import ChannelShuffle, PixelShuffle, PixelUnshuffle
from cutaway.nn.pooling import (
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
    AvgPool1d, AvgPool2d, AvgPool3d, FractionalMaxPool2d, FractionalMaxPool3d, LPPool1d, LPPool2d,
    LPPool3d, MaxPool1d, MaxPool2d, MaxPool3d, MaxUnpool1d, MaxUnpool2d,
    MaxUnpool3d,
)  # fmt: skip
from cutaway.nn.rnn import GRU, GRUCell, LSTM, LSTMCell, RNN, RNNBase, RNNCell
from cutaway.nn.sparse import Embedding, EmbeddingBag
from cutaway.nn.transformer import (
    Transformer, TransformerDecoder, TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer,
)  # fmt: skip
from cutaway.nn.upsampling import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d

__all__ = [name for name in dir() if name[0].isupper()] + ["functional", "init", "parallel", "parameter", "utils"]


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.nn", name, __all__)
