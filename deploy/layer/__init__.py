"""Builds the Lambda layer and the function archive of the worker: `python -m deploy.layer`.

pip installs the locked wheels into a folder, `compileall` compiles them, `archive` zips the folder, and
`trial` imports and runs the zipped files. docs/layer.md explains the reason for each step.
"""
