#!/bin/sh
# Print Debian's packages of what the tests take besides driftpin's own needs, and this machine lacks.
lacks() { ! command -v "$1" >/dev/null; }
imports() { "$1" -c "import $2" 2>/dev/null; }

lacks shellcheck && echo shellcheck
lacks pyflakes3 && echo pyflakes3
lacks node && echo nodejs
imports python3 venv || echo python3 python3-venv
imports python3 'yaml, packaging' || imports /usr/bin/python3 'yaml, packaging' || echo python3-yaml python3-packaging
exit 0
