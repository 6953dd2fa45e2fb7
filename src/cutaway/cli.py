"""`cutaway ...`: the commands. Thin: each reads its options and calls the package that does the work."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from cutaway.core.errors import ArgumentError, ArgumentTypeError, CutawayError

app = typer.Typer(
    name="cutaway",
    help="A deep-learning machine with its casing opened: it runs, and you see it run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
recipe_app = typer.Typer(help="The recipes that come with Cutaway: list them, copy one.", invoke_without_command=True)
app.add_typer(recipe_app, name="recipes")
rl_app = typer.Typer(help="Reinforcement learning: train an agent, watch it, compare seeds.", no_args_is_help=True)
app.add_typer(rl_app, name="rl")


def main() -> None:
    """The console script.  An error becomes one line; exit code 2 if the user asked for the impossible."""
    try:
        code = app(standalone_mode=False)
    except CutawayError as e:
        print(f"cutaway: {e}", file=sys.stderr)
        code = 2 if isinstance(e, (ArgumentError, ArgumentTypeError)) else 1
    except BrokenPipeError:  # `cutaway recipes | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except typer.Abort:
        code = 130
    except Exception as e:
        if not hasattr(e, "format_message"):  # what typer and click raise for a command line that cannot be read
            raise
        if said := e.format_message():
            context = getattr(e, "ctx", None)
            print(
                f"cutaway: {said.rstrip('.')}; see {context.command_path if context else 'cutaway'} -h", file=sys.stderr
            )
        code = getattr(e, "exit_code", 2)
    sys.exit(code)


def _version(asked: bool) -> None:
    if asked:
        import cutaway

        print(f"cutaway {cutaway.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


_NO_SETTINGS = ("recipe", "out", "resume", "mine")  # of the options of `train`; all others are fields of Settings


def _model(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="The network and how it learns (defaults: the recipe's)")


def _run(text: str, default: str | bool = True) -> Any:
    return typer.Option(help=text, show_default=default, rich_help_panel="The run")


_Mine = Annotated[
    bool | None,
    typer.Option(
        "--mine/--no-mine",
        help="Use the parts that you wrote in the course, and say which; a resumed run keeps to those it began with.",
        rich_help_panel="The run",
        show_default=False,
    ),
]


@app.command()
def train(
    context: typer.Context,
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name, or the path of your own.", show_default="mnist-deep")
    ] = None,
    epochs: Annotated[int | None, _model("Passes over the training data.")] = None,
    batch_size: Annotated[int | None, _model("Examples per step.")] = None,
    optimizer: Annotated[
        str | None, _model("sgd, momentum, nesterov, adagrad, rmsprop, adadelta, adam or adamw.")
    ] = None,
    lr: Annotated[float | None, _model("Learning rate, the highest one.")] = None,
    schedule: Annotated[str | None, _model("Its course: constant, cosine or one-cycle.")] = None,
    init: Annotated[
        str | None, _model("Initial weights: he, xavier, orthogonal, default, or a number: their spread.")
    ] = None,
    weight_decay: Annotated[float | None, _model("Pull of the parameters towards zero.")] = None,
    dropout: Annotated[float | None, _model("Share of values that dropout layers zero.")] = None,
    shift: Annotated[int | None, _model("Move training images at random, by up to so many pixels.")] = None,
    seed: Annotated[int | None, _model("The same seed gives the same numbers.")] = None,
    data: Annotated[str | None, _model("mnist, fashion_mnist, cifar10, or a folder with their files.")] = None,
    limit: Annotated[int | None, _model("Train on the first so many examples only.")] = None,
    eval_every: Annotated[int | None, _run("Steps between evaluations.", "an epoch")] = None,
    compile: Annotated[
        bool | None,
        typer.Option(
            "--compile/--eager",
            help="One native program a step, or operation by operation.",
            rich_help_panel="The run",
            show_default="compile",
        ),
    ] = None,
    out: Annotated[Path | None, _run("The folder for the results.", "runs/RECIPE-DATE-TIME")] = None,
    resume: Annotated[Path | None, _run("Go on with the run in this folder, to the same numbers.")] = None,
    mine: _Mine = None,
) -> None:
    """Train a network on data that comes with the package, and write what it learned to a run folder.

    The folder gets report.html: curves, confusion, mistakes, filters, activations, settings.

    Ctrl-C or a kill leaves a checkpoint in it; [bold]--resume[/bold] goes on from there to the same numbers.
    """
    options = {name: value for name, value in context.params.items() if name not in _NO_SETTINGS and value is not None}
    if resume is not None:
        extra = [name for name, value in {"RECIPE": recipe, "--out": out}.items() if value is not None]
        compiled = options.pop("compile", None)  # how the numbers are computed may change, what they are may not
        extra += [f"--{name.replace('_', '-')}" for name in options]
        if extra:
            raise ArgumentError(f"--resume goes on with a run as it was begun; leave out {', '.join(extra)}")

    try:  # around the imports too: they take most of a second, in which a Ctrl-C may come
        from rich.console import Console

        from cutaway.train import run
        from cutaway.train.recipe import DEFAULT

        console = Console(highlight=False)
        with ExitStack() as parts:
            yours = _yours(parts, mine, resume, console, recipe or DEFAULT)
            if resume is not None:
                code = run.resume(resume, console, compiled, yours)
            else:
                code = run.start(recipe or DEFAULT, options, out, console, yours)
    except KeyboardInterrupt:
        print("cutaway: quit at once; what was saved last stands", file=sys.stderr)
        code = 130
    raise typer.Exit(code)


def _yours(
    parts: ExitStack, mine: bool | None, resume: Path | None, console: Any, what: str, agents: bool = False
) -> Any:
    """The learner's parts that are asked for, or that the run began with, in use from here on: what a run keeps of them."""
    from cutaway.train.folder import RunFolder

    begun, known = RunFolder.begun(resume) if resume is not None else (what, None)
    if mine is False or (known is None and not mine):
        return None
    from cutaway.course import mine as course
    from cutaway.course.folder import Folder

    say = lambda text: console.print(text, style="cyan", soft_wrap=True)
    return parts.enter_context(course.mine(Folder(), say, begun, agents) if mine else course.again(known or {}, say))


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    program: Annotated[list[str], typer.Argument(help="The program and its own arguments.", metavar="FILE [ARGS]...")],
    module: Annotated[bool, typer.Option("-m", help="FILE is the name of a module, as for python -m.")] = False,
    command: Annotated[bool, typer.Option("-c", help="FILE is the program's text, as for python -c.")] = False,
    compile: Annotated[
        bool, typer.Option("--compile", help="Training steps in its loops as native programs; says where that cannot be.")
    ] = False,
) -> None:
    """Run a program written for PyTorch, unchanged: where it imports torch, it gets Cutaway.

    Options of this command stand before the program, the program's own after it.
    """
    from cutaway.interop.pytorch import run as programs

    if module and command:
        raise ArgumentError("run: -m and -c contradict each other; give one of them")
    name, *arguments = program
    start = programs.module if module else programs.command if command else programs.script
    raise typer.Exit(start(name, arguments, compile))


