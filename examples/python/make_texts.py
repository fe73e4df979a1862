"""Makes a Parquet file of many different texts, pairs of sentences: python make_texts.py SENTENCES.txt TEXTS.parquet [ROWS]"""

import sys

import pyarrow as pa
import pyarrow.parquet


def main(source: str, output: str, rows: int = 100_000) -> None:
    with open(source, encoding="utf-8") as file:
        sentences = [line.strip() for line in file if line.strip()]
    if rows > len(sentences) ** 2:
        sys.exit(f"{source} has {len(sentences)} sentences, which make {len(sentences) ** 2} pairs, expected {rows}")
    # Each sentence with the one behind it, then with the one behind that, ...
    count = len(sentences)
    texts = [f"{sentences[i % count]} {sentences[(i + i // count) % count]}" for i in range(rows)]
    pyarrow.parquet.write_table(pa.table({"id": range(rows), "text": texts}), output, row_group_size=20_000)
    print(f"{output}: {rows} texts, {sum(map(len, texts)) / rows:.0f} characters each")


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
