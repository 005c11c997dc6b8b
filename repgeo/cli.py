"""The console command `repgeo`: your images, models and embeddings, without a config.

Every verb is a study of `experiments` with a config made from what was typed; what it computes,
keeps and draws is written there once. Nothing of it is imported before it is needed.
"""

import os
import pathlib
import re
import runpy
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

import repgeo

# Before NumPy and SciPy are imported: threads of their BLAS wait by spinning, so that on a machine
# in use the small decompositions of a comparison took 170 ms of CPU time each instead of 0.6.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if TYPE_CHECKING:
    from experiments.runtime.study import Record, Study

EPILOG = (
    "Completion of words in bash, for zsh and fish likewise: "
    'eval "$(_REPGEO_COMPLETE=bash_source repgeo)"'
)
LITTLE = dict(max_content_width=100, help_option_names=["-h", "--help"])


@click.group(context_settings=LITTLE, epilog=EPILOG)
@click.version_option(repgeo.__version__, prog_name="repgeo")
def main() -> None:
    """What learned representations mean: diffusion, similarity, distillation and hubness."""
    if os.environ.get("NO_COLOR"):
        click.get_current_context().color = False
    try:
        repgeo.ours("experiments")
    except ImportError as error:
        raise click.ClickException(str(error)) from error


def publishing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every verb that ends in an answer."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the record as JSON."),
        click.option("--workdir", metavar="DIR", help="Keep the run here; again continues it."),
        click.option("--page", metavar="FILE", help="Also write a page, one .html file."),
    ):
        command = option(command)
    return command


@main.command()
@click.argument("file")
@click.option("--labels", metavar="FILE", help="One label a row: a file, or FILE:COLUMN.")
@click.option("--metric", default="cosine", show_default=True, help="Or euclidean.")
@click.option("--max-queries", default=20_000, show_default=True, help="Rows that ask, of more.")
@click.option("--reductions", is_flag=True, help="Try them on more rows than that: minutes each.")
@publishing
def hubness(file: str, **given: Any) -> None:
    """Whether embeddings are hubby, what that costs, and which reduction to use.

    FILE holds one embedding a row: .npy, .npz[:NAME], .safetensors[:NAME], .csv, .tsv,
    .parquet[:COLUMN], or word2vec's text form (.txt, .vec).
    """

    def verb(options: Mapping[str, Any]) -> int:
        from experiments.hubness import verdict
        from experiments.hubness.study import JUDGEMENT

        config = JUDGEMENT.read({"embeddings": file, **options})
        return answer(JUDGEMENT, config, **asked, text=verdict.as_markdown)

    asked, options = split(given)
    ended(lambda: verb(options))


@main.command()
@click.argument("models", nargs=-1, required=True, metavar="A B [C ...]")
@click.option("--texts", metavar="FILE", help="Texts to run models on, one a line.")
@click.option("--measures", help="Measures of the matrix of three or more; default mcca,cka.")
@click.option("--draws", type=int, help="For chance, 0 or from 20; default 200, 20 a pair of more.")
@click.option("--seed", type=int, help="Of the draws; default 0.")
@click.option("--stacked", is_flag=True, help="The first axis of every array is a seed.")
@publishing
def compare(models: Sequence[str], texts: str | None, **given: Any) -> None:
    """How alike representations or models are, beside chance.

    A and B are files of arrays with one input a row (.npy, .npz[:NAME], .safetensors, .csv, ...),
    a file with f and g being a model; folders of runs; or, with --texts, folders of encoders and
    causal language models.
    """

    def verb(options: Mapping[str, Any]) -> int:
        from experiments.compare.study import STUDY

        chosen = {name: value for name, value in options.items() if value is not None}
        own = {"models": list(models), "texts": as_texts(texts)}
        own["every"] = bool(asked["page"] or asked["workdir"])
        return answer(STUDY, STUDY.read(chosen | own), **asked)

    asked, options = split(given)
    ended(lambda: verb(options))


@main.command()
@click.argument("file")
@click.option("--bias", default="", metavar="FILE", help="One number a label: .npy, or .csv.")
@click.option("--max-labels", default=2_000, show_default=True, help="Rows sampled of more.")
@click.option("--seed", default=0, show_default=True, help="Of that sample.")
@publishing
def audit(file: str, **given: Any) -> None:
    """What cosines between the rows of an unembedding or classifier matrix can tell.

    FILE holds one label a row, as in `repgeo hubness`.
    """

    def verb(options: Mapping[str, Any]) -> int:
        from experiments.label_cosine.study import AUDIT

        return answer(AUDIT, AUDIT.read({"matrix": file, **options}), **asked)

    asked, options = split(given)
    ended(lambda: verb(options))


@main.command()
@click.argument("model")
@click.argument("text")
@click.option("--contexts", default=1_000, show_default=True, help="At most so many.")
@click.option("--length", default=20, show_default=True, help="Tokens of a context.")
@click.option("--dtype", default="float32", show_default=True, help="Of a folder's weights.")
@publishing
def tokens(model: str, text: str, contexts: int, length: int, dtype: str, **given: Any) -> None:
    """Which tokens a language model predicts everywhere, on a text of yours.

    MODEL is a .gguf file, a folder of Hugging Face's transformers, or smollm2; TEXT is a text file
    or a folder of them.
    """

    def verb() -> int:
        from experiments.prediction_hubs.own import own_config
        from experiments.prediction_hubs.study import STUDY

        config = own_config(model, text, contexts=contexts, length=length, dtype=dtype)
        return answer(STUDY, config, **asked)

    asked, _ = split(given)
    ended(verb)