@app.command()
def bench(
    workloads: Annotated[list[str] | None, typer.Argument(help="W1 ... W8, or train.", show_default="W1 ... W8")] = None,
    peers: Annotated[str, typer.Option(help="Besides Cutaway: torch, torch.compile, jax; with commas.")] = "torch",
    json: Annotated[Path | None, typer.Option(help="Write the numbers to this file, too.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Time so many steps of each side.", show_default="as --seconds says")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Time the steps of each side for so long.")] = 2.0,
    threads: Annotated[int, typer.Option(help="Threads for every side.")] = 2,
    list: Annotated[bool, typer.Option("--list", help="Say what the workloads are, and stop.")] = False,
) -> None:
    """Time whole training steps beside PyTorch and JAX, in one run.

    Each side is a process of its own and they take turns, a block of steps each; medians are compared.
    """
    from rich.console import Console

    from cutaway.bench import run

    console = Console(highlight=False)
    if list:
        return run.show_list(console)
    try:
        code = run.start(workloads or [], peers, json, steps, seconds, threads, console)
    except KeyboardInterrupt:  # before anything was measured, or while the table was printed
        code = run.INTERRUPTED
    raise typer.Exit(code)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a run, such as runs/NAME.")],
    file: Annotated[
        Path | None, typer.Argument(help="The file to write.", show_default="model.onnx in the run's folder")
    ] = None,
    opset: Annotated[int | None, typer.Option(help="The version of ONNX's operators, from 13.", show_default="18")] = None,
) -> None:
    """Write a trained network as an ONNX file, which other programs run.

    Needs the package onnx: pip install 'cutaway\\[onnx]'.
    """
    from cutaway.train.export import export as write

    print(write(run, file, opset))


