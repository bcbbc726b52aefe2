"""YAML model of CSV files that do not follow RFC 4180."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from cluster_assets.domain.text_files import RFC_4180, CsvDialect
from cluster_assets.spec.base import ColumnName, Part


def _check_character(text: str) -> str:
    if len(text) != 1 or text in "\r\n\0" or ord(text) > 127:
        raise ValueError(f"{text!r} is not one ASCII character")
    return text


def _check_quote(text: str) -> str:
    return _check_character(text) if text else text


class Csv(Part):
    """Format of CSV files; the default is a header, commas and double quotes."""

    delimiter: Annotated[str, AfterValidator(_check_character)] | None = Field(
        None,
        description="Separator of values; default: the first comma, tab, semicolon or bar in the header",
    )
    quote: Annotated[str, AfterValidator(_check_quote)] = Field(
        RFC_4180.quote, description="Quote around values with the delimiter; '' for no quotes"
    )
    escape: Annotated[str, AfterValidator(_check_character)] | None = Field(
        None, description="Character before a quote inside a quoted value; default: the quote itself"
    )
    encoding: Literal["utf-8", "utf-16", "latin-1"] = "utf-8"
    null_values: list[str] = Field(
        default_factory=list, description="Values to read as null, besides the empty value, such as [NA, '-']"
    )
    decimal: Literal[".", ","] = Field(".", description="Decimal separator of numbers")
    names: list[ColumnName] = Field(
        default_factory=list, description="Names of all columns, for files without a header"
    )

    @model_validator(mode="after")
    def _differs(self) -> Csv:
        if self.delimiter is not None and self.delimiter in (self.quote, self.escape):
            raise ValueError(f"delimiter {self.delimiter!r} is also the quote or the escape")
        if self.escape is not None and not self.quote:
            raise ValueError("escape needs a quote")
        if len({name.lower() for name in self.names}) < len(self.names):
            raise ValueError(
                "names contains a name twice; names that differ only in case are the same in SQL"
            )
        return self

    @property
    def dialect(self) -> CsvDialect:
        """The dialect for a reader."""
        return CsvDialect(
            delimiter=self.delimiter,
            quote=self.quote,
            escape=self.quote if self.escape is None else self.escape,
            encoding=self.encoding,
            null_values=tuple(self.null_values),
            decimal=self.decimal,
            names=tuple(self.names),
        )
