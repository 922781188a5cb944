# A JupyterHub on loopback, configured by values of Zero to JupyterHub as the chart's own jupyterhub_config.py does it,
# whose servers run in an image that driftpin built. TEST_HUB names the JSON that hub_test.go writes.
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

test = json.load(open(os.environ["TEST_HUB"]))
hub, singleuser = test["values"].get("hub") or {}, test["values"].get("singleuser") or {}

# What a cluster would give: ports, folders, a proxy, somebody to log in by.
c.JupyterHub.bind_url = test["url"]
c.JupyterHub.hub_bind_url = test["hub"]
c.ConfigurableHTTPProxy.api_url = test["proxy"]
c.ConfigurableHTTPProxy.command = [test["chp"]]
c.ConfigurableHTTPProxy.pid_file = os.path.join(test["dir"], "proxy.pid")
c.JupyterHub.db_url = "sqlite:///" + os.path.join(test["dir"], "hub.sqlite")
c.JupyterHub.cookie_secret_file = os.path.join(test["dir"], "cookie_secret")
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "image_spawner.ImageSpawner"
c.ImageSpawner.bundle = test["bundle"]
c.ImageSpawner.folder = test["dir"]
c.ImageSpawner.start_timeout = c.ImageSpawner.http_timeout = 120
c.ImageSpawner.interrupt_timeout, c.ImageSpawner.term_timeout = 3, 3  # a pod gets a second
c.ImageSpawner.args = test["args"]

# The values.
c.JupyterHub.services, c.JupyterHub.load_roles = [], []
for key, service in (hub.get("services") or {}).items():
    c.JupyterHub.services.append({"name": key, **service})
for key, role in (hub.get("loadRoles") or {}).items():
    c.JupyterHub.load_roles.append({"name": key, **role})
if "cmd" in singleuser:
    c.Spawner.cmd = singleuser["cmd"]
c.ImageSpawner.environment = singleuser.get("extraEnv") or {}
c.ImageSpawner.extra_files = singleuser.get("extraFiles") or {}
for section, traits in (hub.get("config") or {}).items():
    if not section[:1].isupper():
        sys.exit(f"FATAL: Invalid hub.config section name: {section}.")
    c[section].update(traits)
for key, code in sorted((hub.get("extraConfig") or {}).items()):
    exec(code)

# The test itself.
c.JupyterHub.services.append({"name": "tester", "api_token": test["token"]})
c.JupyterHub.load_roles.append({
    "name": "tester",
    "services": ["tester"],
    "scopes": ["tokens", "list:users", "admin:users", "admin:servers", "access:servers", "read:users", "read:roles", "admin:groups"],
})
