"""What a run will cost, estimated by a process of its own; nobody waits for it."""


def words(source, wish):
    """{preset: such as "about 40 s, 1.4 GB"} of what is known so far."""
    return {}


def waited(source, wish):
    """Draw the page anew when an estimate has come."""
