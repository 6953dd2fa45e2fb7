"""Recurrent layers and cells: a state is carried from one time step to the next."""

from __future__ import annotations

import math
import warnings
from typing import Any

from cutaway import functional as F
from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from cutaway.core.functions import zeros
from cutaway.core.tensor import Tensor
from cutaway.nn import init
from cutaway.nn.linear import counts
from cutaway.nn.module import Module
from cutaway.nn.parameter import blank
from cutaway.nn.utils.rnn import PackedSequence, repack, unpack


class RNNBase(Module):
    """What RNN, LSTM and GRU share.

    x[T, N, I] ([N, T, I] with batch_first, [T, I] without a batch, or a PackedSequence); a state is
    [layers * directions, N, H].
    Each layer and direction has weight_ih[G H, I], weight_hh[G H, H], bias_ih[G H], bias_hh[G H], named `..._l0`,
    `..._l0_reverse`, `..._l1`, ...; G is 4 for LSTM, 3 for GRU, 1 for RNN.  Initial values: uniform in ±1/√H.
    """

    gates = 1
    states = 1
    function = ""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        counts(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if proj_size and self.function != "lstm":
            raise ArgumentError(f"{name}: only LSTM has proj_size; put a Linear layer behind the output")
        if isinstance(proj_size, bool) or not 0 <= proj_size < hidden_size:
            raise ArgumentError(
                f"{name}: proj_size={proj_size} must be 0 (no projection) or below hidden_size={hidden_size}"
            )
        if isinstance(dropout, bool) or not 0.0 <= dropout <= 1.0:
            raise ArgumentError(f"{name}: dropout={dropout} is not a probability; choose it between 0 and 1")
        if dropout and num_layers == 1:
            warnings.warn(f"{name}: dropout={dropout} acts between layers, and there is only one layer", stacklevel=3)
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional = batch_first, float(dropout), bidirectional
        self.proj_size = proj_size
        rows, width_out = self.gates * hidden_size, proj_size or hidden_size
        self._names: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                width = input_size if layer == 0 else width_out * self.directions
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, width_out)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = []
                for kind, shape in shapes.items():
                    names.append(f"{kind}_l{layer}{suffix}")
                    self.register_parameter(names[-1], blank(shape, device, dtype))
                self._names.append(names)
        self.reset_parameters()

    @property
    def mode(self) -> str:
        """PyTorch's name of the kind: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"."""
        return self.function.upper()

    @property
    def directions(self) -> int:
        """2 when bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, n) for n in names] for names in self._names]  # a parametrization is no parameter

    @property
    def _flat_weights(self) -> list[Tensor]:
        """PyTorch's list of them all: programs that drop or replace weights read it."""
        return [p for group in self.all_weights for p in group]

    @property
    def _all_weights(self) -> list[list[str]]:
        """PyTorch's list of their names: programs that freeze or initialise by layer read it."""
        return [list(names) for names in self._names]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [n for names in self._names for n in names]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As a Module's; PyTorch's has the names of the weights, and its kind, under other names."""
        super().__setstate__(state)
        if "_names" not in state:
            self.__dict__.pop("_all_weights", None)
            self.__dict__ |= {"_names": state["_all_weights"], "function": state["mode"].lower()}

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def flatten_parameters(self) -> None:
        """Accepted for PyTorch's sake: there is nothing to rearrange."""

    def _run(self, input: Any, hx: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        """The output, and the states at the end."""
        packed = input if isinstance(input, PackedSequence) else None
        lengths = None
        if packed is not None:
            x, lengths = unpack(packed, self.batch_first)
        elif isinstance(input, Tensor):
            x = input
        else:
            raise ArgumentTypeError(
                f"{type(self).__name__}: expected a Tensor or a PackedSequence, got {type(input).__name__}"
            )
        if x.ndim not in (2, 3):
            layout = "[N, T, I]" if self.batch_first else "[T, N, I]"
            raise ShapeError(f"{type(self).__name__}: expected {layout}, or [T, I] without a batch, got {show(x)}")
        batched = x.ndim == 3
        if not batched:
            x = x.unsqueeze(0 if self.batch_first else 1)
        if x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: input_size={self.input_size}, but the last dimension of "
                f"{show(input if packed is None else packed.data)} is {x.shape[-1]}"
            )
        batch = x.shape[0 if self.batch_first else 1]
        state = self._initial(x, batch) if hx is None else self._given(hx, x, batch, batched)
        if packed is not None and hx is not None and packed.sorted_indices is not None:
            state = tuple(s.index_select(1, packed.sorted_indices) for s in state)
        weights = self._flat_weights
        y, *out = getattr(F, self.function)(
            x,
            state if self.states > 1 else state[0],
            weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            self.batch_first,
            lengths,
        )
        if packed is not None:
            if packed.unsorted_indices is not None:
                out = [s.index_select(1, packed.unsorted_indices) for s in out]
            return repack(y, packed, self.batch_first), tuple(out)
        if batched:
            return y, tuple(out)
        return y.squeeze(0 if self.batch_first else 1), tuple(s.squeeze(1) for s in out)

    def _initial(self, x: Tensor, batch: int) -> tuple[Tensor, ...]:
        layers = self.num_layers * self.directions
        return tuple(zeros((layers, batch, n), dtype=x.dtype) for n in self._widths())

    def _widths(self) -> list[int]:
        """The last size of each state: with proj_size the first is narrower."""
        return [self.proj_size or self.hidden_size, self.hidden_size][: self.states]

    def _given(self, hx: tuple[Tensor, ...], x: Tensor, batch: int, batched: bool) -> tuple[Tensor, ...]:
        layers = self.num_layers * self.directions
        for name, s, width in zip(("h_0", "c_0"), hx, self._widths(), strict=False):
            expected = (layers, batch, width) if batched else (layers, width)
            if not isinstance(s, Tensor) or tuple(s.shape) != expected:
                raise ShapeError(
                    f"{type(self).__name__}: {name} must be {list(expected)} "
                    f"([layers * directions{', N' if batched else ''}, H]) for input {show(x)}, got {show(s)}"
                )
            if s.dtype is not x.dtype:
                raise DTypeError(
                    f"{type(self).__name__}: {name} {show(s)} and input {show(x)} must have the same dtype"
                )
        return hx if batched else tuple(s.unsqueeze(1) for s in hx)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}" + (f", proj_size={self.proj_size}" if self.proj_size else "")
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        for name, value in usual.items():
            if getattr(self, name) != value:
                text += f", {name}={getattr(self, name)}"
        return text


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu with nonlinearity="relu" (Elman 1990).

    forward(x, h_0=None) -> (y[T, N, directions H], h_n[layers directions, N, H]).  See RNNBase for shapes.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNN: nonlinearity {nonlinearity!r} is unknown; use 'tanh' or 'relu'")
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity
        self.function = f"rnn_{nonlinearity}"

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        y, (h,) = self._run(input, None if hx is None else (hx,))
        return y, h


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014, arXiv 1406.1078).

    forward(x, h_0=None) -> (y[T, N, directions H], h_n[layers directions, N, H]).  See RNNBase for shapes.
    """

    gates = 3
    function = "gru"

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        y, (h,) = self._run(input, None if hx is None else (hx,))
        return y, h


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter & Schmidhuber 1997).

    forward(x, (h_0, c_0)=None) -> (y[T, N, directions H], (h_n, c_n), each [layers directions, N, H]).
    With proj_size P > 0, h and y are weight_hr[P, H] times that, P wide (Sak et al. 2014, arXiv 1402.1128).
    See RNNBase for shapes.
    """

    gates, states = 4, 2
    function = "lstm"

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        if hx is not None and not (isinstance(hx, (tuple, list)) and len(hx) == 2):
            raise ArgumentTypeError(f"LSTM: the state must be a pair (h_0, c_0), got {type(hx).__name__}")
        y, (h, c) = self._run(input, None if hx is None else tuple(hx))
        return y, (h, c)


