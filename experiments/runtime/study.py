"""What a study is, and the one driver that runs it: check, take the folder, compute, publish."""

import dataclasses
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from experiments.reporting.html import NAME, Reporting, publish
from experiments.reporting.markdown import Table, block
from experiments.runtime import cli, files, manifest, settings, trackers, weights, workspace
from experiments.runtime.distributed import is_lead
from experiments.runtime.errors import UserError
from experiments.runtime.preemption import Stopped, StopSignal
from experiments.runtime.workspace import Say, Workspace

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from matplotlib.figure import Figure

Config = TypeVar("Config", bound="DataclassInstance")
Record = Mapping[str, Any]
RECORD = "record.json"

OPTIONS: Mapping[str, tuple[type, str]] = {
    "record": (str, "Also write the record to this file; its folder is made."),
    "json": (bool, "Print the record as JSON; progress goes to stderr."),
    "init_from": (str, "Folder of a run whose weights a new run starts from, where they fit."),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(Generic[Config]):
    """A config as live objects, after every check; studies add their own fields.

    Attributes:
      config: as it was given; config.json holds it.
      digests: SHA-256 of the data by name; a resumed run must have the same.
      facts: what manifest.json and the record say of the data.
      stated: what manifest.json says beside that.
      layouts: by folder, what makes the abstract state that its checkpoints must fit.
    """

    config: Config
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)
    facts: Any = None
    stated: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    layouts: Mapping[str, Callable[[], Any]] = dataclasses.field(default_factory=dict)


Ready = TypeVar("Ready", bound=Prepared[Any])


class Study(NamedTuple, Generic[Config, Ready]):
    """What a study is, and what the driver must know beside that.

    Attributes:
      settings: the class of its config.
      prepare: every check, before the folder is taken; writes nothing.
      run: computes what is left, in the workspace; returns the entries of the record.
      figures: of a record, of prepared objects and of finished parts.
      reporting: title, verdict, meaning and tables of a record; a module tables.py is one.
      page: writes a page of the whole folder in place of the record's own.
      fixed: config keys that no resumed run may change, and why.
      trains: whether it writes metrics as it goes, for --track.
      no_weights: why --init_from means nothing; "" where it does.
      key: what messages say before a key of the config: how its flags begin.
    """

    name: str
    settings: type[Config]
    prepare: Callable[[Config], Ready]
    run: Callable[[Ready, Workspace], Record]
    figures: Callable[[Record, Ready, Workspace], "Mapping[str, Figure]"]
    reporting: Reporting
    page: Callable[[Workspace], object] | None = None
    fixed: Mapping[str, str] = {}
    trains: bool = False
    no_weights: str = "it trains nothing"
    key: str = "config."

    def read(self, given: Mapping[str, Any]) -> Config:
        """The config with these values. Raises `UserError` for what its fields do not accept."""
        return settings.read(self.settings, given, self.key)


class Request(NamedTuple):
    """What a command asks for beside its config.

    Attributes:
      allowed: config keys that may change in a resumed run; None where no option could say so.
      page: whether tables, figures and the page are written as well as the record.
    """

    workdir: pathlib.Path
    allowed: Sequence[str] | None = ()
    track: Sequence[str] = ()
    record: pathlib.Path | None = None
    init_from: pathlib.Path | None = None
    page: bool = True


