"""Help and refusals are fast: they import no Dagster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from cluster_assets.cli import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """\
import json, sys
from cluster_assets.cli import main

codes = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["cluster-assets", *arguments]
    try:
        main()
    except SystemExit as ended:
        codes.append(ended.code)
    if "dagster" in sys.modules:
        sys.exit(f"{arguments} imported Dagster")
print(json.dumps(codes))
"""
ACCEPTED = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]
MISUSED = [[], ["runn"], ["run"], ["run", "attackers", "--nope"], ["backfill", "attackers"]]
REFUSED = [
    ["run", "attackers", "--day", "2013-13-01"],
    ["run", "attackers", "--day", "2099-01-01"],
    ["run", "nobody", "--day", "2013-03-04"],
    ["run", "broken", "--day", "2013-03-04"],
    ["backfill", "broken", "--from", "2013-03-04", "--to", "2013-03-05"],
    ["show", "broken", "--day", "2013-03-04"],
]


def test_help_and_refusals_import_no_dagster(tmp_path: Path) -> None:
    broken = tmp_path / "defs" / "broken" / "defs.yaml"
    broken.parent.mkdir(parents=True)
    broken.write_text(
        "type: cluster_assets.components.ClusteringPipeline\nattributes: {name: broken, entiti: x}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([*ACCEPTED, *MISUSED, *REFUSED])],
        env={
            **os.environ,
            "CLUSTER_HOME": str(tmp_path / "home"),
            "CLUSTER_DEFS": str(broken.parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("did you mean 'entity'") == 3, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    assert codes == [*(0 for _ in ACCEPTED), *(2 for _ in MISUSED), *(1 for _ in REFUSED)]


def test_a_day_that_is_up_to_date_loads_no_numpy() -> None:
    """It takes a quarter of a second, and only the computation of a day needs it."""
    program = (
        "import sys\n"
        "from cluster_assets.assets import daily\n"
        "from cluster_assets.stages.sequence import STAGES\n"
        "assert STAGES and daily\n"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
