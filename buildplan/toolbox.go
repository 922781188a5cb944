package buildplan

import "github.com/driftpin/driftpin/pins"

// uvVersion is the uv that resolves and installs. To take another: change the
// version, and file, hash and size of its wheel for each platform.
const uvVersion = "0.13.9"

// Tools are the programs that build steps use without installing them. Another
// version may resolve otherwise, so they are among the inputs of a lock.
func Tools() []pins.Tool { return []pins.Tool{{Name: "uv", Version: uvVersion}} }

// uvArtifact is uv's wheel for a platform.
func uvArtifact(platform string) pins.Artifact {
	a := pins.Artifact{Pin: pins.New(pins.Pip, "uv", uvVersion), Platform: platform, Use: pins.BuildInput}
	switch platform {
	case "linux/amd64":
		a.File = "uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
		a.SHA256 = "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19"
	case "linux/arm64":
		a.File = "uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl"
		a.SHA256 = "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe"
	}
	return a
}
