"""Compares saved models or representations: every measure, every bound, one HTML page.

python -m experiments.compare --models=A.npz,B.safetensors --workdir=DIR [--draws=200]
python -m experiments.compare --models=layers.npz:* --measures=cka,mcca --workdir=DIR
python -m experiments.compare --models=ENCODER,OTHER_ENCODER --texts=text:FILE --workdir=DIR

A model is a file with f (inputs, dim), g (labels, dim) and perhaps b (labels). FILE:NAME is one
array as a representation, FILE:* all of a file; arrays of more axes are flattened to one row an
input, and --stacked takes the first axis of every array for seeds. Files are of any format that
`experiments.arrays` reads. Row i is the same input throughout, or inputs are matched by an array
`ids` in every file. The folder of a closeness or distillation run stands for the models that it
keeps. With --texts a model is also a folder of sentence-transformers or Hugging Face's BERT family,
or hf:FOLDER, gguf:FILE: causal language models. Two entries get every measure and bound; more get
the matrix of each of --measures. DIR receives config.json, manifest.json, parts/, record.json,
tables.md, figures/ and report.html.
"""

from typing import Any

from experiments.compare.study import STUDY
from experiments.runtime import cli, study
from experiments.runtime.errors import UserError

OPTIONS = {
    "models": (str, "Files, FILE:NAME, FILE:*, or folders, separated by commas."),
    "texts": (str, "Texts that models are run on, as text:FILE with one a line, or ag_news:FILE."),
    "measures": (str, "Measures of the matrix, separated by commas; default mcca,cka."),
    "draws": (int, "Draws for chance, 0 or from 20; default 200, a tenth a pair of more."),
    "sets": (int, "Input sets of the log-likelihood variance; default 200."),
    "seed": (int, "Seed of the sets and draws; default 0."),
    "stacked": (bool, "The first axis of every array is a seed, each an entry."),
}


def main(
    models: str | None,
    texts: str | None,
    measures: str | None,
    draws: int | None,
    sets: int | None,
    seed: int | None,
    stacked: bool | None,
    **publishing: Any,
) -> int:
    if not models:
        raise UserError("--models is missing: FILE,FILE or FILE:NAME,FILE:NAME or FILE:*")
    given = dict(models=models.split(","), measures=measures, draws=draws, sets=sets, seed=seed)
    given |= {"stacked": stacked, "texts": texts}
    config = STUDY.read({name: value for name, value in given.items() if value is not None})
    return study.command(STUDY, config, **publishing)


if __name__ == "__main__":
    cli.run(main, options={**OPTIONS, **study.OPTIONS}, needs_config=False)
