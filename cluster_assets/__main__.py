"""`python -m cluster_assets` is the command `cluster-assets`."""

from cluster_assets.cli import main

main()
