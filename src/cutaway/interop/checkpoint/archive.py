"""The zip file around a checkpoint: read with distrust, written so that storages lie at multiples of 64 bytes.

PyTorch stores its records uncompressed, under one folder: `archive/data.pkl`, `archive/data/0`, `archive/version`, ...
What it never writes is refused: compressed or encrypted records (so there is no zip bomb), records that overlap or occur
twice, names that lead out of the folder, sizes beyond the file, wrong checksums.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import IO, Any, NamedTuple

import numpy as np

from cutaway.core.errors import FileFormatError

ALIGNMENT = 64  # bytes: a cache line, and what vector loads want
_END, _END64, _LOCATOR64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_CENTRAL, _LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT = 0xFFFF
_ENCRYPTED = 0x2041  # bits of the flags: encrypted, strongly encrypted, header masked


class Record(NamedTuple):
    """Where a record's bytes lie in the file, and their CRC-32."""

    start: int
    size: int
    checksum: int


class Reader:
    """The records of a checkpoint by name, without the folder that they all lie in.

    f       an open file, seekable; the archive reaches from `base` to its end
    mapped  the same file mapped into memory, or None; storages are then not read and their checksums not looked at

    Raises FileFormatError for whatever PyTorch would not have written.
    """

    def __init__(self, f: IO[bytes], what: str, base: int = 0, mapped: Any = None) -> None:
        self.what, self._f, self._base, self._mapped = what, f, base, mapped
        self._size = f.seek(0, 2) - base
        self.folder = ""
        self.records = self._directory()
        # serialization.set_crc32_options(False) of PyTorch leaves all of them 0.
        self._checked = any(r.checksum for r in self.records.values())

    def read(self, name: str) -> bytes:
        """The bytes of a record.  Raises FileFormatError if there is none, or its checksum is wrong."""
        record = self._record(name)
        data = self._at(record.start, record.size)
        self._check(name, record, data)
        return data

    def array(self, name: str, size: int) -> np.ndarray:
        """A record of `size` bytes as uint8[size] of its own, writable, aligned memory."""
        record = self._record(name)
        if record.size != size:
            raise self.refuse(f"record {name!r} has {record.size} bytes where the tensors say {size}")
        if self._mapped is not None and size:
            mapped = np.frombuffer(self._mapped, np.uint8, size, self._base + record.start)
            return mapped if mapped.ctypes.data % 16 == 0 else mapped.copy()
        array = np.empty(size, np.uint8)
        self._f.seek(self._base + record.start)
        if _fill(self._f, array.data) != size:
            raise self.refuse(f"record {name!r} ends early: the file is truncated")
        self._check(name, record, array)
        return array

    def refuse(self, why: str) -> FileFormatError:
        """The error to raise about this file."""
        return FileFormatError(f"load: {self.what}: {why}; the file is damaged or was not written by save")

    def _record(self, name: str) -> Record:
        record = self.records.get(name)
        if record is None:
            raise self.refuse(f"record {name!r} is missing")
        return record

    def _check(self, name: str, record: Record, data: Any) -> None:
        if self._checked and zlib.crc32(data) != record.checksum:
            raise self.refuse(f"the checksum of record {name!r} is wrong")

    def _at(self, start: int, size: int) -> bytes:
        if not 0 <= start <= start + size <= self._size:
            raise self.refuse(f"bytes {start} to {start + size} are said to matter, the file has {self._size}")
        self._f.seek(self._base + start)
        data = self._f.read(size)
        if len(data) != size:
            raise self.refuse("it ends early")
        return data

    def _directory(self) -> dict[str, Record]:
        count, start, size = self._end()
        raw = self._at(start, size)
        records: dict[str, Record] = {}
        spans: list[tuple[int, int]] = []
        place = 0
        for _ in range(count):
            name, record, header, place = self._entry(raw, place)
            folder, slash, rest = name.partition("/")
            self.folder = self.folder or folder
            self._check_name(name, folder, slash, rest)
            if rest in records:
                raise self.refuse(f"record {rest!r} occurs twice")
            records[rest] = record
            spans.append((header, record.start + record.size))
        if place != size:
            raise self.refuse(f"{size - place} bytes follow the last entry of the zip directory")
        spans.sort()
        for (_, end), (begin, _) in zip(spans, [*spans[1:], (start, start)]):
            if end > begin:
                raise self.refuse("records of the zip file overlap")
        return records

    def _check_name(self, name: str, folder: str, slash: str, rest: str) -> None:
        parts = name.split("/")
        if not slash or not rest or folder != self.folder or any(p in ("", ".", "..") for p in parts):
            raise self.refuse(f"the zip entry {name!r} does not lie in the archive's one folder")
        if any(c in "\\:\0" or ord(c) < 32 for c in rest):
            raise self.refuse(f"the zip entry {name!r} has a name that no checkpoint has")

    def _end(self) -> tuple[int, int, int]:
        """(number of entries, where the zip directory starts, its bytes)."""
        tail = self._at(
            max(0, self._size - _END.size - _LONGEST_COMMENT), min(self._size, _END.size + _LONGEST_COMMENT)
        )
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < _END.size:
            raise self.refuse("there is no end of a zip directory: the file is truncated")
        _, disk, first, here, count, size, start, comment = _END.unpack_from(tail, at)
        end = self._size - len(tail) + at
        if disk or first or here != count or at + _END.size + comment != len(tail):
            raise self.refuse("the end of the zip directory makes no sense")
        if end >= _LOCATOR64.size and (0xFFFFFFFF in (size, start) or count == 0xFFFF):
            mark, _, where, disks = _LOCATOR64.unpack(self._at(end - _LOCATOR64.size, _LOCATOR64.size))
            if mark != b"PK\6\7" or disks > 1:
                raise self.refuse("the zip64 locator makes no sense")
            mark, _, _, _, _, _, here, count, size, start = _END64.unpack(self._at(where, _END64.size))
            if mark != b"PK\6\6" or here != count:
                raise self.refuse("the zip64 directory makes no sense")
            end = where
        if start + size > end or count * _CENTRAL.size > size:
            raise self.refuse("the zip directory lies outside the file")
        return count, start, size

    def _entry(self, raw: bytes, place: int) -> tuple[str, Record, int, int]:
        """(name, record, where its header is, where the next entry starts) of the directory entry at `place`."""
        if place + _CENTRAL.size > len(raw):
            raise self.refuse("the zip directory ends early")
        mark, _, _, flags, method, _, _, crc, packed, size, n, m, k, disk, _, _, header = _CENTRAL.unpack_from(
            raw, place
        )
        after = place + _CENTRAL.size
        following = after + n + m + k
        if mark != b"PK\1\2" or following > len(raw) or disk:
            raise self.refuse("an entry of the zip directory makes no sense")
        encoded = raw[after : after + n]
        try:
            name = encoded.decode("utf-8")
        except UnicodeDecodeError:
            raise self.refuse(f"the zip entry {encoded!r} has a name that is no text") from None
        size, packed, header = _wide(raw[after + n : after + n + m], size, packed, header)
        if method or packed != size or flags & _ENCRYPTED:
            raise self.refuse(f"the zip entry {name!r} is compressed or encrypted, and PyTorch stores as is")
        mark, _, lflags, lmethod, _, _, _, _, _, ln, lm = _LOCAL.unpack(self._at(header, _LOCAL.size))
        if mark != b"PK\3\4" or lmethod or lflags != flags or self._at(header + _LOCAL.size, ln) != encoded:
            raise self.refuse(f"the zip entry {name!r} and its directory disagree")
        start = header + _LOCAL.size + ln + lm
        if start + size > self._size:
            raise self.refuse(f"the zip entry {name!r} reaches beyond the end of the file")
        return name, Record(start, size, crc), header, following


