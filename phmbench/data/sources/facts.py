"""What the package bearing-datasets leaves out and the descriptions of the rigs give, each fact with its source.

The package fills `bearing_id`, `operating_condition` and the fault orders for some rigs only. Which recordings come
from one physical bearing, which nominal columns make a condition and which orders a bearing has is stated here for the
rigs that were looked at; all others follow the generic rule of `Facts` with its defaults. Nothing here is guessed from
signals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ORDERS = ("bpfo", "bpfi", "bsf", "ftf")

SKF_6205 = (3.585, 5.415, 2.357, 0.398)
"""BPFO, BPFI, BSF, FTF of the 6205, in orders of the shaft. Source: description of bjtu_bogie in bearing-datasets 0.3.0
("motor bearing 6205 BPFI 5.415, BPFO 3.585, BSF 2.357, FTF 0.398"); CWRU's bearing page gives the same to 3 digits."""


class Facts(NamedTuple):
    """Facts on one data set; the defaults are the generic rule.

    unit: columns that together tell the physical bearings (gears, machines) apart. The first group of which the
        metadata have every column is taken; where they have none, the unit is not known and stays missing.
    condition: columns that make a nominal operating condition, chosen in the same way; only those that exist are used.
    nominal_speed: (column, value → rpm), where measured speeds differ from file to file.
    orders: value of `rig` ("" where there is one rig) → (BPFO, BPFI, BSF, FTF).
    """

    unit: tuple[tuple[str, ...], ...] = (("bearing_id",), ("run_id",))
    condition: tuple[tuple[str, ...], ...] = (("operating_condition",), ("load", "speed_nominal_rpm"))
    nominal_speed: tuple[str, Mapping[float, float]] | None = None
    orders: Mapping[str, tuple[float, float, float, float]] = {}


FACTS: Mapping[str, Facts] = {
    # Units: bearing_id of the package, shared by the four loads and both rates; the three outer positions of a size
    # have one id, because CWRU does not say whether each is a bearing of its own (description in bearing-datasets).
    # Nominal speeds: CWRU's tables of files, one per motor load ("Approx. motor speed"); measured 1718–1797 rpm.
    "cwru": Facts(condition=(("load",),), nominal_speed=("load", {0.0: 1797.0, 1.0: 1772.0, 2.0: 1750.0, 3.0: 1730.0})),
    # Units: seven states per rig, each recorded at three speeds, no statement on bearings; presumably one bearing per
    # rig and state (Wang et al. 2022,
    # doi:10.1088/1361-6501/ac7941).
    # Orders: the SpectraQuest rig has 6205 bearings (description); the self-built rig's bearing is not documented.
    "hit_sm": Facts(
        unit=(("rig", "native_label"),), condition=(("speed_nominal_rpm",),), orders={"spectraquest": SKF_6205}
    ),
    # Units: presumably one damaged bearing per fault class; nothing says that the bearing was changed between loads
    # (Bechhoefer 2013). The three field recordings of the full set (fault_type "bearing") are other machines: they
    # count as one unit here, which is on the safe side.
    # Orders: NICE bearing, 8 rollers of 0.235 in on 1.245 in, 0° (description). Load 0 is a true load here.
    "mfpt": Facts(unit=(("fault_type",),), condition=(("load",),), orders={"": (3.245, 4.755, 2.555, 0.406)}),
    # Units: one run = one bearing (Nectoux et al. 2012). Conditions 1 to 3: 1800 rpm and 4000 N, 1650 and 4200, 1500
    # and 5000.
    "femto": Facts(unit=(("run_id",),), condition=(("operating_condition",),)),
}

NOMINAL_SPEEDS = 12
"""Where a rig of the generic rule has at most this many distinct speeds, they are taken for nominal ones: measured
speeds differ from recording to recording."""


def facts_of(name: str) -> Facts:
    """Facts on the data set `name`; the generic rule where nothing is known of it."""
    return FACTS.get(name, Facts())


def version() -> str:
    """Hash of this file: a store built with other facts is another store."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
