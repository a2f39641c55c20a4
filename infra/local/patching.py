"""How something of moto's is replaced by ours: by name, and only what is there, so that another moto fails here and not in silence."""

from typing import Any


def put_in_place(owner: Any, **members: Any) -> None:
    """Replace members of one of moto's classes or modules; AttributeError for one that it has not got."""
    for name, member in members.items():
        if not hasattr(owner, name):
            raise AttributeError(f"moto's {owner.__name__} has no {name}: infra/local was written for moto 5.2")
        setattr(owner, name, member)
