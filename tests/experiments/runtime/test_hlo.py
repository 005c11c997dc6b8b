"""What a program does, counted in its text. Oracles: a program whose figures are plain, and XLA."""

import jax
import jax.numpy as jnp
import pytest

from experiments.runtime.hlo import Program

# A scan of 7 products as a TPU program has it: no trip count, slices inside fusions, VMEM as S(1).
TEXT = """HloModule jit_f, is_scheduled=true

%fused (p.0: f32[7,64,64], p.1: s32[]) -> f32[64,64] {
  %p.0 = f32[7,64,64]{2,1,0:T(8,128)} parameter(0)
  %p.1 = s32[]{:T(128)S(6)} parameter(1)
  %c.0 = s32[]{:T(128)} constant(0)
  %slice = f32[1,64,64]{2,1,0:T(8,128)} dynamic-slice(%p.0, %p.1, %c.0, %c.0)
  ROOT %flat = f32[64,64]{1,0:T(8,128)} bitcast(%slice)
}

%product (q.0: f32[32,64], q.1: f32[7,64,64], q.2: s32[]) -> f32[32,64] {
  %q.0 = f32[32,64]{1,0:T(8,128)S(1)} parameter(0)
  %q.1 = f32[7,64,64]{2,1,0:T(8,128)} parameter(1)
  %q.2 = s32[]{:T(128)S(6)} parameter(2)
  %w = f32[64,64]{1,0:T(8,128)} fusion(%q.1, %q.2), kind=kLoop, calls=%fused
  ROOT %conv = f32[32,64]{1,0:T(8,128)S(1)} convolution(%q.0, %w), dim_labels=bf_io->bf
}

%body (s.0: (s32[], f32[32,64], f32[7,64,64])) -> (s32[], f32[32,64], f32[7,64,64]) {
  %s.0 = (s32[]{:T(128)}, f32[32,64]{1,0:T(8,128)S(1)}, /*index=2*/f32[7,64,64]{2,1,0}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%s.0), index=0
  %h = f32[32,64]{1,0:T(8,128)S(1)} get-tuple-element(%s.0), index=1
  %ws = f32[7,64,64]{2,1,0:T(8,128)} get-tuple-element(%s.0), index=2
  %next = f32[32,64]{1,0:T(8,128)S(1)} fusion(%h, %ws, %i), kind=kOutput, calls=%product
  %sum = f32[32,64]{1,0:T(8,128)S(1)} all-reduce(%next), channel_id=1, to_apply=%add
  ROOT %t = (s32[], f32[32,64]{1,0}, f32[7,64,64]{2,1,0}) tuple(%i, %sum, %ws)
}

%until (u.0: (s32[], f32[32,64], f32[7,64,64])) -> pred[] {
  %end = s32[]{:T(128)} constant(7)
  %u.0 = (s32[]{:T(128)}, f32[32,64]{1,0}, f32[7,64,64]{2,1,0}) parameter(0)
  %j = s32[]{:T(128)} get-tuple-element(%u.0), index=0
  ROOT %lt = pred[]{:T(512)} compare(%j, %end), direction=LT
}

ENTRY %main (a.0: f32[7,64,64], a.1: f32[32,64]) -> f32[32,64] {
  %a.0 = f32[7,64,64]{2,1,0:T(8,128)} parameter(0)
  %a.1 = f32[32,64]{1,0:T(8,128)} parameter(1)
  %zero = s32[]{:T(128)} constant(0)
  %near = f32[32,64]{1,0:T(8,128)S(1)} copy(%a.1)
  %start = (s32[], f32[32,64]{1,0:T(8,128)S(1)}, f32[7,64,64]{2,1,0}) tuple(%zero, %near, %a.0)
  %loop = (s32[], f32[32,64]{1,0}, f32[7,64,64]{2,1,0}) while(%start), condition=%until, body=%body
  %found = f32[32,64]{1,0:T(8,128)S(1)} get-tuple-element(%loop), index=1
  ROOT %out = f32[32,64]{1,0:T(8,128)} copy(%found)
}
"""


def test_a_loop_counts_as_often_as_it_turns_and_a_slice_for_what_it_holds():
    work = Program(TEXT).work()
    assert work.loops and work.calls == 7
    assert work.flops == work.issued == 7 * 2 * 32 * 64 * 64
    assert work.moved == {"all-reduce": 7 * 4 * 32 * 64}
    # Weights once in all, slice by slice; the rows once in and once out; the compare reads indices.
    plain = 4 * (7 * 64 * 64 + 2 * 32 * 64)
    assert plain <= work.read <= plain + 7 * 32


