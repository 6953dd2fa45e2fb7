"""gradcheck and numerical gradients: nothing to check, functions that give no Tensors, steps that vanish, wrong gradients."""

from cutaway.core.errors import ArgumentError, ArgumentTypeError, GradcheckError, IndexOutOfRange, ShapeError

from .table import bad


def x(t, *shape):
    return t.ones(*(shape or (2,)), dtype=t.float64, requires_grad=True)


def check(t, f, *inputs, **options):
    return t.autograd.gradcheck(f, inputs or (x(t),), **options)


def wrong_square(t):
    class Square(t.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        def backward(ctx, g):
            return 3 * g * ctx.saved_tensors[0]

    return Square.apply


ABSENT = {"torch": "absent"}

CALLS = [
    bad("gradcheck-nothing", lambda t: check(t, t.exp, t.ones(2)), ArgumentError, "gradcheck", "requires grad", "requires_grad_()"),
    bad("gradcheck-number", lambda t: check(t, t.exp, 1.0), ArgumentError, "gradcheck", "requires grad"),
    bad("gradcheck-returns-number", lambda t: check(t, lambda a: 1.0), ArgumentTypeError, "gradcheck", "Tensor", "float", torch=AttributeError),
    bad("gradcheck-no-function", lambda t: check(t, 3), ArgumentTypeError, "gradcheck", "func", "3"),
    bad("gradcheck-eps", lambda t: check(t, t.exp, eps=0.0), ArgumentError, "gradcheck", "eps", "positive", torch=...),
    bad("gradcheck-atol", lambda t: check(t, t.exp, atol=-1.0), ArgumentError, "gradcheck", "atol", "-1.0"),
    bad("gradcheck-eps-text", lambda t: check(t, t.exp, eps="a"), ArgumentTypeError, "gradcheck", "eps", "'a'"),
    bad("gradcheck-wrong", lambda t: check(t, wrong_square(t)), GradcheckError, "gradcheck", "input 0", "expected", "got"),
    bad("gradcheck-in-place", lambda t: check(t, lambda a: a.detach().mul_(2) * a), ArgumentError, "gradcheck", "in place", "clone()", torch=...),
    bad("gradcheck-random", lambda t: check(t, lambda a: a * t.rand(2, dtype=t.float64)), GradcheckError, "gradcheck", "randomness"),
    bad("gradcheck-expanded", lambda t: check(t, t.exp, t.ones(1, dtype=t.float64).expand(3).requires_grad_()), ShapeError, "gradcheck", "expanded", "clone()"),
    bad("gradcheck-forward-mode", lambda t: check(t, t.exp, check_forward_ad=True), ArgumentError, "gradcheck", "reverse", torch=None),
    bad("gradgradcheck-wrong", lambda t: t.autograd.gradgradcheck(wrong_square(t), (x(t) * 2,), grad_outputs=3), ArgumentTypeError, "gradgradcheck", "grad_outputs", torch=AttributeError),
    bad("numerical-int", lambda t: t.gradcheck.numerical_gradient(lambda a: a.sum(), t.arange(3)), ArgumentTypeError, "numerical_gradient", "int64[3]", ".double()", **ABSENT),
    bad("numerical-list", lambda t: t.gradcheck.numerical_gradient(lambda a: a, [1.0]), ArgumentTypeError, "numerical_gradient", "float", "Tensor", **ABSENT),
    bad("numerical-many", lambda t: t.gradcheck.numerical_gradient(lambda a: a, t.ones(2)), ShapeError, "numerical_gradient", "float32[2]", ".sum()", **ABSENT),
    bad("numerical-text", lambda t: t.gradcheck.numerical_gradient(lambda a: "x", t.ones(2)), ArgumentTypeError, "numerical_gradient", "str", "number", **ABSENT),
    bad("numerical-vanishing", lambda t: t.gradcheck.numerical_gradient(lambda a: a.sum(), t.ones(2), h=1e-12), ArgumentError, "numerical_gradient", "1e-12", "larger h", **ABSENT),
    bad("numerical-index", lambda t: t.gradcheck.numerical_derivative(lambda a: a.sum(), t.ones(2), 5), IndexOutOfRange, "numerical_derivative", "[5]", "float32[2]", **ABSENT),
    bad("numerical-no-function", lambda t: t.gradcheck.numerical_gradient(3, t.ones(2)), ArgumentTypeError, "numerical_gradient", "3", **ABSENT),
    bad("check-order", lambda t: t.gradcheck.check_gradients(t.exp, (x(t),), order=3), ArgumentError, "check_gradients", "3", "1 or 2", **ABSENT),
]
