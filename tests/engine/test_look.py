"""Looking into a compiled program: the numbers that are shown are the true ones."""

from __future__ import annotations

import builtins
import re
from itertools import pairwise

import llvmlite.binding as llvm
import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError
from cutaway.core.generator import default_generator
from cutaway.engine.compile import compile
from cutaway.engine.llvm.target import target
from cutaway.engine.look.cost import operations, terms
from cutaway.engine.look.listing import assembly_of
from cutaway.engine.look.rehearsal import rehearse
from cutaway.engine.machine import Machine, machine
from cutaway.engine.passes import PASSES
from cutaway.engine.program import contractions
from cutaway.engine.threads import pool
from cutaway.nn import functional as F
from cutaway.optim import Adam

FLOAT = np.dtype(np.float32)


def training_step():
    """A compiled step of a small network, called once; its parameters and arguments."""
    cutaway.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 300), nn.ReLU(), nn.Dropout(0.5), nn.Linear(300, 10))
    optimizer = Adam(model.parameters())

    def step(x, y):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    fast = compile(step)
    x, y = cutaway.randn(256, 20), cutaway.randint(0, 10, (256,))
    fast(x, y)
    return fast, model, x, y


@pytest.fixture(scope="module")
def step():
    return training_step()


def called(fn, *shapes):
    """`fn` compiled and called once on random floats."""
    fast = compile(fn)
    fast(*(cutaway.randn(*s) for s in shapes))
    return fast


# --- passes ---------------------------------------------------------------------------------------------------------


def test_passes_lead_from_the_trace_to_the_graph_that_is_compiled(step):
    passes = step[0].passes()
    names = [name for name, _ in passes]
    assert names == ["trace", *(p.__name__ for p in PASSES)]
    graphs = [graph for _, graph in passes]
    assert str(graphs[-1]) == str(step[0].graph())
    assert len(graphs[0].values) > len(graphs[-1].values)
    lines = str(passes).splitlines()
    assert len(lines) == 1 + len(passes)
    assert lines[2].split()[:3] == ["clean", str(len(graphs[0].values)), str(len(graphs[1].values))]


def test_a_pass_says_what_it_took_and_brought():
    fast = called(lambda x: (x + 1).exp() * (x + 1).logsumexp(0), (3, 4))
    _, clean, _widen, decompose, *_ = fast.passes().steps
    assert clean.gone["add(float32[3, 4], float32[]) -> float32[3, 4]"] == 1  # twice the same
    assert not clean.new
    assert decompose.gone == {"logsumexp(float32[3, 4]) -> float32[4]": 1}
    assert decompose.new["log(float32[1, 4]) -> float32[1, 4]"] == 1
    assert "- logsumexp(float32[3, 4]) -> float32[4]" in decompose.diff()


# --- cost -----------------------------------------------------------------------------------------------------------


def test_flop_and_bytes_of_a_product():
    (k,) = called(lambda a, b: a @ b, (33, 70), (70, 19)).kernels()
    assert k.flops == 2 * 33 * 70 * 19
    assert (k.read, k.written) == (4 * (33 * 70 + 70 * 19), 4 * 33 * 19)
    assert (k.kind, str(k.result), k.number) == ("contraction", "float32[33, 19]", 0)
    assert k.flop_rate == pytest.approx(k.flops / k.seconds)
    assert k.peak_fraction == pytest.approx(k.flops / k.seconds / machine(1).peak["float32"])


def test_a_fused_chain_counts_each_operation_and_each_byte_once():
    (k,) = called(lambda a, b: (a * b + a) / b, (50, 4), (4,)).kernels()
    assert k.flops == 3 * 200
    assert (k.read, k.written) == (4 * (200 + 4), 4 * 200)
    assert k.kind == "elementwise"
    assert [v.op.name for v in k.values] == ["mul", "add", "div"]


def test_a_sum_adds_each_element_once():
    (k,) = called(lambda a: a.sum(1), (6, 7)).kernels()
    assert (k.flops, k.read, k.written, k.kind) == (42, 168, 24, "reduction")


def test_a_slice_reads_only_what_it_takes():
    (k,) = called(lambda a: a[:2] + 1.0, (100, 10)).kernels()
    assert (k.read, k.written, k.flops) == (80, 80, 20)


