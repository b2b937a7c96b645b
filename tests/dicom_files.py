"""DICOM files of a patient with a name, for tests."""

import io

NAME, NUMBER, UID = "Doe^Jane", "A 17", "1.2.826.999777"


def made(pixels, **header):
    """Bytes of a DICOM file of a named patient."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.file_meta.MediaStorageSOPClassUID = CTImageStorage
    found.file_meta.MediaStorageSOPInstanceUID = UID
    found.PatientName, found.PatientID, found.SOPInstanceUID, found.SOPClassUID = NAME, NUMBER, UID, CTImageStorage
    found.Rows, found.Columns = pixels.shape[-2:] if pixels.ndim == 2 else pixels.shape[1:3]
    if pixels.ndim == 3:
        found.NumberOfFrames = len(pixels)
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated = found.BitsStored = 8 * pixels.dtype.itemsize
    found.HighBit, found.PixelRepresentation = found.BitsStored - 1, int(pixels.dtype.kind == "i")
    for name, value in header.items():
        setattr(found, name, value)
    found.PixelData = pixels.tobytes()
    out = io.BytesIO()
    found.save_as(out, enforce_file_format=True)
    return out.getvalue()
