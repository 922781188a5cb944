from setuptools import find_packages, setup

setup(
    name="tmpystore",
    version="0.0.1",
    description="Stand-in for the course's package: a document store that keeps its history in /tmp",
    packages=find_packages(),
    install_requires=["ypy_websocket"],
)