@app.command()
def learn(
    what: Annotated[
        str | None, typer.Argument(help="A chapter, such as 4; with --here, the folder.", show_default=False)
    ] = None,
    here: Annotated[bool, typer.Option("--here", help="Copy the exercises into this folder, over nothing.")] = False,
    progress: Annotated[bool, typer.Option("--progress", help="Show what has been passed.")] = False,
    edit: Annotated[bool, typer.Option("--edit", help="Open a copy of the chapter that can be changed.")] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser, or only say where.")] = True,
    port: Annotated[int | None, typer.Option(help="Where to serve the chapter on this machine.")] = None,
) -> None:
    """The course: chapters in the browser, exercises in your own folder.

    Alone it lists the chapters. Chapters are notebooks of marimo (pip install marimo); exercises need nothing more.
    """
    from rich.console import Console

    from cutaway.course import learn as course
    from cutaway.course.folder import Folder
    from cutaway.course.report import progress as show

    console = Console(highlight=False)
    if here:
        return course.here(Folder(what or "."), console)
    if progress:
        return show(Folder(), console)
    if what is None:
        return course.contents(console)
    raise typer.Exit(course.open_chapter(what, Folder(), edit=edit, browser=browser, port=port))


@app.command()
def check(
    what: Annotated[
        str | None, typer.Argument(help="CHAPTER or CHAPTER.EXERCISE.", metavar="[CHAPTER[.EXERCISE]]", show_default="all")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Time for each answer.", show_default="the exercise's, mostly 10")
    ] = None,
) -> None:
    """Judge the exercises that you wrote in this folder: draw, compare, and say what went wrong.

    Your program runs in a process of its own, with limits on time and memory.
    """
    from rich.console import Console

    from cutaway.course.folder import Folder
    from cutaway.course.report import check as judge

    try:
        code = judge(what, Folder(), Console(highlight=False), seconds)
    except KeyboardInterrupt:
        print("cutaway: stopped", file=sys.stderr)
        code = 130
    raise typer.Exit(code)


# The agents' own options are read off their settings (cutaway.rl.settings), so these commands take any.
_ANY = {"allow_extra_args": True, "ignore_unknown_options": True}
_Agent = Annotated[
    str | None, typer.Argument(help="q-learning, sarsa, dqn, reinforce, a2c, ppo, sac, or the path of your own.")
]
_AgentHelp = Annotated[bool, typer.Option("--help", "-h", help="Show the agent's options.", is_eager=True)]


@rl_app.command("train", context_settings=_ANY, add_help_option=False)
def _rl_train(
    context: typer.Context,
    agent: _Agent = None,
    out: Annotated[Path | None, _run("The folder for the results.", "runs/AGENT-ENV-DATE-TIME")] = None,
    resume: Annotated[Path | None, _run("Go on with the run in this folder, to the same numbers.")] = None,
    mine: _Mine = None,
    help: _AgentHelp = False,
) -> None:
    """Train an agent in an environment, and write what it learned to a run folder.

    Options are the agent's settings, such as --env CartPole-v1 --seed 0 --steps 50000; [bold]AGENT --help[/bold] lists them.

    The folder gets report.html: the learning curve, and what the agent did meanwhile.

    Ctrl-C or a kill leaves a checkpoint in it; [bold]--resume[/bold] goes on from there to the same numbers.
    """
    if _agent_help(context, agent, help or (agent is None and resume is None)):
        return
    if resume is not None and (agent is not None or out is not None or context.args):
        extra = [x for x in (agent, "--out" if out else None, *context.args) if x]
        raise ArgumentError(f"--resume goes on with a run as it was begun; leave out {' '.join(extra)}")
    try:
        from rich.console import Console

        from cutaway.rl import run

        console = Console(highlight=False)
        with ExitStack() as parts:
            yours = _yours(parts, mine, resume, console, agent or "", agents=True)
            if resume is not None:
                code = run.resume(resume, console, yours)
            else:
                code = run.start(agent or "", context.args, out, console, yours)
    except KeyboardInterrupt:
        print("cutaway: quit at once; what was saved last stands", file=sys.stderr)
        code = 130
    raise typer.Exit(code)


