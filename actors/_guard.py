"""Refuses to work on top of another package that is named `supervisor`.

PyPI's supervisord installs an import package of that name too. In one environment the one installed last overwrites the
other's files without a word from pip, and without this check what follows is an ImportError that explains nothing.
"""

import supervisor

if getattr(supervisor, "__unblinking__", None) is not True:
    raise ImportError(
        f"the package 'supervisor' at {supervisor.__file__} is not unblinking's: most likely supervisord is installed in "
        "the same environment, and one has overwritten the other. Remove both (pip uninstall supervisor unblinking), "
        "then install unblinking alone; supervisord belongs into an environment of its own, from where it can start "
        "programs of this one."
    )
