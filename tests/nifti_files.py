"""NIfTI volumes of a patient with a name, for tests."""

import gzip

import numpy as np

TEXT = "Doe Jane 1970"


def made(array, affine=np.eye(4), packed=True, **header):
    """Bytes of a .nii.gz, or of a .nii; its free text names a patient. header: fields set after nibabel's own."""
    import nibabel

    image = nibabel.Nifti1Image(array, affine)
    image.header["descrip"], image.header["aux_file"] = TEXT.encode(), b"Doe/Jane.txt"
    image.header["intent_name"], image.header["db_name"] = b"Doe Jane", b"Doe Jane"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", TEXT.encode()))
    data = bytearray(image.to_bytes())
    for name, value in header.items():
        head = nibabel.Nifti1Header(bytes(data[:348]), check=False)
        head[name] = value
        data[:348] = head.binaryblock
    return gzip.compress(bytes(data)) if packed else bytes(data)
