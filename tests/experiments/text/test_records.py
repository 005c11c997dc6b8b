"""Oracle: figures of made-up records, where they must stand."""

import json

from experiments.text.records import sbert_table


def side(rho, skewness):
    found = {"skewness": skewness, "robin_hood": 0.25, "robin_hood_null": 0.125, "num_texts": 2552}
    return {"sts_test_spearman": rho, "hubness_sts": found}


def test_trained_encoders_stand_before_and_after(tmp_path):
    for loss in ("cos", "euclidean"):
        record = {
            "objective": {"loss": loss, "normalisation": "c+n"},
            "before": side(0.82, 1.75),
            "after": side(0.8514, 1.4),
            "model": {"name": "bert", "sha256": "0123456789abcdef"},
            "config": {"train": {"num_steps": 360, "batch_size": 16}},
            "command": "python -m this",
            "commit": "c0ffee",
            "packages": {"jax": "0.10"},
        }
        (tmp_path / f"{loss}.json").write_text(json.dumps(record))
    header, _, first, second, _, caption = sbert_table(tmp_path).strip().split("\n")
    assert "AG News" not in header
    row = "c+n | 360 | 0.8200 → 0.8514 | 1.75 → 1.40 | 0.250 → 0.250 (0.125) |"
    assert first == f"| cos | {row}" and second == f"| euclidean | {row}"
    assert "2,552 STS test sentences" in caption and "0123456789ab…" in caption
