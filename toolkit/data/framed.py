"""A row for each frame, page or slice of a file that holds several: PATH#0, PATH#1 and so on."""

from dataclasses import replace

from toolkit.data.reading import count


def every(samples, step=None):
    """`samples` with all frames as rows, each with what the row of its file says; step(done, of) after each file.

    A file that cannot be read keeps its row, and is found to be unreadable later.
    """
    from toolkit.pixels import decode, sources

    paths, repeated, files, several = [], [], 0, 0
    for row, path in enumerate(samples.rows["path"]):
        try:
            names = sources.every(path, samples.read(row))
        except decode.Unreadable:
            names = [path]
        paths += names
        repeated += [row] * len(names)
        if step:
            step(row + 1, len(samples))
        several += len(names) if len(names) > 1 else 0
        files += len(names) > 1
    if not files:
        return samples
    rows = samples.rows.iloc[repeated].reset_index(drop=True)
    rows["path"] = paths
    note = (f"{count(files, 'file')} of several frames, pages or slices gave {count(several, 'picture')}; those of one "
            "file are kept together.")
    return replace(samples, rows=rows, problems=(*samples.problems, note))
