"""`cluster-assets sql`: answers, formats, files that a query may open, refusals, and the interactive mode."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from lakes import set_environment
from waiting import LONGEST_S

import cluster_assets
from cluster_assets.cli import commands
from cluster_assets.domain.errors import ClusterAssetsError, EngineError, SpecError
from cluster_assets.lake.sql import open_sql
from docs.make_notebook import DAYS

if TYPE_CHECKING:
    from conftest import MakeWriter

COUNTS = "SELECT day, count(*) AS entities FROM attackers.clusters WHERE day {} GROUP BY day ORDER BY day"


def run(*arguments: str, text: str | None = None) -> str:
    done = CliRunner().invoke(commands, ["sql", *arguments], input=text, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_a_query_in_each_format(real_lake: Path) -> None:
    lake = cluster_assets.open_lake()
    counts = [(day.key, lake.read("attackers", "clusters", day.key).rows) for day in DAYS]
    query = COUNTS.format(f"BETWEEN '{DAYS[0]}' AND '{DAYS[1]}'")
    rows = list(csv.reader(io.StringIO(run(query, "--format", "csv"))))
    assert rows == [["day", "entities"], *([day, str(count)] for day, count in counts[:2])]
    found = json.loads(run(query, "--format", "json"))
    assert found == [{"day": day, "entities": count} for day, count in counts[:2]]
    table = run(query)
    assert all(re.search(rf"{day} │ +{count} │", table) for day, count in counts[:2])
    assert "(2 rows)" in table
    # All columns of a table, lists and nulls among them.
    profiles = lake.read("attackers", "profiles", (DAYS[1].key, DAYS[1].key)).to_polars()
    query = f"SELECT * FROM attackers.profiles WHERE day = '{DAYS[1]}' ORDER BY cluster"
    assert json.loads(run(query, "--format", "json")) == json.loads(
        json.dumps(profiles.to_dicts(), default=str)
    )
    assert "…" not in run("SELECT * FROM attackers.profiles", "--wide")
    values = "SELECT 1.5 AS x, [2.0] AS y, 12345678901234567890::DECIMAL(38, 0) AS z, 'nan'::DOUBLE AS nan"
    assert json.loads(run(values, "--format", "json")) == [
        {"x": 1.5, "y": [2], "z": 12345678901234567890, "nan": None}
    ]
    assert run("SELECT 1 AS n, 2 AS n", "--format", "csv") == "n,n\n1,2\n"
    with pytest.raises(SpecError, match="equal names: n, n"):
        run("SELECT 1 AS n, 2 AS n", "--format", "json")


def test_a_query_of_one_day_reads_the_files_of_that_day_only(
    real_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(real_lake, tmp_path / "home")
    set_environment({"CLUSTER_HOME": str(home)}, monkeypatch)
    (first,) = home.rglob(f"clusters/day={DAYS[0]}/*/clusters/*.parquet")
    first.write_bytes(bytes(first.stat().st_size))  # reads check sizes
    with open_sql() as session:
        count = "SELECT count(*) FROM attackers.clusters WHERE day {}"
        assert session.run(count.format(f"= '{DAYS[1]}'")).rows[0][0] > 0
        assert session.run(count.format(f">= '{DAYS[1]}'")).rows[0][0] > 0
        with pytest.raises(EngineError, match="No magic bytes found"):
            session.run(count.format(f"<= '{DAYS[1]}'"))


def test_tables_are_joined_and_days_are_those_of_the_moment(home: Path, write_days: MakeWriter) -> None:
    def clusters(rows: str) -> tuple[object, str]:
        from cluster_assets.domain.tables import CLUSTERS

        return CLUSTERS, f"SELECT * FROM (VALUES {rows}) AS t(entity, point_id, cluster, role)"

    for pipeline in ("attackers", "shops"):
        write_days(pipeline).publish(DAYS[0], clusters=clusters("('a', 0, 0, 'core'), ('b', 1, -1, 'noise')"))
    joined = "SELECT a.entity FROM attackers.clusters AS a JOIN shops.clusters AS s USING (entity, day)"
    with open_sql() as session:
        assert sorted(session.run(joined).rows) == [("a",), ("b",)]
        write_days("shops").publish(DAYS[0], clusters=clusters("('b', 1, -1, 'noise')"))
        write_days("shops").publish(DAYS[1], clusters=clusters("('a', 0, 0, 'core')"))
        assert session.run(joined).rows == [("b",)]
        assert session.run("SELECT count(*) AS n FROM shops.clusters").rows == [(2,)]
        # As in Athena, a quotient of integers is an integer.
        assert session.run("SELECT 7 / 2, 1 AS n, 2 AS n").rows == [(3, 1, 2)]


@pytest.mark.parametrize(
    "query",
    [
        "DROP VIEW attackers.clusters",
        "CREATE TABLE mine AS SELECT * FROM attackers.clusters",
        "COPY attackers.clusters TO '{out}'",
        "COPY (PIVOT attackers.clusters ON role) TO '{out}' (USE_TMP_FILE false)",
        "COPY (SELECT 1) TO '{published}' (FORMAT parquet, USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY (FROM attackers.clusters LIMIT 0) TO '{published}' (USE_TMP_FILE false)",
        "EXPLAIN (ANALYZE) COPY (SELECT 1 AS attackers, 2 AS clusters) TO '{published}' (USE_TMP_FILE false)",
        "INSERT INTO attackers.clusters VALUES ('x', 1, 1, 'core', '2013-03-04')",
        "WITH new AS (INSERT INTO attackers.clusters VALUES ('x') RETURNING *) SELECT * FROM new",
        "ATTACH '{out}'",
        "EXPORT DATABASE '{out}'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA enable_profiling",
        "SELECT * FROM attackers.clusters; DROP VIEW attackers.clusters",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('{home}/**')",
        "SELECT * FROM attackers.clusters WHERE entity IN (SELECT content FROM read_text('{secret}'))",
        "",
        "   ",
        "selec 1",
        "SELECT * FROM attackers.clustres",
        "SELECT * FROM clusters",
    ],
)
def test_nothing_is_written_and_no_other_file_is_read(query: str, real_lake: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\n")
    (published, *_) = sorted(real_lake.rglob("clusters/day=*/*/clusters/*.parquet"))
    before = published.read_bytes(), sorted(real_lake.rglob("*"))
    text = query.format(out=tmp_path / "out", secret=secret, home=real_lake, published=published)
    with open_sql() as session, pytest.raises(ClusterAssetsError) as found:
        session.run(text)
    assert isinstance(found.value, SpecError | EngineError)
    assert "password" not in str(found.value)
    assert (published.read_bytes(), sorted(real_lake.rglob("*"))) == before
    assert not (tmp_path / "out").exists()


def test_an_unknown_table_is_answered_with_what_exists(real_lake: Path) -> None:
    with open_sql() as session:
        with pytest.raises(EngineError, match=r"clustres[\s\S]*pipelines: attackers; tables: .*clusters"):
            session.run("SELECT * FROM attackers.clustres")
        for name in ("attackers.dendrogram", "attacker.clusters", "behaviours.clusters", "nowhere"):
            with pytest.raises(EngineError, match=r"no published table .*\n.*pipelines: attackers") as found:
                session.run(f"SELECT * FROM {name}")
            assert found.value.what.endswith(name.removeprefix("attackers."))
        with pytest.raises(EngineError, match=r'entitty.* Candidate bindings: "entity"'):
            session.run("SELECT entitty FROM attackers.clusters")
        with pytest.raises(EngineError, match="Function with name getenv does not exist") as found:
            session.run("SELECT getenv('HOME') FROM attackers.clusters")
        assert found.value.remedy is None


@pytest.mark.parametrize("query", ["PIVOT attackers.clusters ON role{}", "SELECT * FROM ({})"])
def test_pivot_takes_its_values_in_the_query(real_lake: Path, query: str) -> None:
    pivot = "PIVOT attackers.clusters ON role{} USING count(*) GROUP BY day"
    text = query if "PIVOT" in query else query.format(pivot)
    with open_sql() as session:
        with pytest.raises(SpecError, match=r"PIVOT without its values[\s\S]*IN \('core'"):
            session.run(text.format(""))
        assert session.run(text.format(" IN ('core', 'noise')")).columns[-2:] == ("core", "noise")


def test_queries_from_a_pipe(real_lake: Path) -> None:
    lines = [".tables", "SELECT 'a;b'", " AS x;", "", "SELECT 2 AS y"]
    output = run("--format", "csv", text="\n".join(lines))
    assert "attackers.clusters(entity, point_id, cluster, role, day)" in output
    assert output.endswith("x\na;b\ny\n2\n")
    text = (
        "-- it's one;\n\nSELECT 1 AS a; SELECT 2 AS b; -- two\n/* three;\n*/ SELECT 'c;\n' AS c;\n;\n-- end\n"
    )
    assert list(csv.reader(io.StringIO(run("--format", "csv", text=text)))) == [
        ["a"],
        ["1"],
        ["b"],
        ["2"],
        ["c"],
        ["c;\n"],
    ]
    done = CliRunner().invoke(commands, ["sql"], input="SELECT wrong;\nSELECT 'not reached';\n")
    assert isinstance(done.exception, EngineError)
    assert "not reached" not in done.output


class Terminal:
    """The command on a terminal."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        command = [str(Path(sys.executable).with_name("cluster-assets")), "sql", "--format", "csv"]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.said = ""

    def expect(self, pattern: str) -> None:
        """Read until a text that was not read before matches."""
        assert self._is_said(pattern, LONGEST_S), f"no {pattern!r} in {self.said!r}"

    def interrupt(self, pattern: str) -> None:
        """Press Ctrl-C until a text matches: readline misses a signal that comes just before it waits."""
        deadline = time.monotonic() + LONGEST_S
        while True:
            os.kill(self.process.pid, signal.SIGINT)
            if self._is_said(pattern, 0.2):
                return
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.said!r}"

    def _is_said(self, pattern: str, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.said)):
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                return False
            try:
                self.said += os.read(self.master, 65536).decode()
            except OSError:  # the other side is closed
                pytest.fail(f"ended without {pattern!r}: {self.said!r}")
        self.said = self.said[found.end() :]
        return True

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())