def _wide(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """Sizes and offsets that did not fit 32 bits, from the zip64 field."""
    values = [size, packed, header]
    place = 0
    while place + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, place)
        field = extra[place + 4 : place + 4 + length]
        place += 4 + length
        if tag == 1:
            for i, v in enumerate(values):
                if v == 0xFFFFFFFF and len(field) >= 8:
                    values[i], field = int.from_bytes(field[:8], "little"), field[8:]
    return values[0], values[1], values[2]


def _fill(f: IO[bytes], into: memoryview) -> int:
    """Read until `into` is full or the file ends; how many bytes that were."""
    done, readinto = 0, getattr(f, "readinto", None)
    while done < len(into):
        if readinto is not None:
            n = readinto(into[done:]) or 0
        else:
            chunk = f.read(min(len(into) - done, 1 << 24))
            n = len(chunk)
            into[done : done + n] = chunk
        if not n:
            break
        done += n
    return done


def write(f: IO[bytes], folder: str, records: Iterable[tuple[str, Any]]) -> None:
    """Write (name, bytes or a contiguous array) records as a zip file; the same content gives the same bytes."""
    from zipfile import ZIP_STORED, ZipFile, ZipInfo

    with ZipFile(f, "w", ZIP_STORED) as z:
        for name, data in records:
            about = ZipInfo(f"{folder}/{name}")  # dated 1980
            header = z.start_dir + _LOCAL.size + len(about.filename.encode()) + 4
            pad = -header % ALIGNMENT
            about.extra = b"FB" + struct.pack("<H", pad) + b"Z" * pad
            raw: Any = data.view(np.uint8) if isinstance(data, np.ndarray) else data
            z.writestr(about, memoryview(raw) if len(raw) else b"")
