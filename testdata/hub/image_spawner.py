"""Servers that run in an unpacked image, by runc: its root is read-only, its user, variables and folder are the image's."""
import json
import os
import shutil
import subprocess

from jupyterhub.spawner import LocalProcessSpawner
from jupyterhub.utils import random_port
from traitlets import Dict, Unicode


class ImageSpawner(LocalProcessSpawner):
    bundle = Unicode(config=True, help="folder that umoci unpack made")
    folder = Unicode(config=True, help="where homes, /tmp folders and logs are")
    extra_files = Dict(config=True, help="singleuser.extraFiles")

    def make_preexec_fn(self, name):
        return None  # accounts are no Unix users here

    def user_env(self, env):
        return env

    def runc(self, *args):
        return ["runc", "--root", os.path.join(self.folder, "runc"), *args]

    def place(self, kind, mode):
        """A folder of this account's own."""
        path = os.path.join(self.folder, kind, self.user.name)
        os.makedirs(path, exist_ok=True)
        os.chown(path, 1000, 1000)
        os.chmod(path, mode)
        return path

    def mounts(self):
        """The home stays from start to start. /tmp does not, as in a cluster, unless a file says keep."""
        tmp = os.path.join(self.folder, "tmp", self.user.name)
        if not os.path.exists(os.path.join(self.folder, "keep-tmp")):
            shutil.rmtree(tmp, ignore_errors=True)
        binds = {"/home/jovyan": self.place("homes", 0o755), "/tmp": self.place("tmp", 0o1777)}
        files = self.place("files", 0o755)
        for key, entry in self.extra_files.items():
            path = os.path.join(files, key)
            with open(path, "w") as f:
                f.write(entry["stringData"] if "stringData" in entry else json.dumps(entry["data"]))
            binds[entry["mountPath"]] = path
        return [
            {"destination": to, "source": source, "type": "bind", "options": ["bind", "rw", "nosuid", "nodev"]}
            for to, source in binds.items()
        ]

    def spec(self):
        """What runc is to run."""
        with open(os.path.join(self.bundle, "config.json")) as f:
            spec = json.load(f)
        process = spec["process"]
        hub = {k: v for k, v in self.get_env().items() if k not in ("PATH", "HOME", "LANG", "TEST_HUB")}
        own = [v for v in process["env"] if v.split("=")[0] not in hub]
        process["env"] = own + [f"{k}={v}" for k, v in hub.items()]
        process["args"] = (list(self.cmd) or process["args"]) + self.get_args()
        process.update(terminal=False, noNewPrivileges=True, capabilities={})
        spec["root"] = {"path": os.path.join(self.bundle, "rootfs"), "readonly": True}
        linux = spec["linux"]
        linux["namespaces"] = [{"type": t} for t in ("mount", "pid", "ipc", "uts")]  # the network is the host's loopback
        linux.pop("uidMappings", None), linux.pop("gidMappings", None)
        spec["mounts"] = [m for m in spec["mounts"] if not m["destination"].startswith("/sys")] + self.mounts()
        return spec

    async def start(self):
        self.port = random_port()
        name = "driftpin-" + self.user.name
        run = self.place("run", 0o755)
        with open(os.path.join(run, "config.json"), "w") as f:
            json.dump(self.spec(), f)
        with open(os.path.join(self.folder, "limits.log"), "a") as f:
            f.write(f"{self.user.name} {self.mem_limit} {self.cpu_limit}\n")
        subprocess.run(self.runc("delete", "--force", name), stderr=subprocess.DEVNULL)
        log = open(os.path.join(self.folder, f"server-{self.user.name}.log"), "ab")
        self.proc = subprocess.Popen(
            self.runc("run", "--bundle", run, name), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        self.pid = self.proc.pid
        return "127.0.0.1", self.port

    async def stop(self, now=False):
        await super().stop(now)
        subprocess.run(self.runc("delete", "--force", "driftpin-" + self.user.name), stderr=subprocess.DEVNULL)