def test_a_terminal(real_lake: Path, tmp_path: Path) -> None:
    for _ in range(2):
        terminal = Terminal(os.environ | {"TERM": "dumb"})
        terminal.expect(r"sql> ")
        terminal.type("SELECT count(*) AS days\n")
        terminal.expect(r"\.\.\.> ")
        terminal.type("FROM (SELECT DISTINCT day FROM attackers.clusters);\n")
        terminal.expect(rf"days\r\n{len(DAYS)}\r\n[\s\S]*sql> ")
        terminal.type("SELECT wrong;\n")
        terminal.expect(r"error: [^\n]*wrong[^\n]*\n[\s\S]*sql> ")
        terminal.type("SELECT count(*) FROM range(4000000) AS a, range(4000000) AS b;\n")
        terminal.expect(r"AS b;\r\n")
        terminal.interrupt(r"sql> ")
        terminal.type(".wrong\n")
        terminal.expect(r"error: there is no command \.wrong; [^\n]*\n[\s\S]*sql> ")
        terminal.type("SELECT 'never asked',\n")
        terminal.expect(r"\.\.\.> ")
        terminal.interrupt(r"sql> ")
        terminal.type("SELECT 41 + 1 AS x;\n")
        terminal.expect(r"x\r\n42\r\n[\s\S]*sql> ")
        terminal.type("\x04")  # Ctrl-D
        assert terminal.process.wait(LONGEST_S) == 0
        os.close(terminal.master)
    history = (real_lake / "sql_history").read_text()
    assert history.count("SELECT 41 + 1 AS x;") == 2
