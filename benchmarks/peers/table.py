#!/usr/bin/env python3
"""Prints the results of run.sh as Markdown: how many times as long as octavo the others take, milliseconds, accuracy.

  benchmarks/peers/table.py RESULTS.json

Needs nothing but Python.
"""
import json
import statistics
import sys

MODELS = {"minilm": ("MiniLM-L6", "sentences"), "deit": ("DeiT-tiny", "pictures")}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def ratio(cell, base):
    """Median over rounds of what two turns side by side differ by: a slow spell of the machine is in both."""
    return statistics.median(statistics.median(a) / statistics.median(b) for a, b in zip(cell["samples_ms"], base["samples_ms"]))


def milliseconds(cell):
    samples = [sample for turn in cell["samples_ms"] for sample in turn]
    return f"{digits(statistics.median(samples))} ({digits(min(samples))})"


def digits(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 20 else f"{value:.2f}"


def speed(results):
    """Two tables: octavo's time and how many times as long the others take; milliseconds of all."""
    cells = {(cell["workload"], cell["threads"], cell["engine"]): cell for cell in results["cells"]}
    engines = [engine for engine in results["engines"] if any(engine == each for _, _, each in cells)]
    ratios, times = [], []
    for workload, threads in dict.fromkeys((workload, threads) for workload, threads, _ in cells):
        name = [results["workloads"][workload], str(threads)]
        row = [cells.get((workload, threads, engine)) for engine in engines]
        octavo = cells.get((workload, threads, "octavo"))
        times.append(name + [milliseconds(cell) if cell else "" for cell in row])
        if octavo:
            ratios.append(name + ["" if not cell else milliseconds(cell) if cell is octavo else f"{ratio(cell, octavo):.2f}"
                                  for cell in row])
    head = ["workload", "threads", *(results["engines"][engine] for engine in engines)]
    first = [f"{title}, ms" if title == results["engines"]["octavo"] else title for title in head]
    return table(first, ratios), table(head, times)


def accuracy(results):
    rows = {}
    for each in results["accuracy"]:
        rows.setdefault(each["engine"], {})[each["model"]] = each
    lines = []
    for engine, models in rows.items():
        cosines = [f"{each['mean_cosine']:.4f} / {each['lowest_cosine']:.4f}" if each else "" for each in map(models.get, MODELS)]
        same = f"{100 * models['deit']['same_class']:.1f} %" if "deit" in models else ""
        lines.append([results["engines"][engine], *cosines, same])
    return table(["engine", *(f"{title}: mean / lowest cosine" for title, _ in MODELS.values()), "DeiT-tiny: same class"], lines)


def caption(results):
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (f"{results['cpu']}, {results['cores']} cores with {', '.join(results['isa'])}; octavo's kernels: "
            f"{results.get('octavo_isa', 'not run')}. {results['system']}, {results['date'][:10]}. {versions}.")


def notes(results):
    reasons = {}
    for each in results["notes"]:
        workloads = reasons.setdefault((each["engine"], each["reason"]), [])
        if each["workload"] not in workloads:
            workloads.append(each["workload"])
    return "".join(f"* {results['engines'].get(engine, engine)}: {reason} ({', '.join(workloads)})\n"
                   for (engine, reason), workloads in reasons.items())


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.strip())
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    ratios, times = speed(results)
    print(f"{caption(results)}\n")
    print(f"Time of the others in multiples of octavo's: median over {results['rounds']} rounds, in each of which every engine had a "
          f"turn of {results['passes']} passes. Above 1: octavo is faster.\n\n{ratios}")
    print(f"Milliseconds: median of all passes (the shortest).\n\n{times}")
    if results["accuracy"]:
        counts = {each["model"]: each["inputs"] for each in results["accuracy"]}
        inputs = ", ".join(f"{counts[model]} {what}" for model, (_, what) in MODELS.items() if model in counts)
        print(f"Accuracy, against PyTorch's float32 on {inputs}.\n\n{accuracy(results)}")
    if results["notes"]:
        print(f"Empty cells:\n\n{notes(results)}", end="")


if __name__ == "__main__":
    main()
