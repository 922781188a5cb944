"""A build back end that needs nothing (PEP 517)."""
import os
import zipfile


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "plain-1.0-py3-none-any.whl"
    info = "plain-1.0.dist-info/"
    files = {
        "plain.py": "",
        info + "METADATA": "Metadata-Version: 2.1\nName: plain\nVersion: 1.0\n",
        info + "WHEEL": "Wheel-Version: 1.0\nGenerator: whole\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[info + "RECORD"] = "".join(f"{name},,\n" for name in [*files, info + "RECORD"])
    with zipfile.ZipFile(os.path.join(folder, name), "w") as z:
        for path, text in files.items():
            z.writestr(zipfile.ZipInfo(path), text)
    return name
