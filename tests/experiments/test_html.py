"""Oracle: the standard library's own HTML parser."""

from html.parser import HTMLParser

import matplotlib.pyplot as plt

from experiments import html
from experiments.lmhubs import tables


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.cells, self.tags, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and {"td", "th"} & set(self.open):
            self.cells[-1] += data


def read(text):
    reader = Reader()
    reader.feed(text)
    return reader


def test_tables_keep_their_cells_whatever_these_hold():
    rows = [["`'<|end|>'`", "a|b"], ["**0.7** [0.6, 0.8]", "1 < 2\nnext"]]
    reader = read(html.table(tables.markdown(["token", "N_k"], rows)))
    assert reader.cells == [
        "token", "N_k", "'<|end|>'", "a|b", "0.7 [0.6, 0.8]", "1 < 2⏎next",
    ]  # fmt: skip
    assert reader.open == []


def test_code_is_kept_as_it_is():
    assert html.paragraph("**so**: `a **b** <i>`") == (
        "<p><b>so</b>: <code>a **b** &lt;i&gt;</code></p>"
    )
    assert tables.code("a`b") == "`aˋb`"


def test_a_page_needs_no_other_file(tmp_path):
    figure, axis = plt.subplots(figsize=(1, 1))
    axis.plot([0, 1])
    saved = html.save_figures({"curve": figure}, tmp_path / "figures")
    assert {p.name for p in saved["curve"].parent.iterdir()} == {"curve.pdf", "curve.png"}
    text = html.page("t & u", [html.heading("h"), html.image(saved["curve"], "curve")])
    reader = read(text)
    assert reader.open == [] or reader.open == ["html"]
    sources = [attrs["src"] for tag, attrs in reader.tags if tag == "img"]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")
    assert not any("href" in attrs or tag in ("script", "link") for tag, attrs in reader.tags)
