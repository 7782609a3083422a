"""`unblinking check`: is this a tree, and which?"""

import click

from ._load import load_tree


@click.command()
@click.argument("target", metavar="FILE[:NAME]")
def check(target: str) -> None:
    """Build the tree that a Python file defines, and print it. Nothing is started.

    Exit code 2, with one line a problem, when something is wrong with it.
    """
    click.echo(str(load_tree(target)))
