"""Holds roundtrip_wire.py against the golden vectors, and against the tables of docs/wire-v1.md.

    python3 test_vectors.py
"""

import json
import pathlib
import re
import unittest

import roundtrip_wire as wire

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
VECTORS = REPOSITORY / "crates/protocol/tests/vectors.txt"
PAGE = REPOSITORY / "docs/wire-v1.md"
SOURCE = REPOSITORY / "crates/protocol/src"
DRAWING = r"/// ```text\n((?:///(?! ```).*\n)+)/// ```\n(?:///.*\n)*(?:#.*\n)*pub struct (\w+)"


class Vectors(unittest.TestCase):
    def vectors(self):
        lines = [line for line in VECTORS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        self.assertTrue(lines, "there are vectors")
        for line in lines:
            name, data, frame, fields, payload, *_ = [*line.split(" | "), ""]
            with self.subTest(name):
                yield bytes.fromhex(data), frame, json.loads(fields.removesuffix(" |")), bytes.fromhex(payload)

    def test_every_vector_is_read_as_the_values_beside_it(self):
        for data, frame, fields, payload in self.vectors():
            self.assertEqual(wire.read_frame(data), (frame, fields, payload))

    def test_the_values_beside_every_vector_are_written_as_its_bytes(self):
        for data, frame, fields, payload in self.vectors():
            self.assertEqual(wire.write_frame(frame, fields, payload).hex(), data.hex())

    def test_every_frame_has_a_vector(self):
        seen = {frame for _, frame, _, _ in self.vectors()}
        self.assertEqual(seen, set(wire.TYPES))

    def test_bytes_beyond_the_known_fields_are_skipped(self):
        for data, frame, fields, payload in self.vectors():
            number, header, _ = wire.read_prefix(data)
            longer = data[8 : 8 + header] + b"fields of a later version"
            self.assertEqual(wire.read_frame(wire.write_raw(number, longer, payload)), (frame, fields, payload))

    def test_every_header_that_is_cut_short_is_refused(self):
        for data, _, _, _ in self.vectors():
            number, header, _ = wire.read_prefix(data)
            for end in range(header):
                with self.assertRaises(wire.WireError):
                    wire.read_frame(wire.write_raw(number, data[8 : 8 + end]))


class Page(unittest.TestCase):
    """The tables of the page say the same as the tables of the program."""

    def tables(self, heading):
        """For every heading that matches: its groups, and the cells of the rows of its table."""
        for section in re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            title, _, body = section.partition("\n")
            found = re.fullmatch(heading, title)
            if found:
                body = re.split(r"^## ", body, flags=re.MULTILINE)[0]
                rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
                yield found.groups(), [[cell.strip() for cell in row] for row in rows[2:]]

    def test_every_frame_is_as_its_table_says(self):
        page = {
            (int(number, 16), frame): [(field, kind) for field, kind, _ in rows]
            for (number, frame), rows in self.tables(r"0x([0-9a-f]{2}) (\w+)")
        }
        program = {
            (number, frame.name): [(field, kind.name) for field, kind in frame.fields.items()]
            for number, frame in wire.FRAMES.items()
        }
        self.assertEqual(page, program)

    def test_every_structure_is_as_its_table_says(self):
        tables = list(self.tables(r"Structure (\w+)"))
        self.assertTrue(tables)
        for (name,), rows in tables:
            structure = getattr(wire, name)
            fields = [(field, kind.name) for field, kind in structure.fields.items()]
            self.assertEqual([(field, kind) for field, kind, _ in rows], fields, name)

    def test_every_choice_is_as_its_table_says(self):
        tables = list(self.tables(r"Choice (\w+)"))
        self.assertTrue(tables)
        for (name,), rows in tables:
            choice = getattr(wire, name)
            self.assertEqual([int(number) for number, _, _, _ in rows], list(range(len(rows))), name)
            self.assertEqual([(variant, fields) for _, variant, fields, _ in rows],
                             [(variant, told(variant, fields)) for variant, fields in choice.variants], name)


def told(variant, fields):
    """A variant's fields as the page tells them."""
    if fields is None:
        return ""
    if fields.name == variant:
        return ", ".join(f"{field}: {kind.name}" for field, kind in fields.fields.items())
    return fields.name


class Source(unittest.TestCase):
    """The Rust documentation draws the same bytes."""

    def test_every_frame_and_structure_is_drawn_with_its_fields(self):
        source = "".join(path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.rs")))
        drawn = {name: drawing for drawing, name in re.findall(DRAWING, source)}
        structures = [*wire.FRAMES.values(), *(kind for kind in vars(wire).values() if isinstance(kind, wire.Structure))]
        for structure in structures:
            if structure.fields:
                rows = [line[4:].strip("|") for line in drawn[structure.name].splitlines() if line.startswith("/// |")]
                cells = [cell.strip() for cell in "|".join(rows).split("|")]
                fields = [cell_of(field, kind) for field, kind in structure.fields.items()]
                self.assertEqual(cells, fields, structure.name)


def cell_of(field, kind):
    """A field as it stands in a drawing: a fixed choice shows that it takes four bytes."""
    of = kind.name.replace(" of ", " ")
    plain = isinstance(kind, wire.Choice) and not any(fields for _, fields in kind.variants)
    return field if field == of else f"{field} {of}{' u32' if plain else ''}"


class Absurd(unittest.TestCase):
    def test_an_absurd_length_is_refused_and_not_reserved(self):
        for length in (1 << 60, (1 << 64) - 1):
            header = bytes(9) + wire.u64.write(length)
            with self.assertRaises(wire.WireError):
                wire.text.read(wire.Reader(wire.u64.write(length)))
            with self.assertRaises(wire.WireError):
                wire.Label.read(wire.Reader(header[1:]))

    def test_lengths_that_contradict_each_other_are_refused(self):
        with self.assertRaises(wire.WireError):
            wire.read_prefix(bytes([12, 0, 0, 0, 4, 9, 0, 0]))


if __name__ == "__main__":
    unittest.main()
