"""End-to-end runs on real recordings, by the commands that the README names; what they leave is looked at.

python .ci/real_data.py FOLDER        needs PHMBENCH_DATA
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

SHORT = "trainer.max_epochs=1"
RUNS = {
    "classification": f"task=classification model=resnet1d data=cwru trainer=cpu {SHORT}",
    "dg": f"task=dg data=cwru task.split.column=load task.split.target=[3] trainer=cpu {SHORT}",
    "cddg-ranks": "task=cddg data=bearings data.rigs=[cwru,mfpt,hit_sm] task.split.target=[mfpt] trainer=ddp_cpu "
    f"model=spectral_linear {SHORT}",
    "cddg-folds": "task=cddg folds=all data=bearings data.rigs=[cwru,mfpt,hit_sm] repeats=2 trainer=cpu "
    f"model=spectral_linear {SHORT}",
    "query": f"data=hit_sm 'data.where=\"speed_rpm >= 900\"' trainer=cpu {SHORT}",
    "time": f"data=cwru_48k trainer=cpu {SHORT}",
    "load": f"data=mfpt trainer=cpu {SHORT}",
    "severity": "data=hit_sm 'data.where=\"fault_severity_level > 0\"' task/split=severity folds=all trainer=cpu "
    f"model=spectral_linear {SHORT}",
    "patch": "data=cwru model=patch_transformer trainer=debug",
    "leaky": "data=cwru task/split=window_random trainer=cpu trainer.max_epochs=12",
    "honest": "data=cwru task/split=units folds=all trainer=cpu trainer.max_epochs=12",
}


def run(name: str, words: str, folder: Path) -> dict[str, Any]:
    """Run a sentence; its result."""
    print(f"python train.py {words}", flush=True)
    command = [sys.executable, "train.py", *shlex.split(words), f"hydra.run.dir={folder / name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads((folder / name / "metrics.json").read_text(encoding="utf-8"))
    macro_f1 = result["metrics"]["test/macro_f1"]
    print(f"  test macro F1 {macro_f1:.3f}, split {result['split']['name']}, shared {result['split']['shared']}")
    require(result["status"] == "done" and 0 <= macro_f1 <= 1, f"{name}: no result")
    require(result["split"]["shared"]["samples"] == 0, f"{name}: shared samples")
    require((folder / name / "report.html").is_file(), f"{name}: no page")
    return result


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(otherwise)


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    results = {name: run(name, words, folder) for name, words in RUNS.items()}
    targets = [fold["target"] for fold in results["cddg-folds"]["folds"]]
    require(targets == ["cwru", "hit_sm/self_built", "hit_sm/spectraquest", "mfpt"], f"targets: {targets}")
    require(results["dg"]["split"]["shared"]["recordings"] == 0, "a load on both sides")
    require(results["cddg-ranks"]["split"]["shared"]["rigs"] == 0, "a rig on both sides")
    require(results["time"]["split"]["weak"] and results["load"]["split"]["weak"], "a weak split is not marked")
    require(
        results["honest"]["split"]["shared"]["units"] == 0 and not results["honest"]["split"]["weak"], "units shared"
    )
    leaky, honest = (results[n]["metrics"]["test/macro_f1"] for n in ("leaky", "honest"))
    require(leaky > 0.9 and honest < 0.7, f"what leakage is worth: {leaky:.3f} by window, {honest:.3f} by bearing")
    best = folder / "dg" / "checkpoints" / "best.ckpt"
    words = RUNS["dg"].replace(SHORT, "") + f" pipeline=evaluate init={best}"
    again = run("evaluate", words, folder)["metrics"]
    same = all(value == results["dg"]["metrics"][name] for name, value in again.items() if name.startswith("test/"))
    require(same, "a checkpoint tests differently the second time")


if __name__ == "__main__":
    main()
