"""No text of a pipeline becomes SQL: what is quoted stays quoted on every engine."""

# ruff: noqa: RUF001  # look-alikes of quotes and letters are what is tried

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest
import sqlglot
import sqlglot.expressions as exp
from sqlglot.dialects.dialect import Dialect

from cluster_assets.backends.athena.sql import athena_text, table_item
from cluster_assets.backends.duckdb.sql import duckdb_text
from cluster_assets.backends.ports import Statement
from cluster_assets.backends.trino.sql import trino_text
from cluster_assets.domain.errors import EngineError
from cluster_assets.spec.expressions import (
    check_aggregate,
    check_predicate,
    check_row_expression,
    columns_of,
    parse_expression,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "qz'k\") , zq"
TEXT = "'" + MARK.replace("'", "''") + "'"
NAME = '"' + MARK.replace('"', '""') + '"'
READS_PAYROLL = (
    """max(extract("day from ts) + (select max(salary) from hr.payroll) + extract(day" from ts))"""
)
READS_FILE = (
    """max(date_add('day) + (select max(x0) from read_parquet(''OTHER'')) + interval 1 day', 1, ts))"""
)
WRITES_FILE = (
    """extract("day from ts) >= 0)) group by all) as z) to (lower('/TMP/PWNED.CSV')) --" from ts) >= 0"""
)
WRITERS: dict[str, Callable[[Statement], str]] = {
    "athena": lambda statement: athena_text(statement, {"raw": table_item(("lake", "raw"))}),
    "trino": lambda statement: trino_text(statement, {"raw": table_item(("lake", "raw"))}),
    "duckdb": lambda statement: duckdb_text(statement, {"raw": '"lake"."raw"'}),
}
EXPLOITS = [READS_PAYROLL, READS_FILE, WRITES_FILE]
HOSTILE = [
    'extract("day\'" from ts)',
    'extract("day" from ts)',
    'cast(x as array("varchar) or (1"))',
    'x::"varchar) or (1" ',
    'cast(x as "int")',
    'extract("year from ts) or (1=1) or extract(year" from ts)',
    'extract("day from ts) --" from ts)',
    "date_add('day'', 1, (select 1', 1, ts)",
    "date_diff('day) , (select 1', ts, ts2)",
    "date_trunc('day'') ; select 1 --', ts)",
    "interval '1' \"day || x\" ",
    "interval '1) or (1' day",
    'cast(x as "varchar) or (1=1) or cast(x as varchar")',
    'cast(x as "decimal(10,2)")',
    'try_cast(x as "date""; drop table raw")',
    "cast(x as row(a int))",
    "cast(x as map(varchar, varchar))",
    "cast(x as json)",
    "j_s_o_n_cast(x, 'int')",
    'ceil(x to "day or 1")',
    "floor(x to day)",
    "now()",
    "NOW ()",
    '"now"()',
    "current_timestamp(3)",
    "localtimestamp",
    "sysdate()",
    "random(1, 2)",
    "RAND()",
    '"random"()',
    "uuid()",
    "shuffle(x)",
    "extract(day from now())",
    "date_add('day', 1, now())",
    'extract("day from now()) + extract(day" from ts)',
    'extract("day from random() * ts) + extract(day" from ts)',
    "getenv('HOME')",
    "glob('/etc/*')",
    "query('select 1')",
    "query_table('raw')",
    "current_setting('access_mode')",
    "set_config('a', 'b')",
    "pragma_version()",
    "which_secret('s3://x', 's3')",
    "parquet_metadata('/etc/passwd')",
    "invoker_principal()",
    "transform(x, y -> y)",
    "list_transform(x, y -> getenv('HOME'))",
    "struct_pack(a := x)",
    "columns('.*')",
    "x.y.z",
    "x[1:2]",
    "map {'a': x}",
    "{'a': x}",
    "x || (table raw)",
    "coalesce(x, (values 1))",
    "x in (table raw)",
    "x = some (select 1)",
    'x collate "C" ',
    "x at local",
    "x similar to 'a'",
    "x ~ 'a'",
    "format('%s', x)",
    "listagg(x, ',') within group (order by x)",
    "sum(x) over ()",
    "try(x)",
    "json_extract_scalar(x, '$.a''); drop table raw; --')",
    "json_extract_scalar(x, '$[?(@.a)]')",
    "json_extract_scalar(x, '$..*')",
    "json_value(x, 'strict $.a')",
    "x; --",
    'x -- "\n',
    "x /*! */",
    "x’ or ’1’=’1",
    "ｘ; ｓｅｌｅｃｔ",
    "rеad_text('/etc/passwd')",
    "ſelect",
    "x\u202e",
    "x\u200b",
    "$$abc$$",
    "$1",
    "@@x",
    "x'41'",
    "U&'\\0041'",
    "E'\\x41'",
    "x\x00",
    "'a\x00b' || x",
    '"a\x00" ',
    "'x",
    '"x',
    "x union select 1",
    "x limit 1",
    "x from raw",
    "timestamp()",
    "var_map(x)",
    "match_against(a, b)",
    "j_s_o_n_object(x)",
    "element_at(x)",
]


@pytest.mark.parametrize("text", [*EXPLOITS, *HOSTILE])
@pytest.mark.parametrize("check", [check_row_expression, check_aggregate, check_predicate])
def test_hostile_text_is_refused(text: str, check: Callable[[str], str]) -> None:
    if text.startswith('extract("day" from ts) + extract'):
        assert columns_of(parse_expression('extract("day" from ts)')) == (
            "ts",
        )  # a unit is a unit, quoted too
    with pytest.raises(ValueError, match=r"\w+"):
        check(text)


@pytest.mark.parametrize("text", ["timestamp()", "var_map(x)", "match_against(a, b)"])
def test_wrong_arguments_are_named_without_an_error_of_the_parser(text: str) -> None:
    with pytest.raises(
        ValueError, match="expression: check the number and kinds of its functions' arguments"
    ):
        parse_expression(text)


@pytest.mark.parametrize(
    "name",
    ['a"b', "a'b", "a--b", "a;b", "a/*b*/", "’", "“x”", "a\\", "select", "$$", "a b", "é", "a`b", "\u202e"],
)
def test_odd_names_stay_names(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    for text in (quoted, f"max({quoted})", f"{quoted} || 'x''{name.replace(chr(39), chr(39) * 2)}'"):
        for dialect in ("athena", "trino", "duckdb"):
            tree = sqlglot.parse_one(parse_expression(text).sql(dialect), read=dialect)
            assert columns_of(tree) == (name,)


def statement_of(tree: exp.Expr) -> Statement:
    """A statement over the source rows, whether or not the expression would pass the checks of a pipeline."""
    return Statement("a test", exp.select(exp.alias_(tree, "value")).from_("raw"))


@pytest.mark.parametrize("text", [READS_PAYROLL, """extract("day from ts) --" from ts)"""])
def test_every_engine_refuses_the_text_that_an_expression_escaped_into(text: str) -> None:
    statement = statement_of(sqlglot.parse_one(text, read="athena"))
    for write in WRITERS.values():
        with pytest.raises(EngineError, match="a test was not run"):
            write(statement)


def test_duckdb_refuses_the_unit_that_became_a_query() -> None:
    statement = statement_of(sqlglot.parse_one(READS_FILE, read="athena"))
    with pytest.raises(EngineError, match="a test was not run"):
        duckdb_text(statement, {"raw": '"events"'})


def calls(arguments: tuple[str, ...], most: int) -> Iterator[str]:
    """Every function that sqlglot knows with the mark among its arguments, and forms that are no calls."""
    parser = Dialect.get_or_raise("athena").parser_class
    names = {*parser.FUNCTIONS, *parser.FUNCTION_PARSERS, "HAMMING_DISTANCE", "BIT_COUNT", "CODEPOINT"}
    for name in sorted(names):
        for count in range(1, most + 1):
            for given in itertools.product(arguments, repeat=count):
                if TEXT in given or NAME in given:
                    yield f"{name}({', '.join(given)})"
    for form, mark in itertools.product(FORMS, (TEXT, NAME)):
        yield form.replace("?", mark)


FORMS = """
extract(? from x)
x at time zone ?
interval ? day
interval '1' ?
interval ?
cast(x as ?)
try_cast(x as ?)
x like ? escape ?
trim(? from x)
trim(both ? from x)
position(? in x)
x[?]
substring(x from ? for ?)
x.?
?.x
timestamp ?
date ?
decimal ?
x is ?
x in (?)
x || ?
case x when ? then ? else ? end
x between ? and ?
count(x) filter (where ? = x)
count(distinct ?)
cast(x as decimal(?))
cast(x as varchar(?))
cast(x as timestamp(?))
cast(x as array(?))
not ?
cast(? as date)
current_date at time zone ?
x::?
x ->> ?
- ?
time ?
char ?
ceil(x to ?)
floor(x to ?)
extract(year from ?)
localtime(?)
x collate ?
?
x at time zone interval ? hour
min(x) filter (where x = ?)
x ?
? x
?(x)
x over (partition by ?)
""".strip().splitlines()


def where_the_mark_is(text: str, dialect: str) -> set[str]:
    tokens = sqlglot.tokenize(text, read=dialect)
    return {
        token.token_type.name for token in tokens if "qz" in token.text.lower() or "zq" in token.text.lower()
    }


def check_calls(texts: list[str]) -> int:
    """No mark is outside quotes in the text of any engine; only ValueError refuses. How many pass."""
    passed, refused = 0, []
    for text in texts:
        try:
            tree = parse_expression(text)
        except ValueError:
            continue
        passed += 1
        statement = statement_of(tree)
        for dialect, write in WRITERS.items():
            try:
                written = write(statement)
            except EngineError as error:
                refused.append(f"{text}: {error}")
                continue
            assert where_the_mark_is(written, dialect) <= {"STRING", "IDENTIFIER"}, (text, written)
    assert [one for one in refused if "was not run" in one] == []  # the check of the expression comes first
    return passed


def test_what_is_quoted_stays_quoted_in_every_function() -> None:
    texts = list(calls(("x", TEXT, NAME), 2))
    texts += random.Random(11).sample(list(calls(("x", TEXT, NAME, "'day'"), 3)), 1_000)
    assert check_calls(texts) > 500


@pytest.mark.long
def test_what_is_quoted_stays_quoted_whatever_else_is_given() -> None:
    texts = [*calls(("x", TEXT, NAME, "1", "'day'", "interval '1' day"), 3), *calls(("x", TEXT), 4)]
    assert check_calls(texts) > 5_000
