"""Shared parts of the SQL engines: tables become FROM items, and trees become SQL text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import sqlglot.expressions as exp
from sqlglot.errors import ErrorLevel, SqlglotError

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.errors import EngineError, SourceMissingError, SourceUnreadableError
from cluster_assets.spec.expressions import DIALECT
from cluster_assets.spec.expressions.printed import SOURCE_ROWS, check_statement, reads_of_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from cluster_assets.backends.ports import Relation, Statement, TableRelation
    from cluster_assets.domain.tables import Column


class FileEngine(ABC):
    """An engine that reads files and tables; a context manager that closes the engine on exit."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    @abstractmethod
    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Return the columns of each file by URI."""

    @abstractmethod
    def describe_table(self, relation: TableRelation) -> tuple[Column, ...]:
        """Return the columns of a table."""

    def describe(self, relation: Relation) -> tuple[Column, ...]:
        """Return the columns of a relation, the union over its files; see `ports.SqlEngine`."""
        if not isinstance(relation, FileRelation):
            return self.describe_table(relation)
        if not relation.uris:
            return relation.columns
        merged: dict[str, Column] = {}
        for found in self.describe_files(relation).values():  # the first spelling and type of each
            merged = {column.name: column for column in found} | merged
        return tuple(merged.values())


def gone(uri: str) -> SourceMissingError:
    """Return the error for a missing file."""
    return SourceMissingError(f"{uri} is gone", where=uri, remedy="put the file back, then run the day again")


def unreadable(uri: str, what: str, form: str = "parquet") -> SourceUnreadableError:
    """Return the error for a file that does not have its format."""
    return SourceUnreadableError(
        f"a file is not readable as {form}: {what}",
        where=uri,
        remedy="replace the file: it is truncated, corrupt or of another format",
    )


def other_columns(name: str, table: str, found: Iterable[Column], expected: Iterable[Column]) -> EngineError:
    """Return the error for a statement whose columns differ from the contract of its table."""
    actual, wanted = (", ".join(f"{one.name} {one.type}" for one in columns) for columns in (found, expected))
    return EngineError(f"{name} does not fill the table {table}: it returns {actual}; expected {wanted}")


def used_relations(
    statement: Statement, names: Iterable[str], relations: Mapping[str, Relation]
) -> dict[str, Relation]:
    """Return the relations that a statement reads.

    Raises:
        EngineError: One is missing.
    """
    names = tuple(names)
    if missing := [name for name in names if name not in relations]:
        raise EngineError(f"{statement.name} reads {', '.join(missing)}, which it was not given")
    return {name: relations[name] for name in names}


def replace_tables(statement: Statement, tree: exp.Query, item_of: Callable[[str], exp.Expr | None]) -> None:
    """Replace the tables of a tree by FROM items, except those that it defines itself.

    Args:
        statement: Named in messages.
        tree: Tree of the statement; it is modified in place.
        item_of: Returns a new node for a table, None for an unknown one; called for each occurrence.

    Raises:
        EngineError: A table is unknown.
    """
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if not table.db and table.name in local:
            continue
        item = None if table.db else item_of(table.name)
        if item is None:
            raise EngineError(f"{statement.name} reads {table.sql()}, which it was not given")
        item.set("alias", exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True)))
        table.replace(item)


def substituted(statement: Statement, items: Mapping[str, exp.Expr]) -> exp.Query:
    """Return a copy of a statement's tree that reads from the given FROM items.

    Raises:
        EngineError: A table is unknown.
    """
    tree = statement.tree.copy()
    replace_tables(statement, tree, lambda name: items[name].copy() if name in items else None)
    return tree


def printed(statement: Statement, tree: exp.Query, dialect: str, names: Collection[str]) -> str:
    """Return a tree as SQL text; texts that read source rows are checked after printing.

    Args:
        statement: Named in messages.
        tree: The statement's tree after rewriting.
        dialect: sqlglot's name of the dialect.
        names: Tables that the statement reads.

    Raises:
        EngineError: The dialect cannot express a part of the tree.
    """
    reads = reads_of_tree(tree)
    try:
        text = tree.sql(dialect, unsupported_level=ErrorLevel.RAISE, comments=False, copy=False)
    except SqlglotError as error:
        raise EngineError(
            f"{statement.name} cannot be written in {dialect}: {error}",
            remedy="use a function that every engine supports",
        ) from error
    if SOURCE_ROWS in names:
        check_statement(statement.name, text, dialect, reads)
    return text


def athena_kind(name: str) -> exp.DataType:
    """Return the node of a type; Athena and Trino use the same names."""
    return exp.DataType.build(name, dialect=DIALECT)


def empty_item(
    columns: Iterable[Column], kind_of: Callable[[str], exp.DataType] = athena_kind
) -> exp.Subquery:
    """Return a FROM item with typed columns and no rows.

    Args:
        columns: At least one.
        kind_of: Maps an Athena type to the engine's type.

    Raises:
        EngineError: There are no columns.
    """
    nulls = [
        exp.alias_(exp.Cast(this=exp.null(), to=kind_of(column.type)), column.name, quoted=True)
        for column in columns
    ]
    if not nulls:
        raise EngineError("an empty relation needs columns")
    return exp.select(*nulls).where(exp.false()).subquery()
