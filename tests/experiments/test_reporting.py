"""Tables, pages and figures. Oracles: the standard library's HTML parser, and bytes."""

import base64
import hashlib
import json
import pathlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from experiments.reporting import figures, html, markdown, record
from experiments.reporting.html import Page
from experiments.reporting.markdown import Column, Table, Value, columns
from experiments.runtime import files, records
from experiments.runtime.errors import UserError

MADE = {
    "environment": {
        "command": "python -m x --workdir=<b>",
        "commit": "c0ffee",
        "date": "2026-01-02",
        "packages": {"jax": "0.10", "numpy": "2.0"},
        "python": "3.11",
    }
}


class Reader(HTMLParser):
    """What a browser sees: cells, tags with attributes, and text outside of script and style."""

    def __init__(self):
        super().__init__()
        self.cells, self.tags, self.open, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data
        if not {"script", "style"} & set(self.open):
            self.text += data

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def drawing(caption="**A curve.** Größe ± 1 & more"):
    figure, (axis,) = figures.new((2, 1), caption=caption)
    axis.plot([0, 1])
    return figure


def test_figures_of_a_table_are_shown_with_their_errors():
    shown = Table(
        [
            Column("method"),
            Column("error", "%", ".2f", better="lower"),
            Column("spread", format=".3g", error_format=".1g"),
            Column("γ", missing=""),
        ],
        [
            ["`none`", Value(12.0, 3.0), Value(0.1234, 0.056), None],
            ["**b**", Value(1.0, low=0.5, high=2.0), Value(2.0, float("nan")), "[1, 2]"],
            ["c", None, Value(0.5, format=".0%", strong=True), 3],
        ],
    )
    assert markdown.render(shown).split("\n") == [
        "| method | error % | spread | γ |",
        "|---|---|---|---|",
        "| `none` | 12.00 ± 3.00 | 0.123 ± 0.06 |  |",
        "| **b** | 1.00 [0.50, 2.00] | 2 ± – | [1, 2] |",
        "| c | – | **50%** | 3 |",
    ]


def test_a_block_has_captions_and_commands_and_titles_where_asked():
    first = Table(columns("a"), [["1"]], "First", "Of one run.", record.source(MADE))
    second = Table(columns("", "b"), [["x", "2"]], "Second")
    assert markdown.block([first, second]) == (
        "| a |\n|---|\n| 1 |\n\nOf one run. Command: `python -m x --workdir=<b>`, commit c0ffee, "
        "jax 0.10.\n\n| | b |\n|---|---|\n| x | 2 |\n"
    )
    assert markdown.block([second], titles=True).startswith("**Second.**\n\n| | b |")


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="a row of 1 cells in 2 columns"):
        Table(columns("a", "b"), [["1"]])


def test_records_become_rows_whatever_they_lack():
    found = markdown.of_records(
        [{"x": 1, "y": 2, "z": 3}, {"y": 4}], {"y": Column("Y"), "x": Column("X")}
    )
    assert found.text() == [["2", "1"], ["4", "–"]]


def test_tables_keep_their_cells_whatever_these_hold():
    given = Table(
        columns("token <1>", "N_k"),
        [["`'<|end|>'`", "a|b"], ["**0.7** [0.6, 0.8]", "1 < 2\nnext"]],
    )
    reader = read(html.table(given))
    assert reader.cells == [
        "token <1>", "N_k", "'<|end|>'", "a|b", "0.7 [0.6, 0.8]", "1 < 2\nnext",
    ]  # fmt: skip
    lines = markdown.render(given).split("\n")
    assert lines[2:] == ["| `'<\\|end\\|>'` | a\\|b |", "| **0.7** [0.6, 0.8] | 1 < 2⏎next |"]
    assert markdown.code("a`b") == "`aˋb`"


def test_cells_carry_what_they_are_sorted_by():
    rows = [["a", Value(1234.5, 1.0)], ["b", None], ["c", 7]]
    reader = read(html.table(Table(columns("x", Column("y", format=",.0f")), rows)))
    keys = [cell.get("data-key") for cell in reader.of("td")]
    assert keys == [None, "1234.5", None, None, None, "7.0"]
    assert len(reader.of("button")) == 2
    assert reader.of("div") == [{"class": "scroll"}]


def test_text_is_escaped_and_code_is_kept_as_it_is():
    assert html.inline("**so**: `a **b** <i>` & <script>") == (
        "<b>so</b>: <code>a **b** &lt;i&gt;</code> &amp; &lt;script&gt;"
    )


def test_a_figure_and_its_error_stay_on_one_line():
    assert html.inline("a 95 % interval, 1 ± 2") == "a 95\xa0% interval, 1\xa0±\xa02"


def test_a_page_reads_from_the_verdict_to_the_commit():
    image = figures.Image(png(), "**Curve** of <x>")
    given = Table(columns("a"), [["cell"]], "Table <1>", "Its caption")
    page = Page("T & u", "Verdict `x`.", MADE, ["Meaning."], [given], {"curve": image})
    reader = read(page.render())
    order = ["T & u", "Verdict x.", "Meaning.", "Table <1>", "cell", "Its caption"]
    order += ["Curve of <x>", "python -m x --workdir=<b>", "2026-01-02", "jax 0.10", "c0ffee"]
    places = [reader.text.rindex(text) for text in order]
    assert places == sorted(places)


