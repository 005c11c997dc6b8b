"""What a study is, and the one driver that runs it: check, take the folder, compute, publish."""

import dataclasses
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from ml_collections import ConfigDict

from experiments import html
from experiments.runtime import cli, files, manifest, trackers, workspace
from experiments.runtime.errors import UserError
from experiments.runtime.preemption import Stopped, StopSignal
from experiments.runtime.workspace import Say, Workspace

Config = Mapping[str, Any]
Record = Mapping[str, Any]
Table = tuple[str, str]  # its title, and itself in Markdown
RECORD, TABLES, PAGE = "record.json", "tables.md", "report.html"

OPTIONS: Mapping[str, tuple[type, str]] = {
    "record": (str, "Also write the record to this file; its folder is made."),
    "json": (bool, "Print the record as JSON; progress goes to stderr."),
    "init_from": (str, "Folder of a run whose weights a new run starts from, where they fit."),
}


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A config as live objects, after every check; studies add their own fields.

    Attributes:
      config: what config.json holds.
      digests: SHA-256 of the data by name; a resumed run must have the same.
      facts: what manifest.json and the record say of the data.
      layouts: by folder, what makes the abstract state that its checkpoints must fit.
    """

    config: Config
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)
    facts: Any = None
    layouts: Mapping[str, Callable[[], Any]] = dataclasses.field(default_factory=dict)


class Study(NamedTuple):
    """Five functions, and what the driver must know beside them.

    Attributes:
      prepare: every check, before the folder is taken; reads and writes nothing of the run.
      run: computes what is left, in the workspace; returns the entries of the record.
      tables, figures: of a record; figures also of prepared objects and finished parts.
      verdict: the page's first sentence.
      title: of the page.
      fixed: config keys that no resumed run may change, and why.
      trains: whether it writes metrics as it goes, for --track.
      no_weights: why --init_from means nothing; "" where it does.
    """

    name: str
    prepare: Callable[[Config], Any]
    run: Callable[[Any, Workspace], Record]
    tables: Callable[[Record], Sequence[Table]]
    figures: Callable[[Record, Any, Workspace], Mapping[str, Figure]]
    verdict: Callable[[Record], str]
    title: Callable[[Record], str]
    fixed: Mapping[str, str] = {}
    trains: bool = False
    no_weights: str = "it trains nothing"


class Request(NamedTuple):
    """What a command asks for beside its config."""

    workdir: pathlib.Path
    allowed: Sequence[str] = ()
    track: Sequence[str] = ()
    record: pathlib.Path | None = None
    init_from: pathlib.Path | None = None


def run(
    study: Study,
    config: Config | ConfigDict,
    request: Request,
    *,
    stop: StopSignal | None = None,
    say: Say = lambda line: print(line, flush=True),
) -> Record:
    """Runs what is left of a study and publishes it; returns the record.

    Raises:
      Stopped: after a stop signal; what was finished is kept.
      UserError: something is refused, or the file system gave up.
    """
    stop = stop or StopSignal()
    plain = config.to_dict() if isinstance(config, ConfigDict) else config
    _check_request(study, request)
    prepared = study.prepare(plain)
    with workspace.opened(
        request.workdir,
        prepared.config,
        stop,
        allowed=request.allowed,
        fixed=study.fixed,
        digests=prepared.digests,
        facts={"study": study.name, "data": prepared.facts},
        layouts=prepared.layouts,
        track=request.track,
        say=say,
    ) as space:
        space.check()
        found = study.run(prepared, space)
        space.check()
        head = {"study": study.name, "environment": manifest.environment(), "config": plain}
        data = {} if prepared.facts is None else {"data": prepared.facts}
        record = files.plain(head | data | dict(found))
        publish(study, record, prepared, space)
        if request.record:
            files.write(request.record, files.as_json(record))
    return record


def _check_request(study: Study, request: Request) -> None:
    """Refuses options that mean nothing here, before anything is read."""
    if request.track and not study.trains:
        raise UserError(f"--track: {study.name} writes no metrics as it goes; leave it out")
    trackers.check_trackers(request.track)
    if request.init_from and study.no_weights:
        raise UserError(f"--init_from: not for {study.name}: {study.no_weights}")
    if request.record:
        files.check_target(request.record, "--record")
        if request.record.is_dir():
            raise UserError(f"--record={request.record} is a folder; give a file")


def publish(study: Study, record: Record, prepared: Any, space: Workspace) -> None:
    """Writes record.json, tables.md, figures/ and report.html."""
    space.write_json(RECORD, record)
    tables = study.tables(record)
    space.write(TABLES, "\n\n".join(text.strip() for _, text in tables) + "\n")
    drawn = study.figures(record, prepared, space)
    pictures = {name: save_figure(space, name, figure) for name, figure in drawn.items()}
    parts = [html.paragraph(study.verdict(record))]
    for title, text in tables:
        parts += [html.heading(title), html.table(text)]
    for name, path in pictures.items():
        parts += [html.heading(name), html.image(path, name)]
    space.write(PAGE, html.page(study.title(record), parts))


def save_figure(space: Workspace, name: str, figure: Figure) -> pathlib.Path:
    """figures/NAME.png and NAME.pdf; returns the first."""
    from matplotlib import pyplot

    folder = space.path / "figures"
    for kind, options in (("pdf", {}), ("png", {"dpi": 120})):
        space.guard()
        draw = lambda file, kind=kind, options=options: figure.savefig(file, format=kind, **options)
        files.write(folder / f"{name}.{kind}", draw)
    pyplot.close(figure)
    return folder / f"{name}.png"


def command(
    study: Study,
    config: Config | ConfigDict,
    *,
    record: str | None = None,
    json: bool = False,
    init_from: str | None = None,
) -> int:
    """Runs a study as the flags ask, says what came of it, and returns the exit code."""
    request = Request(
        cli.workdir(),
        cli.allowed_changes(),
        cli.trackers(),
        record and pathlib.Path(record),
        init_from and pathlib.Path(init_from),
    )
    out = sys.stderr if json else sys.stdout
    say = lambda line: print(line, file=out, flush=True)
    with StopSignal() as stop:
        try:
            found = run(study, config, request, stop=stop, say=say)
        except Stopped:
            say(
                f"unfinished: {stop.cause}. What is finished is kept in {request.workdir}; the "
                "same command continues"
            )
            return stop.exit_code
    if json:
        print(files.as_json(found), end="", flush=True)
    say((request.workdir / TABLES).read_text())
    say(study.verdict(found))
    say(f"report: {request.workdir / PAGE}")
    return 0


def main(study: Study) -> None:
    """The command line of a study that has a config."""
    cli.run(lambda **given: command(study, cli.config(), **given), options=OPTIONS)
