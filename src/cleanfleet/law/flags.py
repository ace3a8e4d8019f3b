"""What a cell's tree says about itself: whether it is missing, which names are missing, which marks it carries.

The flags are cells too (truths that are never missing), so that every evaluator computes them like anything else.
Arithmetic takes the flags of all its operands; :func:`~.cells.choose` takes its condition's and those of the branch taken.
"""

from __future__ import annotations

from .cells import FALSE, TRUE, Cell, both, either, negation, picked


class Flags:
    """Derives flag cells, each once."""

    def __init__(self) -> None:
        self._missing: dict[int, Cell] = {}
        self._names: dict[int, dict[str, Cell]] = {}
        self._marks: dict[int, dict[str, Cell]] = {}

    def missing(self, cell: Cell) -> Cell:
        """Whether the cell's value can't be told in this row."""
        found = self._missing.get(id(cell))
        if found is None:
            found = self._missing[id(cell)] = self._find_missing(cell)
        return found

    def _find_missing(self, cell: Cell) -> Cell:
        if cell.op == "input":
            absent: Cell = cell.data.absent
            return absent
        if cell.op == "choose":
            condition, a, b = cell.args
            return either(self.missing(condition), picked(condition, self.missing(a), self.missing(b)))
        if cell.op == "value":
            return either(self.missing(cell.args[0]), cell.data.missing_cell)
        result = FALSE
        for argument in cell.args:
            result = either(result, self.missing(argument))
        return result

    def names(self, cell: Cell) -> dict[str, Cell]:
        """Name -> whether that input or value is missing on this row's own path through the tree.

        Where a condition is missing, or the key of a value, nothing behind it is named: it isn't known to be needed.
        """
        found = self._names.get(id(cell))
        if found is None:
            found = self._names[id(cell)] = self._find_names(cell)
        return found

    def _find_names(self, cell: Cell) -> dict[str, Cell]:
        if cell.op == "input":
            return {cell.data.name: cell.data.absent} if cell.data.absent is not FALSE else {}
        if cell.op == "choose":
            condition, a, b = cell.args
            known = negation(self.missing(condition))
            result = dict(self.names(condition))
            then, other = self.names(a), self.names(b)
            for name in [*then, *(name for name in other if name not in then)]:
                here = both(known, picked(condition, then.get(name, FALSE), other.get(name, FALSE)))
                result[name] = either(result.get(name, FALSE), here)
            return result
        if cell.op == "value":
            (index,) = cell.args
            result = dict(self.names(index))
            if cell.data.missing_cell is not FALSE:
                here = both(negation(self.missing(index)), cell.data.missing_cell)
                result[cell.data.name] = either(result.get(cell.data.name, FALSE), here)
            return result
        return self._joined([self.names(argument) for argument in cell.args])

    def marks(self, cell: Cell) -> dict[str, Cell]:
        """Mark -> whether a value that bears it was used on this row's path (of a row in which nothing is missing)."""
        found = self._marks.get(id(cell))
        if found is None:
            found = self._marks[id(cell)] = self._find_marks(cell)
        return found

    def _find_marks(self, cell: Cell) -> dict[str, Cell]:
        if cell.op == "choose":
            condition, a, b = cell.args
            result = dict(self.marks(condition))
            then, other = self.marks(a), self.marks(b)
            for mark in [*then, *(mark for mark in other if mark not in then)]:
                here = picked(condition, then.get(mark, FALSE), other.get(mark, FALSE))
                result[mark] = either(result.get(mark, FALSE), here)
            return result
        result = self._joined([self.marks(argument) for argument in cell.args])
        if cell.op == "value":
            for mark, here in cell.data.mark_cells.items():
                result[mark] = either(result.get(mark, FALSE), here)
        return result

    @staticmethod
    def _joined(parts: list[dict[str, Cell]]) -> dict[str, Cell]:
        result: dict[str, Cell] = {}
        for part in parts:
            for name, here in part.items():
                result[name] = either(result.get(name, FALSE), here)
        return result


def any_of(cells: list[Cell]) -> Cell:
    result = FALSE
    for one in cells:
        result = either(result, one)
    return result


__all__ = ["TRUE", "Flags", "any_of"]
