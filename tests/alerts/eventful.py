"""Published days with given events of clusters, without running a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from cluster_assets.alerts.days import DayAlerts
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.expectations import CheckOutcome, write_outcomes
from cluster_assets.domain.tables import CLUSTERS, LINEAGE, PROFILES, TableContract, points_contract
from cluster_assets.settings import load_settings
from cluster_assets.spec.notify import Notify
from cluster_assets.stages.day.audit import OUTCOMES
from cluster_assets.stages.ledger.ledger import Draft, Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.domain.manifests import Manifest

_TYPES = {"varchar": "VARCHAR", "bigint": "BIGINT", "double": "DOUBLE", "array(varchar)": "VARCHAR[]"}


@dataclass(frozen=True)
class Happened:
    """A row of lineage."""

    event: str
    stable_id: str
    entities: int
    previous_entities: int = 0
    parent: str | None = None
    name: str | None = None


class Eventful:
    """The days of the pipeline `demo`."""

    def __init__(self, store: ObjectStore, catalog: Catalog) -> None:
        self.store = store
        self.ledger = Ledger(store, catalog, "demo")

    def publish(self, day: str, happened: Sequence[Happened], drift: str = "") -> None:
        """Publish a day, again if it is there; `drift` is what a failed check says."""
        outcomes = [CheckOutcome("drift", passed=not drift, blocking=False, description=drift or "as usual")]
        metrics = {OUTCOMES: write_outcomes(outcomes)}
        self._commit("points", day, points_contract(()), [], {}, metrics)
        rows: list[dict[str, Any]] = [{"cluster": number, **vars(one)} for number, one in enumerate(happened)]
        labels = [{"entity": f"{row['stable_id']} {row['entities']}", "point_id": 0, **row} for row in rows]
        clusters = self._commit("clusters", day, CLUSTERS, labels, {})
        inputs = {"clusters": clusters.content_digest}
        self._commit("lineage", day, LINEAGE, rows, inputs)
        self._commit("profiles", day, PROFILES, rows, inputs)

    def alerts(self, **notify: Any) -> DayAlerts:
        """The alerts of a pipeline with this `notify`."""
        spec = Notify.model_validate({"to": "webhook"} | notify)
        return DayAlerts(spec, self.ledger, self.store, load_settings())

    def _commit(
        self,
        stage: str,
        day: str,
        contract: TableContract,
        rows: Sequence[dict[str, Any]],
        inputs: dict[str, str],
        metrics: dict[str, Any] | None = None,
    ) -> Manifest:
        attempt = self.ledger.start_attempt(stage, parse_day(day))
        files = (
            (_write(f"{attempt.prefix_uri(contract.name)}/00000.parquet", contract, rows),) if rows else ()
        )
        return self.ledger.commit(
            Draft(
                stage=stage,
                day=parse_day(day),
                attempt=attempt,
                input_digest=attempt.id,
                inputs=inputs,
                tables={contract.name: (contract, files)},
                metrics=metrics or {"rows": len(rows)},
            )
        )


def _write(path: str, contract: TableContract, rows: Sequence[dict[str, Any]]) -> WrittenFile:
    Path(path).parent.mkdir(parents=True)
    kinds = ", ".join(f'"{column.name}" {_TYPES[column.type]}' for column in contract.columns)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows ({kinds})")
        marks = ", ".join("?" for _ in contract.columns)
        values = [[row.get(column.name) for column in contract.columns] for row in rows]
        connection.executemany(f"INSERT INTO rows VALUES ({marks})", values)
        connection.execute(f"COPY rows TO '{path}' (FORMAT parquet)")
    return WrittenFile(path, len(rows), Path(path).stat().st_size)
