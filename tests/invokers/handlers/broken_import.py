"""Cannot be imported: it asks for a module that is not there."""

import importlib

importlib.import_module("a_module_that_is_not_there")
