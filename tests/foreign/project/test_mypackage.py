"""The contracts of phmbench, held by the classes of this package."""

from mypackage.band_energy import BandEnergy
from mypackage.tones import Tones
from mypackage.worst_domain import WorstDomain

from phmbench.testing import check_algorithm, check_model, check_source


def test_model():
    check_model(BandEnergy, width=16, paper=True)


def test_algorithm():
    check_algorithm(WorstDomain, paper=True)


def test_source():
    check_source(Tones(units=3, seed=0))
