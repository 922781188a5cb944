package main

import (
	"maps"
	"strings"

	"github.com/driftpin/driftpin/buildplan/steps"
)

// An arguments are the Dockerfile's, by name.
type arguments map[string]string

// with returns the arguments with more in their place.
func (a arguments) with(more arguments) arguments {
	out := maps.Clone(a)
	maps.Copy(out, more)
	return out
}

// sizes are the images of each size, by name.
var sizes = map[string]map[string]arguments{
	"small": {"a": smallShared.with(smallA), "b": smallShared.with(smallB)},
	"full": {
		"a": smallShared.with(smallA).with(fullShared).with(fullA),
		"b": smallShared.with(smallB).with(fullShared).with(fullB),
	},
}

// tools are those that driftpin uses itself, in its versions.
func tools() string {
	var out []string
	for _, t := range steps.Toolbox() {
		out = append(out, t.Name+"=="+t.Version)
	}
	return strings.Join(out, " ")
}

var smallShared = arguments{
	"TOOLS": tools(),
	"APT": "r-base-core r-cran-jsonlite r-cran-r6 git python3-pip python3-setuptools python3-wheel python3-six " +
		"nano less",
	"APT_OLD": "rsync/bookworm p7zip/bookworm python3-httplib2/bookworm", // security has newer ones

	"PIP_ENV": "jupyterlab==4.2.5 ipykernel==6.29.0 ipywidgets==8.1.2 jupyterlab-widgets==3.0.10 nbdime==4.0.1 " +
		"attrs==23.1.0 tabulate==0.8.10",
	"PIP_TOOLS":  "setuptools==75.8.0 wheel==0.45.1 attrs==23.1.0 six==1.15.0 requests==2.31.0",
	"PIP_SYSTEM": "six==1.15.0 idna==3.4 tabulate==0.8.10", // six is Debian's too

	"CONDA_WHEELS": "idna==3.4 six==1.16.0 packaging==23.2 tabulate==0.9.0 pyyaml==6.0.1",
	"CONDA_OTHERS": "idna==3.7 packaging==24.1", // other versions of some
	"CONDA_BASE":   "python=3.11 idna=3.4 six packaging=23.2 tabulate libdrift=1.0[build=h1a_0] drift-data",
	"CONDA_X":      "python=3.11 idna=3.7 pyyaml libdrift=1.1",

	"NPM_GLOBAL": "npm@10.8.2 configurable-http-proxy@4.5.6 @babel/parser@7.23.0 semver@7.5.0 rimraf@5.0.5",
	"NPM_APP":    "chalk@4.1.2 ansi-styles@6.2.1 left-pad@1.1.0 old-lodash@npm:lodash@3.10.1 @types/ms@0.7.31",
}

var smallA = arguments{
	"APT_ADD": "file r-cran-digest", "APT_UPGRADE": "rsync", "APT_REMOVE": "nano", "APT_PURGE": "less",
	"DEBS": "drift-tool_1.1-1_amd64.deb",

	"PIP_ENV_OWN": "ipywidgets==8.1.5 jupyterlab-widgets==3.0.13 attrs==23.2.0", "PIP_ENV_GONE": "tabulate",
	"PIP_TOOLS_OWN": "attrs==23.2.0", "PIP_TOOLS_GONE": "six linked",
	"PIP_SYSTEM_OWN": "idna==3.6", "PIP_SYSTEM_GONE": "tabulate",
	"COMMIT": "one",

	"CONDA_BASE_OWN": "python=3.11 idna=3.7 six packaging=23.2 tabulate libdrift=1.0[build=h2b_1] drift-data",
	"CONDA_X_OWN":    "python=3.11 idna=3.7 libdrift=1.1", "CONDA_ANEW": "/opt/conda/envs/x",

	"NPM_GLOBAL_OWN": "@babel/parser@7.24.0", "NPM_GLOBAL_GONE": "rimraf",
	"NPM_APP_OWN": "left-pad@1.3.0", "NPM_APP_GONE": "old-lodash", "NPM_APP_EXTRA": "is-number@6.0.0",

	"R_OWN": "drifty-0.2.0",
	"JUPYTER_OWN": "python -m ipykernel install --sys-prefix --name extra; jupyter server extension disable " +
		"--sys-prefix nbdime",
}

var smallB = arguments{
	"APT_ADD": "file r-cran-digest r-cran-rcpp", "APT_UPGRADE": "rsync p7zip python3-httplib2", "APT_REMOVE": "less",
	"APT_PURGE": "nano",
	"DEBS":      "drift-tool_0.9-1_amd64.deb",

	"PIP_ENV_OWN":   "jupyterlab==4.3.4 nbdime==4.0.2 attrs==24.3.0",
	"PIP_ENV_GONE":  "ipywidgets jupyterlab-widgets widgetsnbextension",
	"PIP_TOOLS_OWN": "attrs==24.3.0 requests==2.32.3 setuptools==75.6.0", "PIP_TOOLS_GONE": "flat egged",
	"PIP_SYSTEM_OWN": "idna==3.10", "PIP_SYSTEM_GONE": "six",
	"COMMIT": "two",

	"CONDA_BASE_OWN": "python=3.11 idna=3.4 packaging=24.1 tabulate libdrift=1.1 drift-data",
	"CONDA_X_OWN":    "python=3.13 idna=3.7 libdrift=1.1",

	"NPM_GLOBAL_OWN": "@babel/parser@7.26.0 configurable-http-proxy@4.6.2", "NPM_GLOBAL_GONE": "semver",
	"NPM_APP_OWN": "ansi-styles@5.2.0 is-odd@3.0.1", "NPM_APP_GONE": "left-pad", "NPM_APP_EXTRA": "is-number@7.0.0",

	"R_OWN":       "drifty-0.3-1 remote-1.0.1",
	"JUPYTER_OWN": "jupyter kernelspec remove -f course; jupyter labextension disable jupyterlab_pygments",
}

