"""What a compiled program does, read from its text: FLOPs, bytes of HBM, collectives.

XLA's own analysis counts the body of a loop once; here each is counted as often as it runs. Counted
as traffic are the operands and results of what runs as one kernel, of a slice only the slice, and
nothing that the compiler placed in on-chip memory.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
BYTES = {"f64": 8, "s64": 8, "u64": 8, "f32": 4, "s32": 4, "u32": 4, "bf16": 2, "f16": 2}
BYTES |= {"s16": 2, "u16": 2, "pred": 1, "u8": 1, "s8": 1}
FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "iota"}
FREE |= {"partition-id", "replica-id", "copy-done", "async-done", "async-update"}
SLICES = ("dynamic-slice", "gather")  # read no more than their result
INSIDE = r"(?:calls|body|condition|to_apply|true_computation|false_computation)=%?([\w.\-]+)"


class Work(NamedTuple):
    """What one device does in one run of a program.

    flops   of products and convolutions, two a multiply-add
    issued  the same, as often as a TPU takes them in bfloat16 for the precision asked for
    read    bytes that kernels take from HBM or put there
    moved   bytes of the results of each kind of collective
    calls   how many collectives run
    loops   whether the number of turns of every loop was known; else a body was counted once
    """

    flops: float
    issued: float
    read: float
    moved: Mapping[str, float]
    calls: int
    loops: bool


class Instruction(NamedTuple):
    """One line of a computation."""

    name: str
    result: str
    opcode: str
    operands: tuple[str, ...]
    rest: str
    is_root: bool


class Program:
    """The computations of an HLO text by name."""

    def __init__(self, text: str):
        self.computations: dict[str, dict[str, Instruction]] = {}
        self.entry = ""
        lines: dict[str, Instruction] = {}
        for line in text.splitlines():
            if opened := re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\{$", line):
                lines = self.computations[opened[2]] = {}
                self.entry = opened[2] if opened[1] else self.entry
            elif found := _instruction(line):
                lines[found.name] = found

    def work(self) -> Work:
        """Of the whole program."""
        total = dict.fromkeys(("flops", "issued", "read", "calls"), 0.0)
        moved = dict.fromkeys(COLLECTIVES, 0)
        known = True
        for times, sure, where, found in self._runs(self.entry, 1, True):
            known &= sure
            total["read"] += times * self._traffic(where, found)
            kind = found.opcode.removesuffix("-start")
            if kind in COLLECTIVES:
                moved[kind] += times * sum(_sizes(found.result, everywhere=True))
                total["calls"] += times
            for flops, passes in self._products(where, found):
                total["flops"] += times * flops
                total["issued"] += times * flops * passes
        moved = {kind: size for kind, size in moved.items() if size}
        return Work(
            total["flops"], total["issued"], total["read"], moved, int(total["calls"]), known
        )

    def _runs(self, name: str, times: int, sure: bool) -> Iterator[tuple]:
        """(how often, whether that is known, computation, instruction) of each kernel."""
        where = self.computations[name]
        for found in where.values():
            inside = re.findall(INSIDE, found.rest)
            if found.opcode == "while":
                turns = self._turns(found)
                for body in inside:
                    yield from self._runs(body, times * (turns or 1), sure and turns is not None)
            elif found.opcode in ("call", "conditional", "async-start"):
                for body in inside:
                    yield from self._runs(body, times, sure)
            elif found.opcode not in FREE and not found.opcode.endswith("-done"):
                yield times, sure, where, found

    def _turns(self, loop: Instruction) -> int | None:
        """How often a loop runs that counts from 0, as scans do: its text says it, or its end."""
        if said := re.search(r'known_trip_count"?:\{"n":"?(\d+)', loop.rest):
            return int(said[1])
        condition = self.computations[_word(r"condition=%?([\w.\-]+)", loop.rest)]
        ends = [
            re.match(r"(\d+)\)", part.rest)
            for part in condition.values()
            if part.opcode == "constant" and part.result.startswith("s32[]")
        ]
        return int(ends[0][1]) if len(ends) == 1 and ends[0] else None

    def _products(
        self, where: Mapping[str, Instruction], found: Instruction
    ) -> Iterator[tuple[float, int]]:
        """(FLOPs, passes of bfloat16) of each product of a kernel."""
        if found.opcode == "fusion":
            inner = self._called(found)
            for part in inner.values():
                yield from self._products(inner, part)
        elif found.opcode in ("dot", "convolution"):
            yield self._flops(where, found), _passes(where, found)

    def _flops(self, where: Mapping[str, Instruction], found: Instruction) -> float:
        left, right = (_shape(where[name].result) for name in found.operands[:2])
        out = _shape(found.result)
        if found.opcode == "dot":
            axes = _word(r"lhs_contracting_dims=\{([\d,]*)\}", found.rest)
            return 2.0 * math.prod(out) * math.prod(left[int(a)] for a in axes.split(",") if a)
        inputs, kernel, results = (
            _word(pattern, found.rest)
            for pattern in (
                r"dim_labels=(\w+)_",
                r"dim_labels=\w+_(\w+)->",
                r"dim_labels=\w+->(\w+)",
            )
        )
        products = 2.0 * right[kernel.index("i")]
        for axis, size in zip(results, out, strict=True):
            if axis in "bf":
                products *= size
            else:
                products *= _met(left[inputs.index(axis)], size, found.rest, int(axis))
        return products

    def _called(self, found: Instruction) -> Mapping[str, Instruction]:
        return self.computations[_word(INSIDE, found.rest)]

    def _traffic(self, where: Mapping[str, Instruction], found: Instruction) -> float:
        if found.opcode in SLICES:
            return 2.0 * sum(_sizes(found.result))
        if found.opcode == "dynamic-update-slice":
            return 2.0 * sum(_sizes(where[found.operands[1]].result))
        if found.opcode != "fusion":
            given = sum(sum(_sizes(where[name].result)) for name in found.operands if name in where)
            return given + sum(_sizes(found.result))
        inner = self._called(found)
        given = (self._taken(inner, i) for i in range(len(found.operands)))
        return sum(given) + self._written(inner, found)

    def _taken(self, inner: Mapping[str, Instruction], position: int) -> float:
        """Bytes that a fused kernel reads of one operand: of slices only what they hold."""
        own = next(
            p
            for p in inner.values()
            if p.opcode == "parameter" and p.rest.startswith(f"{position})")
        )
        whole, parts = sum(_sizes(own.result)), 0.0
        for user in inner.values():
            for place, name in enumerate(user.operands):
                if name != own.name:
                    continue
                if user.opcode in SLICES and place == 0:
                    parts += sum(_sizes(user.result, everywhere=True)) if whole else 0
                elif user.opcode == "fusion":
                    parts += self._taken(self._called(user), place)
                elif user.opcode != "dynamic-update-slice" or place:
                    return whole
        return min(whole, parts)

    def _written(self, inner: Mapping[str, Instruction], found: Instruction) -> float:
        """Bytes that a fused kernel writes: of an updated array only the update."""
        root = next(part for part in inner.values() if part.is_root)
        if root.opcode == "fusion":
            return self._written(self._called(root), found)
        sizes = _sizes(found.result)
        ends = [inner[n] for n in root.operands] if root.opcode == "tuple" else [root]
        if len(ends) != len(sizes):  # one operation of several results, as a sort of pairs
            return sum(sizes)
        total = 0.0
        for end, size in zip(ends, sizes, strict=True):
            while end.opcode == "bitcast":
                end = inner[end.operands[0]]
            if end.opcode == "dynamic-update-slice":
                size = min(size, sum(_sizes(inner[end.operands[1]].result, everywhere=True)))
            total += size
        return total


def _instruction(line: str) -> Instruction | None:
    found = re.match(r"\s+(ROOT )?%?([\w.\-]+) = (.*)$", line)
    opcode = re.search(r"\s([a-z][a-z0-9\-]*)\(", found[3]) if found else None
    if not found or not opcode:
        return None
    result, rest = found[3][: opcode.start()], found[3][opcode.end() :]
    depth, end = 1, 0
    while depth and end < len(rest):
        depth += {"(": 1, ")": -1}.get(rest[end], 0)
        end += 1
    operands = tuple(re.findall(r"%([\w.\-]+)", rest[:end]))
    return Instruction(found[2], result, opcode[1], operands, rest, bool(found[1]))


def _passes(where: Mapping[str, Instruction], product: Instruction) -> int:
    """How many products in bfloat16 one takes on a TPU, by the precision asked for.

    A float32 operand is cut into bfloat16 pieces, each 2⁻⁸ of the one before; pairs of pieces count
    down to the smallest that is asked for: 6 or 3 of two float32 operands, 3 or 2 of one.
    """
    asked = re.search(r"operand_precision=\{(\w+),", product.rest)
    least = {"high": 2, "highest": 3}.get(asked[1], 1) if asked else 1
    wide = [where[name].result.strip().startswith("f32") for name in product.operands[:2]]
    left, right = (range(least if is_wide else 1) for is_wide in wide)
    return sum(i + j < least for i in left for j in right)


def _met(size: int, results: int, rest: str, axis: int) -> int:
    """Along one axis of a convolution, how many pairs of result and weight meet an entry.

    The rest is padding and the gaps of a dilated array, no arithmetic at all. A TPU's compiler
    writes products of many matrices so, with a window as long as the batch that meets one entry.
    """
    window = _word(r"window=\{([^}]*)\}", rest)

    def given(name: str, default: str) -> list[int]:
        found = re.search(rf"\b{name}=(\S+)", window)
        return [int(n) for n in (found[1].split("x")[axis] if found else default).split("_")]

    (taps,), (before, _) = given("size", "1"), given("pad", "0_0")
    (stride,), (gap,), (apart,) = (given(n, "1") for n in ("stride", "lhs_dilate", "rhs_dilate"))
    places = (
        result * stride + tap * apart - before for result in range(results) for tap in range(taps)
    )
    return sum(0 <= place <= (size - 1) * gap and not place % gap for place in places)


def _shape(result: str) -> list[int]:
    return [int(n) for n in _word(r"\[([\d,]*)\]", result).split(",") if n]


def _word(pattern: str, text: str) -> str:
    """What the pattern's group finds. Raises `ValueError` where it finds nothing."""
    if found := re.search(pattern, text):
        return found[1]
    raise ValueError(f"{pattern} is not in {text[:80]!r}")


def _sizes(result: str, *, everywhere: bool = False) -> list[float]:
    """Bytes of each array of a result; 0 of those outside HBM unless `everywhere`."""
    sizes = []
    for dtype, shape, layout in re.findall(r"(\w+)\[([\d,]*)\](\{[^}]*\})?", result):
        far = re.search(r"S\([1-9]", layout) is None
        count = math.prod(int(n) for n in shape.split(",") if n)
        sizes.append(float(BYTES.get(dtype, 0) * count) if far or everywhere else 0.0)
    return sizes
