"""What a training run says of itself, before it is evaluated."""

from experiments.reporting.markdown import Column, Table, columns
from experiments.reporting.record import Record

TERMS = ("bits_per_dim", "diffusion", "prior", "reconstruction")
SPLITS = {"train": "training batches since the line before", "test": "test split, EMA weights"}


def title(record: Record) -> str:
    return f"Training of {record['model']} on {record['data']['name']}"


def meaning(record: Record) -> tuple[str, ...]:
    """What the figures are."""
    del record
    return ("Bits/dim: upper bounds on −log₂ p(x) per dimension; lower is better.",)


def tables(record: Record) -> list[Table]:
    return [table(record)]


def table(record: Record) -> Table:
    """The last lines of metrics.jsonl."""
    last = {split: record["last"][split] for split in SPLITS if split in record["last"]}
    rows = [[SPLITS[s], line["step"], *(line[t] for t in TERMS)] for s, line in last.items()]
    header = [*columns("of"), Column("step", format=",")]
    header += [Column(term, format=".4f", better="lower") for term in ("total", *TERMS[1:])]
    return Table(header, rows, "The last figures of training")


def verdict(record: Record) -> str:
    """How far training came."""
    line = record["last"].get("test") or record["last"].get("train")
    if line is None:
        return f"{record['model']} is trained; neither its loss nor its test split was asked for."
    return (
        f"{record['model']} is at {line['bits_per_dim']:.4f} bits/dim on the {line['split']} split "
        f"of {record['data']['name']} after {line['step']:,} steps of one seed; the whole test "
        "split with its error is what evaluating it adds."
    )
