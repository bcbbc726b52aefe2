"""Certificates of density: cores, and near pairs that give DBSCAN the clusters of all near pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from lambda_worker.certificates.cells import certify_cells
from lambda_worker.certificates.counted import certify_by_count
from lambda_worker.certificates.points import read_weighted_points
from lambda_worker.contract.certificates import CertifyReply
from lambda_worker.degrees import core_blocks
from lambda_worker.forests.files import write_columns
from lambda_worker.measure.pairs import PairFiles

if TYPE_CHECKING:
    from lambda_worker.certificates.points import Certificate, WeightedPoints
    from lambda_worker.contract.certificates import CertifyEvent


def certify(event: CertifyEvent) -> CertifyReply:
    """Write the cores of a day, and pairs that are enough.

    Raises:
        ContractError: The event or an input file is not of the contract, or there are too many pairs.
    """
    points = read_weighted_points(event.points, event.columns, event.point_count)
    certificate = _certificate(points, event)
    files = PairFiles(event.pairs, event.max_pairs)
    files.write_listed(certificate.pairs())
    cores, core_bytes = write_columns(event.cores, ("point_id",), core_blocks(certificate.core))
    return CertifyReply(
        ok=True,
        files=tuple(files.files),
        pairs=files.pairs,
        cores=cores,
        core_bytes=core_bytes,
        bytes=core_bytes + sum(file.bytes for file in files.files),
        tested=certificate.tested,
    )


def _certificate(points: WeightedPoints, event: CertifyEvent) -> Certificate:
    by_cells = certify_cells(points, event.metric, event.threshold, event.min_samples)
    if by_cells is not None:
        return by_cells
    with threadpool_limits(limits=1, user_api="blas"):
        return certify_by_count(points, event.metric, event.threshold, event.min_samples)