def test_terms_beyond_the_border_do_not_count():
    conv = nn.Conv2d(3, 5, 3, padding=1)
    program = called(lambda x: conv(x), (2, 3, 6, 8)).variants.popitem()[1].program
    inside = sum(
        1
        for o in range(6)
        for p in range(8)
        for i in range(3)
        for j in range(3)
        if 0 <= o + i - 1 < 6 and 0 <= p + j - 1 < 8
    )
    (c,) = contractions(program.schedule, program.memory).values()
    clipped = any(p.clips for p in c.problems)
    assert sum(map(terms, c.problems)) == (inside if clipped else 6 * 8 * 9) * 2 * 3 * 5


def test_operations_are_counted_in_the_ops_own_code():
    from cutaway.core.op import OPS

    assert operations(OPS["add"], (FLOAT, FLOAT), {}) == 1
    assert operations(OPS["add"], (np.dtype(np.int32), np.dtype(np.int32)), {}) == 0
    assert operations(OPS["div"], (FLOAT, FLOAT), {}) == 1
    assert operations(OPS["sqrt"], (FLOAT,), {}) == 1
    assert 10 < operations(OPS["exp"], (FLOAT,), {}) < 40  # a polynomial and its scaling
    assert operations(OPS["exp"], (np.dtype(np.float64),), {}) > operations(OPS["exp"], (FLOAT,), {})


# --- the machine ----------------------------------------------------------------------------------------------------


def test_the_roofline_is_the_longer_of_computing_and_moving():
    m = Machine("test", 2, {"float32": 100e9, "float64": 50e9}, ((1000, 100e9), (100_000, 10e9)))
    assert m.bandwidth(100) == m.bandwidth(2000) == pytest.approx(100e9)
    assert m.bandwidth(1e9) == pytest.approx(10e9)
    assert m.bandwidth(20_000) == pytest.approx(31.6e9, rel=0.01)  # half-way, on logarithmic scales
    assert m.seconds(1e6, 2000) == pytest.approx(1e-5)
    assert m.seconds(1e6, 2000, "float64") == pytest.approx(2e-5)
    assert m.seconds(10, 1e9) == pytest.approx(0.1)


def test_the_machine_is_measured_once():
    m = machine(1)
    assert machine(1) is m
    assert set(m.peak) == {"float32", "float64"}
    lanes = target().lanes(4)
    assert (
        0.02e9 * lanes < m.peak["float32"] < 40e9 * lanes
    )  # from 0.01 (a busy machine) to 20 multiply-adds a nanosecond
    assert all(1e7 < rate < 1e13 for _, rate in m.levels)
    assert f"{m.peak['float32'] / 1e9:.0f} GF/s float32" in str(m)


# --- rehearsals and time --------------------------------------------------------------------------------------------


def test_looking_changes_nothing(step):
    fast, model, _, _ = step
    before = [p.detach().numpy().copy() for p in model.parameters()]
    state = default_generator.state_bytes()
    fast.kernels(), fast.timeline(), fast.kernels(2)
    for p, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), old)
    np.testing.assert_array_equal(default_generator.state_bytes(), state)


def test_a_run_after_looking_is_the_run_that_would_have_been():
    losses = []
    for look in (False, True):
        fast, _, x, y = training_step()
        if look:
            fast.kernels(2)
        losses.append([fast(x, y).item() for _ in range(3)])
    assert losses[0] == losses[1]


def test_every_kernel_is_measured(step):
    kernels = step[0].kernels(threads=1)
    assert [k.number for k in kernels] == list(range(len(kernels)))
    assert all(k.seconds > 0 and k.predicted >= 0 for k in kernels)
    assert kernels.seconds == pytest.approx(sum(k.seconds for k in kernels))
    products = [k for k in kernels if k.kind == "contraction"]
    plain = 2 * 256 * (3 * 20 * 300 - 20 * 300 + 3 * 300 * 10)  # towards x nothing is computed
    assert plain <= sum(k.flops for k in products) <= 1.1 * plain  # and what is fused into them
    assert all(k.line.startswith("test_look.py:") for k in kernels)
    assert {k.source for k in products} == {"loss = F.cross_entropy(model(x), y)", "loss.backward()"}


