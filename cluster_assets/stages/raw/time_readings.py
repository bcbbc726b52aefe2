"""Diagnosis of a time column that cannot be read: which formats would read all of its values."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlglot.expressions as exp

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import bind
from cluster_assets.backends.text_files.faults import line_of
from cluster_assets.domain.column_types import is_number
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import ClusterAssetsError, SourceSchemaError
from cluster_assets.domain.times.formats import ISO
from cluster_assets.domain.times.guesses import EPOCH_PATTERNS, formats_of, shown_reading
from cluster_assets.domain.times.hints import hint_of
from cluster_assets.spec.expressions import DIALECT, parse_expression, time_tree
from cluster_assets.stages.points.kinds.moments import reads, regexp_like, time_of, type_of
from cluster_assets.stages.points.kinds.raw_columns import of_raw
from cluster_assets.stages.raw.source import source_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cluster_assets.backends.ports import Backend
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.raw.source import DaySource

_MOST = 12  # maximum number of formats to try on all values


@dataclass(frozen=True, slots=True)
class Readings:
    """The formats that can read the values of a time column.

    Attributes:
        values: Number of values that are not null.
        example: A value; if no format reads all values, one that the best format cannot read.
        fitting: Formats that read all values; `ISO 8601` needs no declaration.
        best: If no format reads all values, the one that reads most and the number it cannot read.
        uri: A file that holds the example, with the line for a text file.
        declared: The declared format; `epoch_seconds` for `from_unixtime(t)`.
        column: The `t` of `from_unixtime(t)`.
    """

    values: int
    example: str
    fitting: tuple[str, ...]
    best: tuple[str, int] | None = None
    uri: str | None = None
    declared: str | None = None
    column: str | None = None

    @property
    def is_read(self) -> bool:
        """Whether the declared format, ISO 8601 by default, reads all values."""
        return self.values == 0 or (self.declared or ISO) in self.fitting

    @property
    def declarable(self) -> tuple[str, ...]:
        """Return the values that `raw.time_format` may take; empty if it need not be set."""
        return () if ISO in self.fitting or self.declared else self.fitting

    def error(self, time_column: str) -> SourceSchemaError:
        """Return the error for values that do not have the declared format, or ISO 8601 by default."""
        declared = self.declared
        place = f"{self.uri}, column {time_column}" if self.uri else f"column {time_column}"
        shown = " or ".join(shown_reading(form, self.example) for form in self.fitting)
        if len(self.fitting) > 1:
            return SourceSchemaError(
                f"{self.example!r} reads as {shown}, and so do all {counted(self.values, 'value')} of "
                f"{time_column}"
                if self.values > 1
                else f"{self.example!r}, the only value of {time_column}, reads as {shown}",
                where=place,
                remedy=f"set raw.time_format to one of {', '.join(self.fitting)}",
            )
        if self.fitting:
            iso = self.fitting[0] == ISO
            moved = f"raw.time_column: {self.column} and " if self.column else ""
            return SourceSchemaError(
                f"{time_column} holds {self.example!r}, which is not {declared or ISO}; "
                + (f"all {counted(self.values, 'value')} read" if self.values > 1 else "it reads")
                + f" as {shown}",
                where=place,
                remedy="remove raw.time_format"
                if iso
                else f'set {moved}raw.time_format: "{self.fitting[0]}"',
            )
        hint = hint_of(self.example, _spelled(time_column))
        if self.best is not None:
            form, others = self.best
            return SourceSchemaError(
                f"{counted(others, 'value')} of {self.values:,} of {time_column}, such as {self.example!r}, "
                f"{'is' if others == 1 else 'are'} not {form}, as the others are",
                where=place,
                remedy=(f"{hint}; or " if hint else "")
                + "correct the values, leave such rows out with raw.where, or give raw.time_column an "
                "expression that reads all of them",
            )
        return SourceSchemaError(
            f"{time_column} holds {self.example!r}, which "
            + (
                f"is not {declared}, and no other known format reads it"
                if declared
                else "no known format reads"
            ),
            where=place,
            remedy=f"{hint}; or correct the value, or leave such rows out with raw.where"
            if hint
            else "correct the value, leave such rows out with raw.where, or correct raw.time_format"
            if declared
            else "declare its format under raw.time_format, such as %d/%m/%Y %H:%M:%S, or give "
            "raw.time_column an expression that returns a timestamp",
        )


def _spelled(time_column: str) -> str:
    """Return a time column as part of an expression."""
    return time_column if time_column.isidentifier() else time_tree(time_column).sql(DIALECT)


@contextmanager
def explained_times(spec: PipelineSpec, backend: Backend, source: DaySource) -> Iterator[None]:
    """Replace the error of a statement that failed because a time was unreadable.

    Raises:
        SourceSchemaError: The time column has an unreadable value; names it, the file and fitting formats.
    """
    try:
        yield
    except ClusterAssetsError as error:
        try:
            found = unread_times(spec, backend, source)
        except ClusterAssetsError:
            raise error from None
        if found is None:
            raise
        raise found from error


def check_times(spec: PipelineSpec, backend: Backend, source: DaySource) -> None:
    """Check all values of a time column whose type is not a time type.

    Raises:
        SourceSchemaError: Some values cannot be read.
    """
    if error := unread_times(spec, backend, source):
        raise error


def unread_times(spec: PipelineSpec, backend: Backend, source: DaySource) -> SourceSchemaError | None:
    """Return the error for an unreadable time column; None if it is readable or has a time type."""
    readings = find_readings(spec, backend, source)
    if readings is None or readings.is_read:
        return None
    return readings.error(spec.raw.time_column or "")


def find_readings(spec: PipelineSpec, backend: Backend, source: DaySource) -> Readings | None:
    """Return the formats that read a time column; None if there is none or it has a time type."""
    if spec.raw.time_column is None:
        return None
    schema = source_schema(spec, backend, source)
    value, form = time_of(spec.raw, schema)
    kind = type_of(value, schema)
    if kind != "varchar" and not is_number(kind):
        return None
    text = value
    if kind != "varchar":
        exact = exp.DataType.build("DECIMAL(38, 3)")
        text = exp.cast(exp.cast(value, exact) if kind in ("double", "real") else value, exp.DType.VARCHAR)
    name = value.name if isinstance(value, exp.Column) else None
    found = _Column(spec, backend, source, of_raw(text), kind == "varchar", form, name).readings()
    return replace(found, declared=form, column=name if form != spec.raw.time_format else None)


@dataclass(frozen=True, slots=True)
class _Column:
    spec: PipelineSpec
    backend: Backend
    source: DaySource
    value: exp.Expr
    is_text: bool
    declared: str | None
    name: str | None

    def readings(self) -> Readings:
        row = self._counted(())
        values = int(row["texts"])
        if values == 0:
            return Readings(0, "", ())
        ends = [str(row["least"]), str(row["greatest"])]
        forms = self._candidates(ends)
        row = self._counted([self._reads(form) for form in forms])
        misfits = {form: values - int(row[f"fits_{number}"]) for number, form in enumerate(forms)}
        fitting = tuple(form for form, count in misfits.items() if count == 0)
        if fitting:
            # An example that does not have the declared format, if there is one.
            unread = row.get("misfit_0")
            example = ends[0] if unread is None or forms[0] in fitting else str(unread)
            return Readings(values, example, fitting, uri=self._file_of(example))
        best = min(forms, key=lambda form: misfits[form], default=None)
        if best is None or misfits[best] == values:
            return Readings(values, ends[0], (), uri=self._file_of(ends[0]))
        example = str(row[f"misfit_{forms.index(best)}"])
        return Readings(values, example, (), (best, misfits[best]), self._file_of(example))

    def _candidates(self, ends: Sequence[str]) -> tuple[str, ...]:
        """Return the formats that read both ends, else those that read one, with the declared format."""
        found = [formats_of(text) for text in ends]
        both = [form for form in found[0] if form in found[1]]
        guessed = both or [*found[0], *found[1]]
        declared = [self.declared] if self.declared else []
        iso = [ISO] if self.is_text else []
        return tuple(dict.fromkeys([*declared, *iso, *guessed]))[:_MOST]

    def _reads(self, form: str) -> exp.Expr:
        """Return the condition that a value has a format; a guessed epoch is recognised by its digits."""
        if form in EPOCH_PATTERNS and form != self.declared:
            return regexp_like(self.value, f"^{EPOCH_PATTERNS[form]}$")
        return reads(form, self.value)

    def _counted(self, conditions: Sequence[exp.Expr]) -> Mapping[str, Any]:
        where = self.spec.raw.where
        given = {f"reads_{number}": one for number, one in enumerate(conditions)}
        statement = bind(
            "raw/times.sql",
            structure={"formats": len(conditions)},
            expressions={
                "time": self.value,
                "is_meant": of_raw(parse_expression(where)) if where else exp.true(),
                **given,
            },
        )
        return self.backend.engine.fetch(statement, {"raw": self.source.relation}).rows[0]

    def _file_of(self, text: str) -> str | None:
        if not self.source.files:
            return None
        statement = bind(
            "raw/file_of_time.sql",
            expressions={"time": self.value, "text": exp.Literal.string(text)},
        )
        found = self.backend.engine.fetch(statement, {"raw": self.source.relation}).rows[0]["uri"]
        return None if found is None else f"{found}{self._line_in(str(found), text)}"

    def _line_in(self, uri: str, text: str) -> str:
        """Return `, line 7` for a text file whose column holds the text itself."""
        files = self.source.relation
        if not isinstance(files, FileRelation) or files.format == "parquet" or self.name is None:
            return ""
        return line_of(uri, files.format, files.dialect, self.name, text)
