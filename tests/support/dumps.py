"""Rows in the form of the public dumps, and a reader of that form which has nothing in common with ours."""

from collections.abc import Iterable, Sequence
from datetime import datetime

Row = Sequence[str | None]

KINDS = {
    "departments": ("char 4", "char 40"),
    "employees": ("int", "date", "char 14", "char 16", "gender", "date"),
    "dept_emp": ("int", "char 4", "date", "date"),
    "dept_manager": ("int", "char 4", "date", "date"),
    "titles": ("int", "char 50", "date", "date or null"),
    "salaries": ("int", "int", "date", "date"),
}
"""The types of every table's columns."""

STATEMENT = 20_000  # rows

DEPARTMENTS = (
    "Marketing", "Finance", "Human Resources", "Production", "Development", "Quality Management", "Sales", "Research",
    "Customer Service",
)  # fmt: skip

FEW: dict[str, list[Row]] = {
    "departments": [(f"d{number:03}", name) for number, name in enumerate(DEPARTMENTS, 1)],
    "employees": [("10001", "1953-09-02", "Ada", "O'Hara", "F", "1986-06-26"),
                  ("10002", "1964-06-02", "Bo", "Ng", "M", "1985-11-21")],
    "dept_emp": [("10001", "d005", "1986-06-26", "9999-01-01")],
    "dept_manager": [("10002", "d001", "1985-01-01", "1991-10-01")],
    "titles": [("10001", "Senior Engineer", "1986-06-26", None), ("10002", "Staff", "1996-08-03", "9999-01-01")],
    "salaries": [("10001", "60117", "1986-06-26", "1987-06-26")],
}  # fmt: skip


def literal(kind: str, value: str | None) -> str:
    if value is None:
        return "NULL"
    return value if kind == "int" else "'" + value.replace("'", "''") + "'"


def dump(table: str, rows: Iterable[Row]) -> bytes:
    """Statements as long as a server may take, a row a line."""
    kinds = KINDS[table]
    lines = [f"({','.join(map(literal, kinds, row))})" for row in rows]
    parts = (lines[at : at + STATEMENT] for at in range(0, len(lines), STATEMENT))
    return "".join(f"INSERT INTO `{table}` VALUES \n" + ",\n".join(part) + ";\n" for part in parts).encode()


def rows_of(tab_separated: bytes) -> list[Row]:
    lines = tab_separated.decode().split("\n")[:-1]
    return [[None if field == r"\N" else field for field in line.split("\t")] for line in lines]


def checkout(few: dict[str, list[Row]] = FEW) -> dict[str, bytes]:
    """Files of a checkout, by their names."""
    dumps = {f"load_{table}.dump": dump(table, rows) for table, rows in few.items()}
    return {"employees.sql": b"source load_departments.dump ;\n", **dumps}


class Reader:
    """Reads a dump one character at a time. Raises ValueError at anything else."""

    def __init__(self, text: str, table: str) -> None:
        self.text, self.table, self.at = text + "\n", table, 0

    def rows(self) -> list[Row]:
        rows: list[Row] = []
        while self.gap() < len(self.text):
            self.statement_head()
            rows.append(self.row())
            while self.one_of(",;") == ",":
                rows.append(self.row())
        return rows

    def statement_head(self) -> None:
        for word in ("INSERT", "INTO", self.table, "VALUES"):
            if word != "INSERT" and not self.space():
                raise ValueError(self.at)
            quoted = word == self.table and self.text[self.at] == "`"
            self.expect(f"`{word}`" if quoted else word)

    def row(self) -> Row:
        self.gap()
        values = []
        for number, kind in enumerate(KINDS[self.table]):
            self.one_of("," if number else "(")
            self.space()
            values.append(self.value(kind))
        self.one_of(")")
        return values

    def value(self, kind: str) -> str | None:
        if kind.endswith("null") and self.text[self.at :].startswith("NULL"):
            self.expect("NULL")
            return None
        return self.integer() if kind == "int" else self.string(kind)

    def integer(self) -> str:
        begin = self.at
        while self.text[self.at] in "-0123456789":
            self.at += 1
        found = self.text[begin : self.at]
        if not -2147483648 <= int(found) <= 2147483647 or len(found.lstrip("-")) > 10:
            raise ValueError(begin)
        return found

    def string(self, kind: str) -> str:
        self.expect("'")
        found = ""
        while self.text[self.at] != "'" or self.text[self.at + 1] == "'":
            if self.text[self.at] == "'":
                self.at += 1
            if self.text[self.at] == "\\" or ord(self.text[self.at]) < 32 or 127 <= ord(self.text[self.at]) < 160:
                raise ValueError(self.at)
            found += self.text[self.at]
            self.at += 1
        self.at += 1
        if kind.startswith("char") and len(found) > int(kind.split()[1]):
            raise ValueError(self.at)
        if kind == "gender" and found not in ("M", "F"):
            raise ValueError(self.at)
        if kind.startswith("date") and (len(found) != 10 or not found.replace("-", "").isascii()):
            raise ValueError(self.at)
        if kind.startswith("date"):
            datetime.strptime(found, "%Y-%m-%d")
        return found

    def expect(self, word: str) -> None:
        if not self.text.startswith(word, self.at):
            raise ValueError(self.at)
        self.at += len(word)

    def one_of(self, marks: str) -> str:
        self.space()
        if self.text[self.at] not in marks:
            raise ValueError(self.at)
        self.at += 1
        return self.text[self.at - 1]

    def space(self) -> bool:
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        return self.at > begin

    def gap(self) -> int:
        self.space()
        while self.text.startswith("--", self.at) and self.text[self.at + 2] in " \t\r\n":
            self.at = self.text.index("\n", self.at) + 1
            self.space()
        return self.at