def test_the_table_prints(step):
    kernels = step[0].kernels()
    heading, *lines = str(kernels).splitlines()
    assert heading.split()[:3] == ["kernel", "result", "MFLOP"]
    assert len(lines) == len(kernels) + 2
    first = kernels[0]
    assert lines[0].startswith(f"0 {first.name}")
    assert f"{first.flops / 1e6:.2f}" in lines[0]
    assert repr(kernels) == str(kernels)
    assert f"<td>0 {first.name}</td>" in kernels._repr_html_()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_timeline_covers_every_thread_in_order(step, threads):
    line = step[0].timeline(threads)
    assert line.threads == threads
    count = len(step[0].kernels(1))
    for t in range(threads):
        events = [e for e in line if e.thread == t]
        assert [e.number for e in events if not e.wait] == list(range(count))
        assert all(e.start <= e.end for e in events)
        assert all(a.end <= b.start for a, b in pairwise(events))
        assert any(e.wait for e in events) == (threads > 1)
        assert line.busy(t) + line.waiting(t) <= line.nanoseconds * (1 + 1e-9)
    assert min(e.start for e in line) == 0
    assert max(e.end for e in line) == line.nanoseconds


def test_a_timeline_has_as_many_threads_as_asked_for_on_a_busy_machine(step, monkeypatch):
    company = pool().company
    monkeypatch.setattr(company, "left", 1000)  # runs had to wait: the next ones go alone
    assert step[0].timeline(2).threads == 2
    assert company.left == 1000


def test_no_one_passes_a_barrier_before_all_have_come(step):
    times = rehearse(next(iter(step[0].variants.values())).program, 2)
    waits = [n for n, s in enumerate(times.steps) if s.wait]
    came, left = times.ticks[:, :, waits, 0].max(1), times.ticks[:, :, waits, 1].min(1)
    assert came.size > 10
    assert (left - came).min() > -2000  # nanoseconds: clocks of two cores may differ a little


def test_times_are_nanoseconds():
    fast = called(lambda a, b: a @ b, (700, 700), (700, 700))
    (k,) = fast.kernels(1)
    best = k.flops / machine(1).peak["float32"]
    assert best / 30 < k.seconds < 30 * best  # loose, as the machine may be busy; a wrong unit is off by a thousand


# --- code -----------------------------------------------------------------------------------------------------------


def test_assembly_of_a_product_multiplies_and_adds_vectors():
    fast = called(lambda a, b: (a @ b).exp() @ b, (64, 64), (64, 64))
    words = {
        "avx512": r"vfmadd\w+ps\s.*%zmm",
        "avx2": r"vfmadd\w+ps\s.*%ymm",
        "sse": r"mulps\s.*%xmm",
        "neon": r"fmla\s+v",
    }
    numbers = [k.number for k in fast.kernels(1) if k.kind == "contraction"]
    for n in numbers:
        text = fast.asm(n)
        assert re.match(rf"_?k{n}_\w+:\n", text)
        assert len(re.findall(words[target().isa], text)) >= 8
        assert "step" not in text  # nothing of the neighbours
    assert len(fast.asm()) > len(fast.asm("program")) > 100


@pytest.mark.parametrize(
    "triple",
    ["x86_64-linux-gnu", "x86_64-apple-macosx", "x86_64-pc-windows-msvc", "aarch64-linux-gnu", "aarch64-apple-darwin"],
)
def test_assembly_of_other_systems_is_cut_at_its_functions(triple):
    fast = called(lambda a, b: (a @ b).exp().sum(1), (8, 8), (8, 8))
    text = re.sub(r"target \w+ = .*|\"target-(cpu|features)\"=\"[^\"]*\"", "", fast.llvm(optimised=True))
    llvm.initialize_all_targets(), llvm.initialize_all_asmprinters()
    there = llvm.Target.from_triple(triple).create_target_machine()
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = triple, str(there.target_data)
    found = assembly_of(there.emit_assembly(module))
    assert set(found) == {"k0_matmul", "k1_sum", "step0", "step1", "program"}
    for name, body in found.items():
        lines = body.splitlines()
        assert lines[0].split()[0] in (f"{name}:", f"_{name}:")
        assert re.match(r"\t(ret|jmp|rex64 jmp|b|br)[a-z]*\b", lines[-1]), lines[-1]  # back, or on to the kernel