@main.command()
@click.option("--data", required=True, metavar="PATH", help="A folder, a file: see above.")
@click.option("--model", default="diffenc", show_default=True, help="Or vdmv, nt, free, ...")
@click.option("--workdir", required=True, metavar="DIR", help="The run; again continues it.")
@click.option("--size", type=int, help="Side that images are resized to, 0 for none; default 16.")
@click.option("--crop", help="centre (default), stretch, or none for square images.")
@click.option("--channels", type=int, help="1 or 3; default: grey where all images are.")
@click.option("--levels", type=int, help="Of arrays of codes; default 256.")
@click.option("--split", help="seeded, file:FILE of test names, or column:NAME of parquet.")
@click.option("--test-share", type=float, help="Of each class, where the split is drawn; 0.1.")
@click.option("--steps", "num_steps", type=int, help="Default 400.")
@click.option("--batch-size", type=int, help="Default 32.")
@click.option("--learning-rate", type=float, help="At its highest; default 0.002.")
@click.option("--num-samples", default=36, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print what was measured as JSON.")
def train(
    data: str, model: str, workdir: str, as_json: bool, seed: int, num_samples: int, **given: Any
) -> None:
    """Trains a diffusion model on images of yours, to a page with samples.

    --data is a folder of images (classes by subfolder; train/ and test/ above them if you have
    them), a parquet file or folder as Hugging Face writes image sets, a folder of TFDS prepared as
    array_record, or .npy or .npz with integer codes.
    """

    def verb() -> int:
        from experiments.diffenc import page
        from experiments.diffenc.own import complete, own_config, own_data
        from experiments.runtime import files
        from experiments.runtime.files import as_json as to_json
        from experiments.runtime.study import Request

        request = Request(files.folder(workdir), None)
        names = ("num_steps", "batch_size", "learning_rate")
        plan = {n: value for n in names if (value := given.pop(n)) is not None}
        kind = own_data(data, **given)
        config = own_config(kind, model, seed=seed, num_samples=num_samples, **plan)
        found, code = complete(config, request, aside=True)
        if found is not None:
            verdict = click.style(page.verdict(found), bold=True)
            click.echo(to_json(found) if as_json else verdict, nl=not as_json)
            click.echo(f"page: {request.workdir / 'report.html'}", err=True)
        return code

    ended(verb)


@main.command()
@click.argument("name", required=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def studies(context: click.Context, name: str | None, options: Sequence[str]) -> None:
    """Lists what can be reproduced; with a NAME and its options, runs that.

    For example: repgeo studies diffenc.train --config=diffenc/digits.py:vdmv --workdir=DIR
    """
    from experiments.commands import COMMANDS

    known = {command.name: command for command in COMMANDS}
    if name is None:
        width = max(map(len, known))
        for command in COMMANDS:
            click.echo(f"  {click.style(f'{command.name:{width}}', bold=True)}  {command.line}")
        click.echo("\nrepgeo studies NAME --help explains each of them.")
        return
    if name not in known:
        ended(lambda: unknown(name, known))
    module, *first = name.split()
    sys.argv[1:] = [*first, *options]
    runpy.run_module(f"experiments.{module}", run_name="__main__", alter_sys=True)


studies.context_settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def split(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of `publishing`, and the others."""
    asked = {name: given[name] for name in ("as_json", "workdir", "page")}
    return asked, {name: value for name, value in given.items() if name not in asked}


def unknown(name: str, known: Iterable[str]) -> NoReturn:
    """Raises `UserError` for the name of no study."""
    from experiments.runtime.errors import nearest

    raise nearest(name, known, "study")


def as_texts(path: str | None) -> str | None:
    """A plain file as `experiments.data.texts.sources` names it; other names as they are."""
    return f"text:{path}" if path and (pathlib.Path(path).exists() or ":" not in path) else path


def ended(verb: Callable[[], int]) -> NoReturn:
    """Ends the process with the exit code of `verb()`; what the user can mend is one sentence."""
    from experiments.runtime.cli import guarded, keep_output_from_stopping_runs
    from experiments.runtime.errors import UserError

    def spoken() -> int:
        try:
            return verb()
        except UserError as error:  # options have hyphens here, and underscores in experiments
            named = re.sub(r"--\w+", lambda option: option.group().replace("_", "-"), str(error))
            raise UserError(named) from error

    keep_output_from_stopping_runs()
    sys.exit(guarded(spoken))


def answer(study: "Study[Any, Any]", config: Any, *, as_json: bool, **asked: Any) -> int:
    """Runs a study and prints its answer; returns the exit code."""
    from experiments.runtime.answer import answered
    from experiments.runtime.files import as_json as to_json

    text = asked.pop("text", None)
    record, code = answered(study, config, **asked)
    if record is None:
        return code
    if as_json:
        click.echo(to_json(record), nl=False)
    else:
        click.echo(text(record) if text else plain(study, record))
    return 0


def plain(study: "Study[Any, Any]", record: "Record") -> str:
    """What matters of a record, the verdict first, for a terminal."""
    from experiments.reporting.markdown import block
    from experiments.runtime.study import brief

    verdict = click.style(study.reporting.verdict(record), bold=True)
    return f"{verdict}\n\n{block(brief(study, record), titles=True)}"
