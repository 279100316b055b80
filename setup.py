"""What pyproject.toml cannot say: conf/, which lies beside the package in a checkout, is inside it once installed."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["phmbench*"]), "phmbench.conf"],
    package_dir={"phmbench.conf": "conf"},
    package_data={"phmbench.conf": ["**/*.yaml"], "phmbench.record": ["*.json", "*.css"]},
)
