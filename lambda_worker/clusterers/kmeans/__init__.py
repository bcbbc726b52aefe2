"""Clusters around centres: points in, centres and labels out. See `lambda_worker.contract.kmeans`."""
