"""Rows of a shelf as an array that is computed where it is read."""

import numpy as np

BATCH = 32  # rows that are computed at a time, where nobody says


class Rows:
    """An array (n, ...) of pictures, kept by a shelf; what the shelf lacks, or holds damaged, is computed and kept.

    keys: of each row's picture in the shelf. make(numbers): a list of arrays (m, ...), one a shape of the shelf, of the
    rows `numbers`; `batch`: how many it had best be asked for at a time. Indexed by a number, a slice or an array of
    numbers; of several shapes it gives a list of arrays.
    """

    def __init__(self, shelf, keys, make, batch=BATCH):
        self.shelf, self.keys, self.make, self.batch = shelf, np.asarray(keys, object), make, batch
        self.dtype = shelf.dtype
        self.shape = (len(self.keys), *shelf.shapes[0])
        shelf.want(self.keys)

    def __len__(self):
        return len(self.keys)

    def __getitem__(self, index):
        numbers = np.arange(len(self))[index]
        arrays = self.read(np.atleast_1d(numbers))
        arrays = [array[0] for array in arrays] if np.ndim(numbers) == 0 else arrays
        return arrays if len(arrays) > 1 else arrays[0]

    def read(self, numbers):
        """Arrays (m, ...) of the rows `numbers`, one a shape."""
        found = [self.shelf.row(self.keys[number]) for number in numbers]
        missing = [place for place, row in enumerate(found) if row is None]
        if missing:
            self.compute(numbers[missing])
            for place in missing:
                found[place] = self.shelf.row(self.keys[numbers[place]])
        return self.shelf.arrays(found)

    def kept(self, numbers):
        """As `read`, where the shelf has all of them; KeyError where it has not. Nothing is computed or kept."""
        found = [self.shelf.row(self.keys[number]) for number in numbers]
        if any(row is None for row in found):
            raise KeyError(f"{self.shelf.name} lacks a row")
        return self.shelf.arrays(found)

    def compute(self, numbers):
        """Compute rows and keep them."""
        self.shelf.put(self.keys[numbers], self.make(numbers))

    def fill(self, step=None, batch=None):
        """Compute all that the shelf lacks, `batch` rows at a time; step(done, of) counts all rows."""
        seen, batch = set(), batch or self.batch
        missing = [number for number, key in enumerate(self.keys)
                   if key not in self.shelf and not (key in seen or seen.add(key))]
        done = len(self) - len(missing)
        for start in range(0, len(missing), batch):
            self.compute(np.array(missing[start:start + batch]))
            if step:
                step(done + min(start + batch, len(missing)), len(self))
        self.shelf.flush()
        return self
