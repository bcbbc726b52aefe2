"""Cannot be imported: it imports a module that does not exist."""

import importlib

importlib.import_module("a_module_that_is_not_there")
