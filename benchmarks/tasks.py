#!/usr/bin/env python3
"""Measures what INT8 costs on tasks, and what clipped softmax, pruned and coarse attention do there; prints Markdown.

tasks.py --octavo build/release/tools/octavo --models FOLDER --data FOLDER [--only TABLE...] > tables.md

The tables are those of docs/method.md. FOLDER of --models holds checkpoints named as in TASKS; that of --data the test sets:
sst2-dev.tsv, stsb-dev-odd.tsv, conll-test-500.tsv, xquad-en-held-out.json, mlm-eval.safetensors, and for calibration
sst2-train-8000.tsv, stsb-train.tsv, wikitext-2.valid.txt. Python's own library suffices.
"""
import argparse
import collections
import json
import pathlib
import re
import string
import subprocess
import sys
import tempfile


class Octavo:
    """The command, whose INT8 models are kept in a folder for the time of this program."""

    def __init__(self, command, folder):
        self.command, self.folder = command, pathlib.Path(folder)

    def ask(self, *words, text=None):
        done = subprocess.run([self.command, *map(str, words), "--quiet"], input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def calibrate(self, checkpoint, data, *options):
        file = self.folder / ("-".join([checkpoint.name, *map(str, options)]) + ".octavo").replace("/", "_")
        if not file.exists():
            quick = () if "--paper" in options else ("--ablations", "off")
            self.ask("calibrate", checkpoint, *data, "-o", file, *quick, "--json", *options)
        return file


def rows(file, heading=False):
    """Lines of a .tsv as lists of columns."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[heading:] if line]


def ranks(values):
    """Ranks from 0, ties share their mean."""
    order, result, first = sorted(range(len(values)), key=values.__getitem__), [0.0] * len(values), 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and values[order[last + 1]] == values[order[first]]:
            last += 1
        for i in order[first:last + 1]:
            result[i] = (first + last) / 2
        first = last + 1
    return result


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    mean = (len(a) - 1) / 2
    product = sum((x - mean) * (y - mean) for x, y in zip(a, b))
    return product / (sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)) ** 0.5


def spans(tags):
    """Entities of a sentence's BIO tags as conlleval counts them: (first, end, type)."""
    found, start, kind = set(), None, None
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if start is not None and (prefix != "I" or name != kind):
            found.add((start, i, kind))
            start = None
        if tag != "O" and start is None:
            start, kind = i, name
    return found


def words_of(answer):
    """SQuAD's normalization: no case, no articles, no punctuation."""
    text = "".join(c for c in answer.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def overlap(answer, truth):
    """SQuAD's F1 of two answers."""
    a, b = words_of(answer), words_of(truth)
    common = sum((collections.Counter(a) & collections.Counter(b)).values())
    return 2 * common / (len(a) + len(b)) if common else float(a == b)


class Sentiment:
    measure, unit = "accuracy, %", "sentiments"

    def __init__(self, data):
        pairs = rows(data / "sst2-dev.tsv", heading=True)
        self.texts, self.labels = [pair[0] for pair in pairs], [int(pair[1]) for pair in pairs]
        self.calibration = lambda folder: ["-d", write(folder / "sst2.txt", [r[0] for r in rows(data / "sst2-train-8000.tsv", True)])]

    def answers(self, octavo, model):
        found = octavo.ask("classify", "-m", model, "-f", "-", "--json", text="\n".join(self.texts) + "\n")
        return [answer["labels"][0]["id"] for answer in found]

    def score(self, answers):
        return 100 * sum(a == b for a, b in zip(answers, self.labels)) / len(self.labels)


class Entities:
    measure, unit = "entity F1, %", "words"

    def __init__(self, data):
        lines = (data / "conll-test-500.tsv").read_text(encoding="utf-8").split("\n\n")
        self.sentences = [[line.split("\t") for line in block.splitlines()] for block in lines if block.strip()]
        # No CoNLL sentence is left to calibrate on: other people's prose.
        self.calibration = lambda folder: ["-d", write(folder / "ner.txt", prose(data))]

    def answers(self, octavo, model):
        """A tag for each word: that of its first piece."""
        texts = [" ".join(word for word, _ in sentence) for sentence in self.sentences]
        found = octavo.ask("tag", "-m", model, "-f", "-", "--aggregation", "none", "--json", text="\n".join(texts) + "\n")
        tags = []
        for sentence, answer in zip(self.sentences, found):
            labels, start = {piece["start"]: piece["label"] for piece in answer["entities"]}, 0
            for word, _ in sentence:
                tags.append(labels.get(start, "O"))
                start += len(word) + 1
        return tags

    def score(self, answers):
        right = given = true = position = 0
        for sentence in self.sentences:
            ours = spans(answers[position:position + len(sentence)])
            theirs = spans([tag for _, tag in sentence])
            right, given, true = right + len(ours & theirs), given + len(ours), true + len(theirs)
            position += len(sentence)
        return 200 * right / (given + true)


class Questions:
    measure, unit = "answer F1, %", "answers"

    def __init__(self, data):
        articles = json.loads((data / "xquad-en-held-out.json").read_text(encoding="utf-8"))["data"]
        asked = [(question, paragraph["context"]) for article in articles for paragraph in article["paragraphs"]
                 for question in paragraph["qas"]]
        self.truths = [[answer["text"] for answer in question["answers"]] for question, _ in asked]
        self.lines = [json.dumps({"question": question["question"], "context": context}) for question, context in asked]
        # No other questions are at hand: sentences of prose beside the paragraph that they come from.
        self.calibration = lambda folder: ["-d", write(folder / "qa.tsv", pairs_of_prose(data)), "--column", "1,2"]

    def answers(self, octavo, model):
        found = octavo.ask("answer", "-m", model, "-f", "-", "--json", text="\n".join(self.lines) + "\n")
        return [answer["answers"][0]["text"] for answer in found]

    def score(self, answers):
        return 100 * sum(max(overlap(a, truth) for truth in truths) for a, truths in zip(answers, self.truths)) / len(answers)


class Similarity:
    measure, unit = "Spearman x 100", "scores to 0.02"

    def __init__(self, data):
        pairs = rows(data / "stsb-dev-odd.tsv")
        self.texts, self.truth = ["\t".join(pair[:2]) for pair in pairs], [float(pair[2]) for pair in pairs]
        self.calibration = lambda folder: ["-d", write(folder / "sts.tsv", ["\t".join(r[:2]) for r in rows(data / "stsb-train.tsv")]),
                                           "--column", "1,2"]

    def answers(self, octavo, model):
        found = octavo.ask("classify", "-m", model, "-f", "-", "--json", text="\n".join(self.texts) + "\n")
        return [answer["labels"][0]["score"] for answer in found]

    def score(self, answers):
        return 100 * spearman(answers, self.truth)


class Masked:
    measure, unit = "masked perplexity", ""

    def __init__(self, data):
        self.masks = data / "mlm-eval.safetensors"
        self.calibration = lambda folder: ["-d", write(folder / "mlm.txt", prose(data))]

    def answers(self, octavo, model):
        return octavo.ask("perplexity", "-m", model, "--masks", self.masks, "--json")[0]

    def score(self, answers):
        return answers["perplexity"]


def prose(data):
    lines = (data / "wikitext-2.valid.txt").read_text(encoding="utf-8").splitlines()
    lines = [line.strip().replace("<unk>", "it").replace(" @-@ ", "-").replace(" @,@ ", ",") for line in lines]
    return [line for line in lines if line and not line.startswith("=")]


def pairs_of_prose(data):
    return [sentences[len(sentences) // 2] + "\t" + paragraph for paragraph in prose(data)
            if len(sentences := paragraph.split(" . ")) > 2]


def write(file, lines):
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


TASKS = {"MiniLM-L6-sst2": Sentiment, "MiniLM-L6-sst2-clipped": Sentiment, "MiniLM-L6-ner": Entities, "MiniLM-L6-qa": Questions,
         "MiniLM-L6-sts-cross": Similarity, "MiniLM-L6-mlm": Masked, "MiniLM-L6-mlm-clipped": Masked}


def same(task, answers, reference):
    """Share of answers that are those of float32, in percent."""
    if isinstance(task, Masked):
        return "-"
    close = (lambda a, b: abs(a - b) <= 0.02) if isinstance(task, Similarity) else (lambda a, b: a == b)
    return f"{100 * sum(map(close, answers, reference)) / len(answers):.1f}"


def heads(octavo, models, data):
    """Float32, INT8 by default and in the paper's setting."""
    yield "| checkpoint | measure | float32 | INT8 | same | `--paper` | same |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, kind in TASKS.items():
        task, cells = kind(data), []
        reference = task.answers(octavo, models / name)
        for options in ((), ("--paper",)):
            answers = task.answers(octavo, octavo.calibrate(models / name, task.calibration(octavo.folder), *options))
            cells += [f"{task.score(answers):.2f}", f"{same(task, answers, reference)} % of {task.unit}" if task.unit else ""]
        yield f"| {name} | {task.measure} | {task.score(reference):.2f} | {' | '.join(cells)} |"


def pruned(octavo, models, data):
    """Attention probabilities up to tau made zero, then with 3 bits for what is left; INT8 throughout."""
    yield "| checkpoint | measure | tau | probabilities that are zero | INT8 | the same in 3 bits |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in ("MiniLM-L6-sst2", "MiniLM-L6-qa"):
        task = TASKS[name](data)
        samples = task.calibration(octavo.folder)
        for tau in (0, 0.001, 0.003, 0.01, 0.03, 0.1):
            prune = ("--attn-prune", tau) if tau else ()
            looked = octavo.ask("analyze", models / name, *samples, *prune, "--json")[0]
            zeros = [share for layer in looked["attention"] for share in layer["zeros"]]
            cells = []
            for bits in ((), ("--attn-log-bits", 3)) if tau else ((),):
                cells.append(f"{task.score(task.answers(octavo, octavo.calibrate(models / name, samples, *prune, *bits))):.2f}")
            cells += [""] * (2 - len(cells))
            yield f"| {name} | {task.measure} | {tau} | {100 * sum(zeros) / len(zeros):.1f} % | {' | '.join(cells)} |"


TABLES = {"heads": heads, "pruned": pruned}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--octavo", required=True, help="the command, of a build for speed")
    parser.add_argument("--models", type=pathlib.Path, required=True, help="folder of checkpoints")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of test sets")
    parser.add_argument("--only", choices=TABLES, nargs="+", default=list(TABLES), help="some of the tables")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            for line in TABLES[name](Octavo(options.octavo, folder), options.models, options.data):
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
