"""Execute a notebook in the image, and say which cell fails.

    notebook.py FILE NAME FOLDER     NAME is what the notebook is called, FOLDER where it runs
"""
import sys

file, name, folder = sys.argv[1:]
try:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from jupyter_client.kernelspec import NoSuchKernel
except ImportError as e:
    sys.exit(f"{name}: the image has no {e.name}: to check notebooks, pin nbclient and the notebook's kernel, such as ipykernel")

try:
    notebook = nbformat.read(file, as_version=4)
except Exception as e:  # of many kinds, for what is no notebook
    sys.exit(f"{name}: it is not a notebook: {e}")

client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}})
try:
    with client.setup_kernel():
        code = 0
        for i, cell in enumerate(notebook.cells):
            code += cell.cell_type == "code"
            try:
                client.execute_cell(cell, i)
            except CellExecutionError as e:
                print(f"{name}: code cell {code} fails: {e.ename}: {e.evalue}", file=sys.stderr)
                print("\n".join("    " + line for line in cell.source.splitlines()), file=sys.stderr)
                sys.exit(1)
except NoSuchKernel as e:
    sys.exit(f"{name}: the image has no kernel {e.name}: pin its package")
print(f"{name}: {code} code cells run")
