package host

import "github.com/moby/buildkit/client/llb"

// Settings are what build steps that use the network take over from the machine
// that driftpin runs on: certificates, proxies, and where the indexes are. None
// of it is part of a cache key, and none of it comes into an image.
type Settings struct {
	CA       []byte            // certificates, PEM
	Env      map[string]string // uv's own settings
	UvToml   []byte            // uv's configuration file
	Netrc    []byte            // user names and passwords by host
	channels condarc           // where conda's channels are
	Npmrc    []byte            // npm's configuration file
	Proxies  llb.ProxyEnv
}