PAIRS = """
%sorted (p.0: f32[8], p.1: s32[8]) -> (f32[8], s32[8]) {
  %p.0 = f32[8]{0} parameter(0)
  %p.1 = s32[8]{0} parameter(1)
  ROOT %sort = (f32[8]{0}, s32[8]{0}) sort(%p.0, %p.1), dimensions={0}, to_apply=%less
}

%outer (o.0: f32[8], o.1: s32[8]) -> (f32[8], s32[8]) {
  %o.0 = f32[8]{0} parameter(0)
  %o.1 = s32[8]{0} parameter(1)
  ROOT %nested = (f32[8]{0}, s32[8]{0}) fusion(%o.0, %o.1), kind=kCustom, calls=%sorted
}

ENTRY %main (a: f32[8], i: s32[8]) -> (f32[8], s32[8]) {
  %a = f32[8]{0} parameter(0)
  %i = s32[8]{0} parameter(1)
  ROOT %both = (f32[8]{0}, s32[8]{0}) fusion(%a, %i), kind=kCustom, calls=%CALLED
}
"""


@pytest.mark.parametrize("called", ["sorted", "outer"])
def test_a_kernel_that_ends_in_one_operation_of_two_results_writes_both(called):
    """As the search of neighbours does on a TPU."""
    assert Program(PAIRS.replace("CALLED", called)).work().read == 2 * (8 * 4 + 8 * 4)


@pytest.mark.parametrize(
    "precision, halved, passes",
    [("highest", 0, 6), ("high", 0, 3), ("highest", 1, 3), ("high", 1, 2), ("highest", 2, 1)],
)
def test_pairs_of_bfloat16_pieces_that_a_precision_takes(precision, halved, passes):
    """By hand: of three pieces each six pairs are above 2⁻²⁴; with one of one piece, three."""
    asked = f"dim_labels=bf_io->bf, operand_precision={{{precision},{precision}}}"
    text = TEXT.replace("dim_labels=bf_io->bf", asked)
    for name in ("%w", "%q.0")[:halved]:
        text = text.replace(f"{name} = f32", f"{name} = bf16")
    work = Program(text).work()
    assert work.issued == passes * work.flops


def test_a_loop_of_unknown_length_is_said():
    assert not Program(TEXT.replace("constant(7)", "parameter(7)")).work().loops


def test_products_are_those_that_xla_counts():
    """On the program of a CPU, which has no loop here."""

    def f(x, w, k):
        image = jax.lax.conv(x.reshape(2, 4, 8, 8), k, (1, 1), "SAME")
        return (x @ w).sum() + image.sum()

    shapes = ((2, 256), jnp.float32), ((256, 32), jnp.float32), ((3, 4, 3, 3), jnp.float32)
    compiled = jax.jit(f).lower(*(jax.ShapeDtypeStruct(*s) for s in shapes)).compile()
    taps = 8 * 3 - 2  # along an axis, those that meet a pixel and no padding
    products = 2 * 2 * 256 * 32 + 2 * (2 * 3 * 4) * taps**2
    assert Program(compiled.as_text()).work().flops == pytest.approx(products)


CONVOLUTIONS = {
    "padded": {"padding": "SAME"},
    "strided": {"padding": ((1, 2), (0, 1)), "window_strides": (2, 3)},
    "transposed": {"padding": ((2, 2), (2, 2)), "lhs_dilation": (2, 2)},
    "dilated": {"padding": "VALID", "rhs_dilation": (2, 1)},
    "cropped": {"padding": ((-1, 3), (0, 0))},
    "in groups": {"padding": "SAME", "feature_group_count": 2},
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_products_with_padding_are_not_counted(case):
    options = {"window_strides": (1, 1)} | CONVOLUTIONS[case]
    x = jnp.ones((2, 8, 9, 4))
    kernel = jnp.ones((3, 3, 4 // options.get("feature_group_count", 1), 6))
    labels = ("NHWC", "HWIO", "NHWC")
    convolve = lambda x, w: jax.lax.conv_general_dilated(x, w, dimension_numbers=labels, **options)
    made = jax.jit(convolve).lower(x, kernel).compile()
    assert Program(made.as_text()).work().flops == made.cost_analysis()["flops"]


def test_many_products_of_matrices_written_as_one_convolution_count_once():
    # Seven [5, 3] times [3, 4], as a TPU's compiler writes them: the batch is a window's axis.
    text = """
ENTRY %main (a: bf16[7,5,3], b: bf16[7,3,4]) -> bf16[7,5,4] {
  %a = bf16[7,5,3]{2,1,0} parameter(0)
  %b = bf16[7,3,4]{2,1,0} parameter(1)
  ROOT %c = bf16[7,5,4]{2,1,0} convolution(%a, %b), window={size=7 stride=6 pad=0_0 lhs_dilate=7}, \
dim_labels=0bf_0io->0bf
}
"""
    assert Program(text).work().flops == 7 * 2 * 5 * 3 * 4
