"""The table of networks: size, price, published accuracy, and where weights come from under which licence."""

import argparse
import shutil
import textwrap

from toolkit import __version__, errors
from toolkit.backbones import weights
from toolkit.backbones.resnet_table import RESNETS, find

COLUMNS = ("network", "parameters", "multiply-adds", "blocks", "pixels", "paper", "top-1",
           "weights: top-1 in % (licence), the default first")
NUMBERS = (1, 2, 4, 6)                   # columns set to the right


def cells(name):
    """The columns of one network, as text: trained parameters, blocks a stage, top-1 of the default weights."""
    row, known = RESNETS[name], weights.for_network(name)
    score = [f"{source.top1:.1f}" if source.top1 else "–" for source in known]
    return (
        name, f"{row.parameters:,}", f"{row.multiply_adds / 1e9:.2f} G", "-".join(map(str, row.depths)), str(row.size),
        f"arXiv:{row.paper}", score[0] if known else "–",
        ", ".join(f"{source.tag} {top1} ({source.licence})" for source, top1 in zip(known, score)) or "–")


def text(rows, width):
    """`rows` in columns, the last one broken so that a line has `width` characters."""
    sizes = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for *row, last in rows:
        start = "  ".join(cell.rjust(size) if i in NUMBERS else cell.ljust(size)
                          for i, (cell, size) in enumerate(zip(row, sizes))) + "  "
        lines += textwrap.wrap(last, max(width, len(start) + 40), initial_indent=start,
                               subsequent_indent=" " * len(start), break_on_hyphens=False)
    return "\n".join(lines)


def markdown(rows):
    """`rows` as the table of the README."""
    rule = ["---:" if i in NUMBERS else "---" for i in range(len(rows[0]))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))


def main(arguments):
    parser = argparse.ArgumentParser("python -m toolkit.backbones", description=__doc__, epilog="Parameters are the "
                                     "trained ones; multiply-adds are of one picture of the native size in pixels.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("network", nargs="*", help="only these networks (default: all)")
    parser.add_argument("--markdown", action="store_true", help="print the table as it stands in the README")
    options = parser.parse_args(arguments)
    for name in options.network:
        find(name)
    rows = [COLUMNS, *(cells(name) for name in options.network or RESNETS)]
    print(markdown(rows) if options.markdown else text(rows, shutil.get_terminal_size((140, 24)).columns))


if __name__ == "__main__":
    errors.command(main)