def run(
    study: Study[Config, Ready],
    config: Config,
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
    stop = StopSignal() if stop is None else stop  # a signal that has not come is false
    _check_request(study, request)
    plain = settings.plain(config)
    prepared = study.prepare(study.read(plain))
    source = request.init_from
    borrowed = source and weights.read(source, next(iter(prepared.layouts.values()))())
    origin = manifest.origin(request.workdir, source, borrowed and borrowed.step)
    with workspace.opened(
        request.workdir,
        plain,
        stop,
        allowed=request.allowed,
        fixed=study.fixed,
        digests=prepared.digests,
        facts={"study": study.name, "data": prepared.facts, **prepared.stated, **origin},
        layouts=prepared.layouts,
        track=request.track,
        weights=borrowed,
        say=say,
    ) as space:
        space.check()
        found = study.run(prepared, space)
        space.check()
        head = {"study": study.name, "environment": manifest.portable(), "config": plain}
        data = {} if prepared.facts is None else {"data": prepared.facts}
        record = files.plain(head | data | dict(found))
        if is_lead():
            space.write_json(RECORD, record)
            if request.page:
                _publish(study, record, prepared, space)
            if request.record:
                files.write_record(request.record, record)
    return record


def _publish(
    study: Study[Config, Ready], record: Record, prepared: Ready, space: Workspace
) -> None:
    drawn = study.figures(record, prepared, space)
    publish(study.reporting, record, drawn, space.path, space.put)
    if study.page is not None:
        study.page(space)


def _check_request(study: Study[Any, Any], request: Request) -> None:
    """Refuses options that mean nothing here, before anything is read."""
    files.folder(request.workdir)
    if request.track and not study.trains:
        raise UserError(f"--track: {study.name} writes no metrics as it goes; leave it out")
    trackers.check_trackers(request.track)
    if request.init_from and study.no_weights:
        raise UserError(f"--init_from: not for {study.name}: {study.no_weights}")
    if request.record:
        files.check_file(request.record, "--record", ".json")
        if request.workdir.resolve() in request.record.resolve().parents:
            raise UserError(
                f"--record={request.record} lies in the run's own folder, which holds its record "
                f"as {RECORD}; give a place outside {request.workdir}"
            )


def finished(
    study: Study[Config, Ready],
    config: Config,
    *,
    record: str | None = None,
    json: bool = False,
    init_from: str | None = None,
) -> tuple[bool, int]:
    """Runs a study as the flags ask and says what came of it: whether it ended, and exit code."""
    request = Request(
        cli.workdir(),
        cli.allowed_changes(),
        cli.trackers(),
        pathlib.Path(record) if record else None,
        pathlib.Path(init_from) if init_from else None,
    )
    found, code = attempted(study, config, request, aside=json)
    if found is None:
        return False, code
    if json:
        print(files.as_json(found), end="", flush=True)
    say = speaker(json)
    say(block(brief(study, found), titles=True))
    say(study.reporting.verdict(found))
    say(f"report: {request.workdir / NAME}")
    return True, 0


def attempted(
    study: Study[Config, Ready], config: Config, request: Request, *, aside: bool = True
) -> tuple[Record | None, int]:
    """Runs a study until it ends or a signal comes: its record or None, and the exit code.

    Progress is printed to stderr if `aside`, where stdout is for the answer alone.
    """
    say = speaker(aside)
    with StopSignal() as stop:
        try:
            return run(study, config, request, stop=stop, say=say), 0
        except Stopped:
            say(
                f"unfinished: {stop.cause}. What is finished is kept in {request.workdir}; the "
                "same command continues"
            )
            return None, stop.exit_code


def speaker(aside: bool) -> Say:
    """What prints a line at once: to stderr if `aside`, and in the lead process alone."""
    out = sys.stderr if aside else sys.stdout
    return (lambda line: print(line, file=out, flush=True)) if is_lead() else (lambda line: None)


def brief(study: Study[Any, Any], record: Record) -> list[Table]:
    """The tables that a terminal takes: a module with more to show than that has `brief`."""
    return list(getattr(study.reporting, "brief", study.reporting.tables)(record))


def command(study: Study[Config, Ready], config: Config, **publishing: Any) -> int:
    """Runs a study as the flags ask; returns the exit code."""
    return finished(study, config, **publishing)[1]


def main(study: Study[Any, Any]) -> None:
    """The command line of a study that has a config."""
    cli.run(lambda **given: command(study, study.read(cli.config()), **given), options=OPTIONS)