def test_a_folded_table_is_there_to_be_opened():
    given = Table(columns("a"), [["cell"]], "More", folded=True)
    reader = read(Page("t", "v", {}, (), [given]).render())
    assert len(reader.of("details")) == len(reader.of("summary")) == 1 and reader.cells[1:] == [
        "cell"
    ]
    assert not reader.of("h2")


def test_a_page_needs_no_other_file_and_runs_no_other_script():
    text = Page("t", "v", MADE, (), (), {"c": figures.Image(png(), "c")}).render()
    reader = read(text)
    sources = [attrs["src"] for tag, attrs in reader.tags if "src" in attrs]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")
    assert not any("href" in attrs or tag in ("link", "iframe") for tag, attrs in reader.tags)
    assert not any(name.startswith("on") or name == "style" for _, a in reader.tags for name in a)
    (policy,) = (m["content"] for m in reader.of("meta") if "http-equiv" in m)
    for tag in ("script", "style"):
        (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


def png():
    return figures.save({"x": drawing()}, pathlib.Path(), lambda path, data: None)["x"].png


def test_figures_are_equal_whenever_they_are_saved_and_keep_their_captions(tmp_path):
    def save():
        written = {}
        drawn = {"curve": drawing()}
        images = figures.save(drawn, tmp_path, lambda path, data: written.__setitem__(path, data))
        return written, images

    (first, images), (second, _) = save(), save()
    assert first == second
    assert {path.name for path in first} == {"curve.png", "curve.pdf"}
    for path, data in first.items():
        assert b"Matplotlib v" not in data[:200] and b"CreationDate" not in data
        path.write_bytes(data)
    assert figures.read(tmp_path, ["absent", "curve"]) == images
    assert images["curve"].caption == "**A curve.** Größe ± 1 & more"


def test_a_study_is_published_by_one_call(tmp_path):
    class Study:
        title = staticmethod(lambda found: f"Run {found['n']}")
        verdict = staticmethod(lambda found: "It is so.")
        meaning = staticmethod(lambda found: ["That means this."])
        tables = staticmethod(lambda found: [Table(columns("n"), [[str(found["n"])]], "N")])

    written = {}
    write = lambda path, data: written.__setitem__(path.relative_to(tmp_path).as_posix(), data)
    html.publish(Study, MADE | {"n": 5}, {"curve": drawing()}, tmp_path, write)
    assert list(written) == ["figures/curve.png", "figures/curve.pdf", "tables.md", "report.html"]
    assert written["tables.md"].decode() == "**N.**\n\n| n |\n|---|\n| 5 |\n"
    page = read(written["report.html"].decode())
    assert "Run 5" in page.text and "It is so." in page.text and len(page.of("img")) == 1


class TestRecords:
    def test_the_newest_name_of_a_folder_is_read(self, tmp_path):
        for name in ("result.json", "record.json"):
            (tmp_path / name).write_text(json.dumps({"from": name}))
        assert records.read(tmp_path) == {"from": "record.json"}
        (tmp_path / "record.json").unlink()
        assert records.read(tmp_path) == {"from": "result.json"}

    @pytest.mark.parametrize(
        "content, message",
        [(None, "has not been recorded"), ("{", "not a readable record"), ("[1]", "holds a list")],
    )
    def test_what_is_no_record_is_refused(self, tmp_path, content, message):
        path = tmp_path / "a.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(UserError, match=message):
            records.read(path)
        with pytest.raises(UserError, match="no record; looked for record.json"):
            records.read(tmp_path)

    def test_scripts_get_strict_json(self):
        given = {"b": float("nan"), "a": (1, np.float64("inf")), "c": {"d": 0.5}}
        text = files.as_json(given)
        assert json.loads(text, parse_constant=pytest.fail) == {
            "a": [1, "inf"], "b": "nan", "c": {"d": 0.5},
        }  # fmt: skip

    def test_older_records_have_their_environment_flat(self):
        flat = MADE["environment"] | {"rows": []}
        assert record.facts(flat) == record.facts(MADE)
        assert record.source(flat) == record.source(MADE)
        assert record.facts({}) == {}

    @pytest.mark.parametrize(
        "low, high, said",
        [
            (0.1, 0.2, "higher"),
            (-2, -0.1, "lower"),
            (-0.1, 0.1, "uncertain"),
            (None, None, "uncertain"),
        ],
    )
    def test_an_interval_allows_no_more_than_it_excludes(self, low, high, said):
        assert record.direction(low, high) == said


@pytest.mark.parametrize("width, small", [(750, True), (752, False)])
def test_a_small_figure_is_shown_whole_on_a_telephone(width, small):
    """500 CSS pixels are 750 of a figure's 144 an inch; only `small` ones are scaled down."""
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + (300).to_bytes(4, "big")
    text = Page("t", "v", MADE, (), (), {"c": figures.Image(head, "c")}).render()
    assert ('<img class="small" ' in text) == small
    assert "img:not(.small) { max-width" in text