def test_llvm_is_shown_as_written_and_as_it_runs():
    fast = called(lambda a: a * 2.0 + 1.0, (1000,))
    written, best = fast.llvm(0), fast.llvm(0, optimised=True)
    assert written.startswith("define") and written.endswith("}")
    assert "fmul float" in written and " x float>" not in written
    assert f"<{target().lanes(4)} x float>" in best
    assert fast.llvm("k0_map_add") == fast.llvm("map_add") == fast.llvm("0") == written
    assert "define" in fast.llvm("program") and "k0_map_add" not in re.findall(r"define[^(]*", fast.llvm("program"))


def test_an_unknown_name_is_answered_with_those_that_there_are():
    fast = called(lambda a: (a.sum(0), a.sum(1)), (5, 6))
    with pytest.raises(ArgumentError, match=r"'matmul' is no kernel.*k0_sum, k1_sum, program"):
        fast.asm("matmul")
    with pytest.raises(ArgumentError, match="'sum' stands for 2 kernels"):
        fast.llvm("sum")
    with pytest.raises(ArgumentError, match="9 is no kernel"):
        fast.llvm(9)


def test_before_the_first_call_there_is_nothing_to_see():
    fast = compile(lambda x: x)
    for look in (fast.graph, fast.passes, fast.kernels, fast.memory, fast.timeline, fast.llvm, fast.asm):
        with pytest.raises(ArgumentError, match="call the function once"):
            look()


def test_programs_without_kernels_or_elements_can_be_looked_at():
    same = called(lambda x: x, (3,))
    assert len(same.kernels()) == len(same.timeline()) == len(same.memory()) == 0
    empty = called(lambda x: x + 1, (0, 3))
    assert [k.flops for k in empty.kernels()] == [0]
    assert "k0_map_add" in empty.asm(0)
    for fast in (same, empty):
        str(fast.kernels()), str(fast.timeline()), str(fast.memory()), fast.memory()._repr_html_()


# --- memory ---------------------------------------------------------------------------------------------------------


def test_values_that_live_at_the_same_time_lie_apart(step):
    arena = step[0].memory()
    places = list(arena)
    assert len(places) > 5
    for n, a in enumerate(places):
        assert min(a.offset, arena.nbytes - a.offset - a.nbytes) >= 0
        assert a.nbytes == a.aval.size * a.aval.dtype.itemsize
        for b in places[:n]:
            if a.first <= b.last and b.first <= a.last:
                assert a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset, (a, b)


def test_memory_that_is_used_again_is_counted_as_saved():
    def chain(a):
        for _ in range(6):
            a = (a @ a).exp() @ a
        return a

    arena = called(chain, (64, 64)).memory()
    nbytes = 64 * 64 * 4
    assert arena.alone == len(arena) * nbytes  # a value is a multiple of 64 bytes here
    assert arena.nbytes == max(nbytes * sum(p.first <= n <= p.last for p in arena) for n in range(12))
    assert arena.saved == arena.alone - arena.nbytes > 0
    assert f"{100 * arena.saved / arena.alone:.0f} %" in arena.summary()
    assert "%" in str(arena).splitlines()[1]


# --- the user's lines -----------------------------------------------------------------------------------------------


def test_a_line_knows_its_text():
    (k,) = called(lambda a: a.tanh() + 1, (3,)).kernels()
    assert k.line == f"test_look.py:{test_a_line_knows_its_text.__code__.co_firstlineno + 1}"
    assert k.source == "(k,) = called(lambda a: a.tanh() + 1, (3,)).kernels()"


def test_text_run_by_exec_is_not_taken_for_a_file_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "notes.md").write_text("not this\nnor this\n")
    monkeypatch.chdir(tmp_path)
    held = {}
    exec(builtins.compile("\ndef f(a):\n    return a + 1", "notes.md", "exec"), held)
    (k,) = called(held["f"], (3,)).kernels()
    assert (k.line, k.source) == ("notes.md:3", "")
