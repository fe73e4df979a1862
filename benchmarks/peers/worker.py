"""A process with one engine in it, so that engines neither share threads nor see each other's libraries.

Takes one JSON argument; each line on standard input is a task, each line on standard output its answer, both JSON.
"""
import json
import os
import sys

from engines import ENGINES
from work import Unsupported, Work
from workloads import ACCURACY, WORKLOADS


def main():
    # Libraries print what they like: answers go where only they go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    order = json.loads(sys.argv[1])
    workload = {**WORKLOADS, **{each.name: each for each in ACCURACY.values()}}[order["workload"]]
    engine = ENGINES[order["engine"]](Work(**order["work"]), workload, order["threads"])
    tasks = {"prepare": engine.prepare, "load": engine.load, "time": lambda: engine.time(order["passes"]),
             "answers": lambda: engine.answers().tolist(), "isa": lambda: engine.isa}
    for line in sys.stdin:
        try:
            answer = {"answer": tasks[line.strip()]()}
        except Unsupported as error:
            answer = {"error": str(error)}
        except Exception as error:  # an engine that fails costs its own cells only
            answer = {"error": f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0][:300]}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