# --- one step ---------------------------------------------------------------------------------------------------------


class RNNCellBase(Module):
    """One step of a recurrent layer: weight_ih[G H, I], weight_hh[G H, H], bias_ih[G H], bias_hh[G H]."""

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        counts(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        self.weight_ih = blank((rows, input_size), device, dtype)
        self.weight_hh = blank((rows, hidden_size), device, dtype)
        self.register_parameter("bias_ih", blank((rows,), device, dtype) if bias else None)
        self.register_parameter("bias_hh", blank((rows,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _prepared(
        self, input: Tensor, hx: tuple[Tensor, ...] | None, states: int
    ) -> tuple[Tensor, tuple[Tensor, ...], bool]:
        """Input and states with a batch, and whether they had one."""
        name = type(self).__name__
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(f"{name}: expected [N, {self.input_size}] or [{self.input_size}], got {show(input)}")
        batched = input.ndim == 2
        x = input if batched else input.unsqueeze(0)
        if hx is None:
            return x, (zeros((x.shape[0], self.hidden_size), dtype=x.dtype),) * states, batched
        for s in hx:
            if not isinstance(s, Tensor) or tuple(s.shape) != (*input.shape[:-1], self.hidden_size):
                raise ShapeError(
                    f"{name}: the state must be {[*input.shape[:-1], self.hidden_size]} for input {show(input)}, "
                    f"got {show(s)}"
                )
        return x, hx if batched else tuple(s.unsqueeze(0) for s in hx), batched

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if not self.bias:
            text += ", bias=False"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu.  x[N, I], h[N, H] (zeros if not given) -> h'[N, H]."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNNCell: nonlinearity {nonlinearity!r} is unknown; use 'tanh' or 'relu'")
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,), batched = self._prepared(input, None if hx is None else (hx,), 1)
        cell = F.rnn_tanh_cell if self.nonlinearity == "tanh" else F.rnn_relu_cell
        y = cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return y if batched else y.squeeze(0)


class GRUCell(RNNCellBase):
    """One step of a gated recurrent unit.  x[N, I], h[N, H] (zeros if not given) -> h'[N, H]."""

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,), batched = self._prepared(input, None if hx is None else (hx,), 1)
        y = F.gru_cell(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return y if batched else y.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of a long short-term memory.  x[N, I], (h[N, H], c[N, H]) (zeros if not given) -> (h', c')."""

    gates = 4

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        if hx is not None and not (isinstance(hx, (tuple, list)) and len(hx) == 2):
            raise ArgumentTypeError(f"LSTMCell: the state must be a pair (h, c), got {type(hx).__name__}")
        x, state, batched = self._prepared(input, None if hx is None else tuple(hx), 2)
        h, c = F.lstm_cell(x, (state[0], state[1]), self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))
