"""Builds the Lambda layer and the function archive of the worker: `python -m deploy.layer`.

Steps, a module each: `lockfile` and `wheels` fetch, `contents` leaves out, `elf` and `elf_trim` check and
shorten shared objects, `bytecode` compiles, `archive` zips, `sizes` gates, `trial` imports what was built.
A package in the making is a mapping from path to bytes, and each step gives a new one.
"""
