"""optim: what is no list of parameters, impossible hyper-parameters, states that do not fit; and the schedules."""

from cutaway.core.errors import ArgumentError, ArgumentTypeError, NameRefused, NotWritten, StateError

from .table import bad


def w(t, *shape):
    return t.ones(*(shape or (2,)), requires_grad=True)


def sgd(t, **options):
    return t.optim.SGD([w(t)], **{"lr": 0.1, **options})


def schedules(t):
    return t.optim.lr_scheduler


def ran_out(t):
    schedule = schedules(t).OneCycleLR(sgd(t, momentum=0.9), 0.1, total_steps=2)
    for _ in range(4):
        schedule.optimizer.step()
        schedule.step()


def with_other_shape(t):
    saved = t.optim.Adam([w(t, 3)])
    saved.param_groups[0]["params"][0].grad = t.ones(3)
    saved.step()
    t.optim.Adam([w(t)]).load_state_dict(saved.state_dict())


CALLS = [
    # parameters
    bad("sgd-module", lambda t: t.optim.SGD(t.nn.Linear(2, 2), lr=0.1), ArgumentTypeError, "SGD", "model.parameters()"),
    bad("sgd-method", lambda t: t.optim.SGD(t.nn.Linear(2, 2).parameters, lr=0.1), ArgumentTypeError, "SGD", "model.parameters()"),
    bad("sgd-one-tensor", lambda t: t.optim.SGD(w(t), lr=0.1), ArgumentTypeError, "SGD", "single Tensor", "[tensor]"),
    bad("sgd-empty", lambda t: t.optim.SGD([], lr=0.1), ArgumentError, "SGD", "empty", "parameters()"),
    bad("sgd-used-up", lambda t: (lambda g: (list(g), t.optim.SGD(g, lr=0.1)))(t.nn.Linear(2, 2).parameters()), ArgumentError, "SGD", "empty", "used up"),
    bad("sgd-none", lambda t: t.optim.SGD(None, lr=0.1), ArgumentTypeError, "SGD", "None", "list"),
    bad("sgd-numbers", lambda t: t.optim.SGD([1.0, 2.0], lr=0.1), ArgumentTypeError, "SGD", "Tensors", "float"),
    bad("sgd-result", lambda t: t.optim.SGD([w(t) * 2], lr=0.1), ArgumentError, "SGD", "float32[2]", "mul", "leaf", "detach()"),
    bad("sgd-set", lambda t: t.optim.SGD({w(t)}, lr=0.1), ArgumentTypeError, "SGD", "set", "list", torch=None),
    bad("sgd-twice", lambda t: (lambda p: t.optim.SGD([p, p], lr=0.1))(w(t)), ArgumentError, "SGD", "twice", "float32[2]", torch=None),
    bad("sgd-two-groups", lambda t: (lambda p: t.optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1))(w(t)), ArgumentError, "SGD", "group", "twice"),
    bad("sgd-group-without-params", lambda t: t.optim.SGD([{"lr": 0.1}], lr=0.1), NameRefused, "SGD", "'params'", "'lr'"),
    bad("sgd-dict", lambda t: t.optim.SGD({"params": [w(t)]}, lr=0.1), ArgumentTypeError, "SGD", "dict", "[group]"),
    bad("add-group-list", lambda t: sgd(t).add_param_group([w(t)]), ArgumentTypeError, "SGD", "dict", "'params'"),
    # hyper-parameters
    bad("sgd-lr-negative", lambda t: sgd(t, lr=-0.1), ArgumentError, "SGD", "lr", "-0.1", "0 or more"),
    bad("sgd-lr-text", lambda t: sgd(t, lr="0.1"), ArgumentTypeError, "SGD", "lr", "'0.1'", "number"),
    bad("sgd-lr-nan", lambda t: sgd(t, lr=float("nan")), ArgumentError, "SGD", "lr", "nan", torch=None),
    bad("sgd-lr-infinite", lambda t: sgd(t, lr=float("inf")), ArgumentError, "SGD", "lr", "inf", "finite", torch=None),
    bad("sgd-momentum", lambda t: sgd(t, momentum=-1.0), ArgumentError, "SGD", "momentum", "-1.0"),
    bad("sgd-weight-decay", lambda t: sgd(t, weight_decay=-0.1), ArgumentError, "SGD", "weight_decay", "-0.1"),
    bad("sgd-nesterov", lambda t: sgd(t, nesterov=True), ArgumentError, "SGD", "nesterov", "momentum=0.9"),
    bad("sgd-differentiable", lambda t: sgd(t, differentiable=True), ArgumentError, "SGD", "differentiated", "apply", torch=None),
    bad("sgd-unknown", lambda t: sgd(t, momentun=0.9), ArgumentTypeError, "SGD", "'momentun'", "momentum"),
    bad("adam-betas", lambda t: t.optim.Adam([w(t)], betas=(0.9, 1.0)), ArgumentError, "Adam", "betas[1]", "1.0", "[0, 1)"),
    bad("adam-betas-number", lambda t: t.optim.Adam([w(t)], betas=0.9), ArgumentTypeError, "Adam", "betas", "pair"),
    bad("adam-betas-three", lambda t: t.optim.Adam([w(t)], betas=(0.9, 0.9, 0.9)), ArgumentError, "Adam", "betas", "pair", torch=None),
    bad("adam-eps", lambda t: t.optim.Adam([w(t)], eps=-1e-8), ArgumentError, "Adam", "eps", "-1e-08"),
    bad("adamw-weight-decay", lambda t: t.optim.AdamW([w(t)], weight_decay=-1.0), ArgumentError, "AdamW", "weight_decay", "-1.0"),
    bad("rmsprop-alpha", lambda t: t.optim.RMSprop([w(t)], alpha=-0.1), ArgumentError, "RMSprop", "alpha", "-0.1"),
    bad("adagrad-decay", lambda t: t.optim.Adagrad([w(t)], lr_decay=-1.0), ArgumentError, "Adagrad", "lr_decay", "-1.0"),
    bad("adadelta-rho", lambda t: t.optim.Adadelta([w(t)], rho=1.5), ArgumentError, "Adadelta", "rho", "1.5"),
    bad("nadam-lr", lambda t: t.optim.NAdam([w(t)], lr=-1.0), ArgumentError, "NAdam", "lr", "-1.0"),
    bad("radam-betas", lambda t: t.optim.RAdam([w(t)], betas=(-0.1, 0.9)), ArgumentError, "RAdam", "betas[0]", "-0.1"),
    bad("lbfgs-groups", lambda t: t.optim.LBFGS([{"params": [w(t)]}, {"params": [w(t)]}]), ArgumentError, "LBFGS", "group"),
    bad("lbfgs-search", lambda t: t.optim.LBFGS([w(t)], line_search_fn="armijo").step(lambda: (lambda p: (p * p).sum())(w(t))), ArgumentError, "LBFGS", "armijo", "strong_wolfe", torch=None),
    bad("lbfgs-no-closure", lambda t: t.optim.LBFGS([w(t)]).step(), ArgumentTypeError, "closure", "step"),
    bad("momentum-name", lambda t: t.optim.Momentum([w(t)], momentum=-0.5), ArgumentError, "Momentum", "momentum", "-0.5", torch="absent"),
    bad("own-rule-missing", lambda t: step_of_own_rule(t), NotWritten, "Own", "update", torch="absent"),
    bad("step-closure-number", lambda t: sgd(t).step(3), ArgumentTypeError, "step", "closure"),
    # states
    bad("optimizer-state-groups", lambda t: sgd(t).load_state_dict(t.optim.SGD([w(t), w(t)], lr=0.1).state_dict()), StateError, "SGD", "1 group of 2", "1 group of 1", torch=ValueError),
    bad("optimizer-state-text", lambda t: sgd(t).load_state_dict("x"), StateError, "SGD", "state_dict()", "'param_groups'", torch=AttributeError),
    bad("optimizer-state-empty", lambda t: sgd(t).load_state_dict({}), StateError, "SGD", "'state'", "'param_groups'", torch=KeyError),
    bad("optimizer-state-shape", with_other_shape, StateError, "Adam", "[3]", "[2]", torch=None),
    # schedules
    bad("step-lr-no-optimizer", lambda t: schedules(t).StepLR(0.1, 1), ArgumentTypeError, "StepLR", "Optimizer", "float"),
    bad("step-lr-size", lambda t: schedules(t).StepLR(sgd(t), 0), ArgumentError, "StepLR", "step_size", "0", torch=None),
    bad("step-lr-below-0", lambda t: schedules(t).StepLR(sgd(t), -1.5), ArgumentError, "StepLR", "step_size", "-1.5", torch=None),
    bad("step-lr-gamma", lambda t: schedules(t).StepLR(sgd(t), 1, gamma=-1.0), ArgumentError, "StepLR", "gamma", "-1.0", torch=None),
    bad("multi-step-number", lambda t: schedules(t).MultiStepLR(sgd(t), 30), ArgumentTypeError, "MultiStepLR", "milestones", "[30, 80]"),
    bad("multi-step-text", lambda t: schedules(t).MultiStepLR(sgd(t), ["a"]), ArgumentTypeError, "MultiStepLR", "'a'", torch=None),
    bad("exponential-text", lambda t: schedules(t).ExponentialLR(sgd(t), "a"), ArgumentTypeError, "ExponentialLR", "gamma", "'a'", torch=None),
    bad("lambda-number", lambda t: schedules(t).LambdaLR(sgd(t), 0.5), ArgumentTypeError, "LambdaLR", "function", "0.5"),
    bad("lambda-count", lambda t: schedules(t).LambdaLR(sgd(t), [lambda e: 1.0] * 2), ArgumentError, "LambdaLR", "2", "1"),
    bad("cosine-zero", lambda t: schedules(t).CosineAnnealingLR(sgd(t), 0), ArgumentError, "CosineAnnealingLR", "T_max", "0", torch=None),
    bad("restarts-zero", lambda t: schedules(t).CosineAnnealingWarmRestarts(sgd(t), 0), ArgumentError, "CosineAnnealingWarmRestarts", "T_0", "0"),
    bad("linear-factor", lambda t: schedules(t).LinearLR(sgd(t), start_factor=0.0), ArgumentError, "LinearLR", "start_factor", "0"),
    bad("one-cycle-nothing", lambda t: schedules(t).OneCycleLR(sgd(t, momentum=0.9), 0.1), ArgumentError, "OneCycleLR", "total_steps", "epochs"),
    bad("one-cycle-momentum", lambda t: schedules(t).OneCycleLR(t.optim.Adagrad([w(t)]), 0.1, 10), ArgumentError, "OneCycleLR", "momentum", "cycle_momentum=False"),
    bad("one-cycle-strategy", lambda t: schedules(t).OneCycleLR(sgd(t, momentum=0.9), 0.1, 10, anneal_strategy="sine"), ArgumentError, "OneCycleLR", "'sine'", "cos"),
    bad("one-cycle-start", lambda t: schedules(t).OneCycleLR(sgd(t, momentum=0.9), 0.1, 10, pct_start=1.5), ArgumentError, "OneCycleLR", "pct_start", "1.5"),
    bad("one-cycle-ran-out", ran_out, ArgumentError, "OneCycleLR", "2", "total_steps"),
    bad("plateau-mode", lambda t: schedules(t).ReduceLROnPlateau(sgd(t), mode="best"), ArgumentError, "ReduceLROnPlateau", "'best'", "'min'"),
    bad("plateau-factor", lambda t: schedules(t).ReduceLROnPlateau(sgd(t), factor=1.5), ArgumentError, "ReduceLROnPlateau", "factor", "1.5"),
    bad("plateau-text", lambda t: schedules(t).ReduceLROnPlateau(sgd(t)).step("low"), ArgumentTypeError, "ReduceLROnPlateau", "'low'", torch=ValueError),
    bad("sequential-milestones", lambda t: (lambda o: schedules(t).SequentialLR(o, [schedules(t).StepLR(o, 1), schedules(t).StepLR(o, 2)], []))(sgd(t)), ArgumentError, "SequentialLR", "milestones", "1"),
    bad("sequential-other-optimizer", lambda t: (lambda o: schedules(t).SequentialLR(o, [schedules(t).StepLR(o, 1), schedules(t).StepLR(sgd(t), 2)], [3]))(sgd(t)), ArgumentError, "SequentialLR", "another optimiser", "StepLR"),
    bad("chained-empty", lambda t: schedules(t).ChainedScheduler([]), ArgumentError, "ChainedScheduler", "at least one"),
    bad("chained-number", lambda t: schedules(t).ChainedScheduler([3]), ArgumentTypeError, "ChainedScheduler", "int", "LRScheduler", torch=AttributeError),
    bad("schedule-goes-on", lambda t: schedules(t).StepLR(sgd(t), 1, last_epoch=5), NameRefused, "StepLR", "last_epoch=5", "initial_lr"),
]


def step_of_own_rule(t):
    class Own(t.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1})

    p = w(t)
    p.grad = t.ones(2)
    Own([p]).step()