@rl_app.command("bench", context_settings=_ANY, add_help_option=False)
def _rl_bench(
    context: typer.Context,
    agent: _Agent = None,
    seeds: Annotated[int, typer.Option(help="So many seeds.")] = 10,
    first: Annotated[int, typer.Option(help="From this one on.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the numbers to this file, too.")] = None,
    help: _AgentHelp = False,
) -> None:
    """Train an agent with several seeds; print the mean, the spread and the share that solved the task.

    Other options are the agent's settings, as for [bold]cutaway rl train[/bold].
    """
    if _agent_help(context, agent, help or agent is None):
        return
    from rich.console import Console

    from cutaway.rl import bench as benches

    raise typer.Exit(benches.start(agent or "", context.args, seeds, first, json, Console(highlight=False)))


@rl_app.command("watch")
def _rl_watch(
    run: Annotated[Path, typer.Argument(help="The folder of a run, such as runs/NAME.")],
    episodes: Annotated[int, typer.Option(help="So many greedy episodes.")] = 3,
    seed: Annotated[int | None, typer.Option(help="Of the environment.", show_default="those of its evaluation")] = None,
    out: Annotated[Path | None, typer.Option(help="The page.", show_default="watch.html in the run's folder")] = None,
    gif: Annotated[Path | None, typer.Option(help="Write the first episode as a GIF, too (needs Pillow).")] = None,
    open: Annotated[bool, typer.Option(help="Open the page in the browser.")] = False,
) -> None:
    """Make a page of episodes: each step's picture, values, policy, and the arithmetic of its target and advantage."""
    from cutaway.rl import watch

    page = watch.write(run, episodes, seed, out, gif)
    print(page)
    if open:
        import webbrowser

        webbrowser.open(page.absolute().as_uri())


def _agent_help(context: typer.Context, agent: str | None, asked: bool) -> bool:
    """Show the help of an agent, or of the command where none is named; False if none was asked for."""
    if not asked:
        if agent is not None and agent.startswith("-"):
            raise ArgumentError(f"name the agent first, then its options: {context.command_path} dqn {agent} ...")
        return False
    print(context.get_help())
    from cutaway.rl import roster
    from cutaway.rl.settings import described

    if agent is not None:
        program = roster.find(agent)
        print(f"{program.name}: {program.summary}\n\n{described(program.config)}")
    else:
        for name in roster.NAMES:
            print(f"{name:<12} {roster.find(name).summary}")
    return True


@recipe_app.callback()
def _list(context: typer.Context) -> None:
    """The recipes that come with Cutaway: list them, or copy one to make it your own."""
    if context.invoked_subcommand is not None:
        return
    from cutaway.train import recipe as recipes

    for name in recipes.names():
        print(f"{name:<12} {recipes.find(name).summary}")
    print("\nTrain one with: cutaway train NAME\nMake one your own with: cutaway recipes copy NAME FILE.py")


@recipe_app.command("copy")
def _copy(
    name: Annotated[str, typer.Argument(help="One of the list.")],
    file: Annotated[Path, typer.Argument(help="The new file, ending in .py.")],
) -> None:
    """Write a recipe out as a file to change; `cutaway train FILE.py` then trains it."""
    from cutaway.train import recipe as recipes

    target = recipes.copy(name, file)
    print(f"{target}: change it, then run: cutaway train {target}")