var fullShared = arguments{
	"APT": smallShared["APT"] + " nodejs npm r-cran-rcpp r-cran-ggplot2 r-cran-dplyr r-cran-tidyr r-cran-readr " +
		"r-cran-purrr r-cran-stringr r-cran-lubridate r-cran-data.table r-cran-survival r-cran-httr r-cran-xml2 " +
		"r-cran-rvest r-cran-zoo r-cran-xts r-cran-glmnet r-cran-haven r-cran-readxl r-cran-testthat " +
		"r-cran-quantreg r-cran-irkernel r-cran-randomforest",
	"PIP_ENV": smallShared["PIP_ENV"] + " numpy==1.26.2 pandas==2.1.3 seaborn==0.12.2 bokeh==3.3.0",

	"CONDA_WHEELS": smallShared["CONDA_WHEELS"] + " " + condaPure +
		" numpy==1.26.0 pandas==2.1.4 pillow==10.2.0 lxml==5.1.0 sympy==1.12 networkx==3.2.1 matplotlib==3.8.2 " +
		"pytz==2023.3",
	"CONDA_OTHERS": smallShared["CONDA_OTHERS"] + " numpy==1.26.4 pytz==2024.1",
	"CONDA_BASE": smallShared["CONDA_BASE"] + " " + strings.ReplaceAll(condaPure, "==", "=") +
		" numpy=1.26.0 pytz=2023.3",

	"NPM_GLOBAL": smallShared["NPM_GLOBAL"] + " typescript@5.3.3",
	"NPM_APP":    smallShared["NPM_APP"] + " webpack@5.90.0 eslint@8.56.0 express@4.18.2 react@18.2.0",
}

// condaPure are Python packages in the form of conda's.
const condaPure = "jinja2==3.1.3 click==8.1.7 flask==3.0.0 werkzeug==3.0.1 itsdangerous==2.1.2 requests==2.31.0 " +
	"urllib3==2.1.0 certifi==2024.2.2 tzdata==2023.4 python-dateutil==2.8.2 tqdm==4.66.1 attrs==23.2.0 " +
	"jsonschema==4.21.1 referencing==0.33.0 pygments==2.17.2 rich==13.7.0 markdown-it-py==3.0.0 mdurl==0.1.2 " +
	"traitlets==5.14.1 decorator==5.1.1 parso==0.8.3 jedi==0.19.1 wcwidth==0.2.13 colorama==0.4.6"

var fullA = arguments{
	"APT_ADD": smallA["APT_ADD"] + " texlive-latex-base texlive-latex-recommended r-cran-igraph",
	"FOREIGN": "zlib1g:i386",
	"PIP_ENV_OWN": smallA["PIP_ENV_OWN"] +
		" tensorflow-cpu==2.17.1 pyarrow==15.0.2 scipy==1.12.0 scikit-learn==1.4.0 matplotlib==3.8.2 pandas==2.2.0",
	"PIP_ENV_GONE": "tabulate bokeh",

	"CONDA_BASE_OWN": smallA["CONDA_BASE_OWN"] + " " + strings.ReplaceAll(condaPure, "==", "=") +
		" numpy=1.26.4 pytz=2024.1 pandas matplotlib",
	"CONDA_X_OWN": smallA["CONDA_X_OWN"] + " numpy=1.26.0 lxml",

	"NPM_GLOBAL_OWN": smallA["NPM_GLOBAL_OWN"] + " typescript@5.4.5 prettier@3.2.5",
	"NPM_APP_OWN":    smallA["NPM_APP_OWN"] + " jest@29.7.0",
}

var fullB = arguments{
	"APT_ADD": smallB["APT_ADD"] + " gcc g++ gfortran", "FOREIGN": "zlib1g:i386",
	"PIP_ENV_OWN": smallB["PIP_ENV_OWN"] +
		" tensorflow-cpu==2.18.0 numba==0.60.0 scipy==1.13.1 pyarrow==17.0.0 numpy==1.26.4",
	"PIP_ENV_GONE": smallB["PIP_ENV_GONE"] + " seaborn",

	"CONDA_BASE_OWN": smallB["CONDA_BASE_OWN"] + " " + strings.ReplaceAll(condaPure, "==", "=") +
		" numpy=1.26.4 pytz=2023.3 sympy networkx pillow",
	"CONDA_X_OWN": smallB["CONDA_X_OWN"] + " networkx",

	"NPM_GLOBAL_OWN": smallB["NPM_GLOBAL_OWN"] + " typescript@5.7.3 pnpm@9.15.4",
	"NPM_APP_OWN":    smallB["NPM_APP_OWN"] + " webpack@5.97.1 mocha@10.8.2",
}
